"""The declaration of a seeded bug: an implementation that is wrong on purpose."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from supcr_bench.verification.bugs.right import RankedContrast
from supcr_bench.verification.outcome import Group

Faulty = TypeVar("Faulty", bound=type[RankedContrast])
_ALL: list["SeededBug"] = []


@dataclass(frozen=True, slots=True)
class SeededBug:
    """A wrong class, the group of checks that must catch it, and the cause to name, if any."""

    factory: type[RankedContrast]
    caught_by: Group
    named: str | None

    @property
    def name(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.factory.__name__).lower()

    @property
    def definition(self) -> str:
        return self.factory.DEFINITION


def seeded_bug(
    *, caught_by: Group = "definition", named: str | None = None
) -> Callable[[Faulty], Faulty]:
    """Mark a class as a seeded bug; the arguments are those of :class:`SeededBug`."""

    def mark(factory: Faulty) -> Faulty:
        _ALL.append(SeededBug(factory, caught_by, named))
        return factory

    return mark


def wrong(
    right: type[RankedContrast],
    step: str,
    *,
    caught_by: Group = "definition",
    named: str | None = None,
) -> Callable[[Callable[..., Any]], type[RankedContrast]]:
    """Mark a function as a seeded bug: it replaces one method of a correct implementation."""

    def mark(function: Callable[..., Any]) -> type[RankedContrast]:
        name = "".join(word.capitalize() for word in function.__name__.split("_"))
        members = {"__doc__": function.__doc__, "__module__": function.__module__, step: function}
        return seeded_bug(caught_by=caught_by, named=named)(type(name, (right,), members))

    return mark


def bugs_in(*modules: ModuleType) -> tuple[SeededBug, ...]:
    """The seeded bugs that these modules define, in order."""
    names = [module.__name__ for module in modules]
    return tuple(bug for name in names for bug in _ALL if bug.factory.__module__ == name)
