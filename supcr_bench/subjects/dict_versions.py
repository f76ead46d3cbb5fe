"""Tells whether dictionaries have changed, without a look at what they hold.

CPython up to 3.13 gives a dictionary a new number whenever it changes (PEP 509). Other
interpreters have no such numbers, or have them elsewhere, which a test at import finds out.
"""

import ctypes
import gc
import sys
from collections.abc import Callable, Iterable

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


class DictVersions:
    """The numbers of the dictionaries of some modules and classes."""

    def __init__(self, owners: Iterable[object]) -> None:
        self._kept = [dict_of(owner) for owner in owners] if ARE_NUMBERED else []
        self._numbers = [*map(_number, self._kept)]

    def now(self) -> list[int] | None:
        """The numbers, which are others after any change; ``None`` if there are none."""
        return [number.value for number in self._numbers] if ARE_NUMBERED else None
