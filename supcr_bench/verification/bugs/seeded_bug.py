"""The declaration of a seeded bug: an implementation that is wrong on purpose."""

import re
from dataclasses import dataclass
from typing import Any

from supcr_bench.verification.bugs.right import RankedContrast, RightSupCR
from supcr_bench.verification.outcome import Group
from supcr_bench.verification.phrases import PHRASES


@dataclass(frozen=True, slots=True)
class SeededBug:
    """A wrong class, the group of checks that must catch it, and the cause to name, if any."""

    factory: type[RankedContrast]
    caught_by: Group = "definition"
    named: str | None = None

    @property
    def name(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.factory.__name__).lower()

    @property
    def definition(self) -> str:
        return self.factory.DEFINITION


def wrong(
    text: str,
    cause: tuple[str, str] | None = None,
    right: type[RankedContrast] = RightSupCR,
    caught_by: Group = "definition",
    **steps: Any,
) -> SeededBug:
    """A correct implementation with some of its methods and attributes replaced.

    Args:
        text: ``name: what it does wrong.``; the name alone where the cause says that.
        cause: the keys in ``PHRASES`` of the cause to name, if any.
        right: the correct implementation.
        caught_by: the group of checks that must catch it.
        steps: the wrong methods and attributes, by name.
    """
    name, _, doc = text.partition(": ")
    named = PHRASES[cause[0]][cause[1]] if cause else None
    members = {"__doc__": doc or f"{named}.", "__module__": __name__, **steps}
    factory = type(name.title().replace("-", ""), (right,), members)
    return SeededBug(factory, caught_by, named)
