"""The declaration of a seeded bug: an implementation that is wrong on purpose."""

import inspect
import re
from dataclasses import dataclass
from typing import Any, cast

from supcr_bench.verification.bugs import right as right_ones
from supcr_bench.verification.bugs.right import RankedContrast
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


def seeded_bugs(text: str) -> tuple[SeededBug, ...]:
    """Correct implementations in which some variables have other values.

    A line ``[class, group]`` gives the class of ``right.py`` that is changed in the bugs below it,
    and the group of checks that must catch them. A bug is ``name (field: choice): edits``, with the
    keys of its cause in ``PHRASES`` if that can be named; the name says what is wrong. An edit is
    ``variable := new value``, which further lines may follow, indented by four spaces; ``{old}`` is
    the value in ``right.py``, which assigns each of these variables once.
    """
    found, right, group = list[SeededBug](), "", ""
    for lines in re.split(r"\n(?! )", text):
        if section := re.fullmatch(r"\[(\w+), (\w+)\]", lines):
            right, group = section.groups()
        elif bug := re.match(r"([a-z][\w-]*)(?: \((.+?)\))?:(?:  #[^\n]*)?(.*)", lines, re.DOTALL):
            name, cause, edits = bug.groups()
            field, _, choice = (cause or "").partition(": ")
            named = PHRASES[field][choice] if cause else None
            found.append(SeededBug(_edited(name, right, edits), cast(Group, group), named))
    return tuple(found)


def _edited(name: str, right: str, edits: str) -> type[RankedContrast]:
    wrong_text = TEXT
    edits = edits.replace("\n    ", "\n")
    for variable, new in re.findall(r"^ *(\w+) := (.*(?:\n(?!\w+ := ).*)*)", edits, re.MULTILINE):
        assigned = rf"^( *)({variable}(?:: \w+)?) = (.*?)(?:  #.*)?$"
        (indent, target, old), *others = re.findall(assigned, wrong_text, re.MULTILINE)
        assert not others, f"{name}: right.py assigns {variable} {1 + len(others)} times"
        value = f"{indent}{target} = {new}".replace("{old}", old).replace("\n", f"\n{indent}")
        wrong_text = re.sub(assigned, lambda _: value, wrong_text, flags=re.MULTILINE)  # noqa: B023
    found: dict[str, Any] = {"__name__": __name__}
    exec(compile(wrong_text, f"<{name}>", "exec"), found)  # noqa: S102 - it is this package's text
    factory: type[RankedContrast] = found[right]
    factory.__name__ = factory.__qualname__ = name.title().replace("-", "")
    return factory
