"""Tells whether an attribute of some modules and classes has another value.

This is asked after each timed call, of 8,000 attributes, when the caches were flushed. CPython up
to 3.13 gives a dictionary a new number whenever it changes (PEP 509), so most answers need no look
at the values. Other interpreters have no such numbers, or have them
elsewhere, which a test at import finds out.
"""

import ctypes
import gc
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from operator import is_

_OFFSET = object.__basicsize__ + ctypes.sizeof(ctypes.c_ssize_t)
"""Bytes before the number: those of any object, and the length of the dictionary."""


def _number(of: dict[str, object]) -> ctypes.c_uint64:
    """A view of a dictionary's number; the dictionary must be kept."""
    return ctypes.c_uint64.from_address(id(of) + _OFFSET)


def dict_of(owner: object) -> dict[str, object]:
    """The dictionary of a module or class, of which ``vars`` shows a proxy for a class."""
    own = vars(owner)
    return own if isinstance(own, dict) else gc.get_referents(own)[0]


def _are_numbered() -> bool:
    """Whether each kind of change gives a dictionary another number, and reading it does not."""
    if sys.implementation.name != "cpython" or dict.__basicsize__ < _OFFSET + 8:
        return False

    class Owner:
        value = 0

    own = dict_of(Owner)
    seen = [_number(own).value]
    changes: list[Callable[[], object]] = [
        lambda: setattr(Owner, "value", 1),
        lambda: setattr(Owner, "other", 1),
        lambda: delattr(Owner, "other"),
        lambda: own.update(value=2),
        lambda: own.pop("value"),
    ]
    for change in changes:
        change()
        seen.append(_number(own).value)
        if [*own.items()] and _number(own).value != seen[-1]:
            return False
    return len(set(seen)) == len(seen)


ARE_NUMBERED = _are_numbered()


class Attributes:
    """All attributes of some modules and classes; true while none has another value.

    That is said in comparison with the last :meth:`remember`, and is never true after
    :meth:`forget`.
    """

    def __init__(self, owners: Iterable[object]) -> None:
        self._owned = [dict_of(owner) for owner in owners]
        self._numbers = [*map(_number, self._owned)] if ARE_NUMBERED else []
        self._values = [own.values() for own in self._owned]
        self.remember()

    def remember(self) -> None:
        self._seen_numbers = self._numbers_now()
        self._sizes, self._seen = [*map(len, self._values)], [*chain.from_iterable(self._values)]

    def forget(self) -> None:
        self._seen = []

    def _numbers_now(self) -> list[int]:
        """The numbers of the dictionaries, or none; they are others after any change."""
        return [number.value for number in self._numbers]

    def __bool__(self) -> bool:
        numbers = self._numbers_now()
        if self._seen and numbers and numbers == self._seen_numbers:
            return True
        if not self._seen or [*map(len, self._values)] != self._sizes:
            return False
        # The caches were flushed: fetched in one short loop first, the values come sooner.
        same = all(map(is_, [*chain.from_iterable(self._values)], self._seen))
        if same:  # they were set to what they were
            self._seen_numbers = numbers
        return same
