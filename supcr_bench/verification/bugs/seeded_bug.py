"""The declaration of a seeded bug: an implementation that is wrong on purpose."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from supcr_bench.verification.bugs import right as right_ones
from supcr_bench.verification.bugs.right import RankedContrast, RightNoSelf, RightSupCR
from supcr_bench.verification.outcome import Group
from supcr_bench.verification.phrases import PHRASES

TEXT = inspect.getsource(right_ones)


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
    name: str,
    edits: Mapping[str, str],
    cause: str = "",
    right: type[RankedContrast] = RightSupCR,
    caught_by: Group = "definition",
) -> SeededBug:
    """A correct implementation with an edit of its text; its name says what is wrong.

    Each of the passages of ``right.py`` that ``edits`` replace is there once; further lines are
    indented like the first. ``cause``, if it can be named, has the keys in ``PHRASES``, as in
    ``field: choice``.
    """
    field, _, choice = cause.partition(": ")
    wrong_text = TEXT
    for old, new in edits.items():
        start, *rest = wrong_text.split(old)
        assert len(rest) == 1, f"{name}: right.py has {old!r} {len(rest)} times"
        line = start.rpartition("\n")[2]
        indent = line[: len(line) - len(line.lstrip())]
        wrong_text = start + new.replace("\n", f"\n{indent}") + rest[0]
    found: dict[str, Any] = {"__name__": __name__}
    exec(compile(wrong_text, f"<{name}>", "exec"), found)  # noqa: S102 - it is this package's text
    factory: type[RankedContrast] = found[right.__name__]
    factory.__name__ = factory.__qualname__ = name.title().replace("-", "")
    return SeededBug(factory, caught_by, PHRASES[field][choice] if cause else None)


no_self = partial(wrong, right=RightNoSelf)
not_robust = partial(wrong, caught_by="robustness")
