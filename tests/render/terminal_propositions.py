"""Decides whether the last lines of a terminal say what the sentences of the answer do.

The sentences themselves are decided from raw results; here each line is read back into facts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from supcr_bench.render.sentences import Sentence, place
from supcr_bench.values.definition import short_name
from tests.render.evidence_propositions import is_quantity
from tests.render.table_propositions import shows

Answer = Mapping[str, Sequence[Sentence]]
ROW = re.compile(r"    (N=\d+(?: to \d+)?)  +(\S.*)")
USE = re.compile(
    r"(?P<names>\S.*?) +(?P<times>[\d.,]+(?: [nµm]?s)?(?: to [\d.,]+ [nµm]?s)?)"
    r"(?: +(?P<memory>[\d.,]+ \S*B))?(?: +(?P<ratio>[\d.,]+)x(?: at (?P<at>\d+))?)?"
    r"(?: +(?P<floors>[\d.,]+)x floor)?"
)


def lines_hold(answer: Answer, lines: Sequence[str], ends: Sequence[str]) -> bool:
    """Whether every part is said, or counted among those left out, in order."""
    parts = {head: said for head, said in answer.items() if said}
    found: dict[str, list[str]] = {}
    for line in lines[: len(lines) - len(ends)]:
        if line and not line.startswith(" "):
            found[line] = []
        elif line:
            found[list(found)[-1]].append(line)
    return (
        list(lines[len(lines) - len(ends) :]) == list(ends)
        and list(found) == list(parts)
        and all(
            (_use_holds if head == "What to use" else _said_holds)(said, *_items(found[head]))
            for head, said in parts.items()
        )
    )


def _items(lines: Sequence[str]) -> tuple[list[str], int]:
    """Each item in one line; a row keeps its four spaces. And how many items are left out."""
    items: list[str] = []
    for line in lines:
        if ROW.fullmatch(line) or not line.startswith("    "):
            items.append(line if line.startswith("    ") else line.strip())
        else:
            items[-1] += f" {line.strip()}"
    hidden = re.fullmatch(r"and (\d+) more, on the page", items[-1])
    return items[: -1 if hidden else None], int(hidden[1]) if hidden else 0


def _said_holds(said: Sequence[Sentence], items: Sequence[str], hidden: int) -> bool:
    return [s.text for s in said[: len(items)]] == items and len(items) + hidden == len(said)


def _use_holds(said: Sequence[Sentence], items: Sequence[str], hidden: int) -> bool:
    """A note, for each series a head and a row for each range of N, and series without any."""
    floor = "; floor: the products and exponentials alone"
    floors = floor * any(s.facts.get("floors") for s in said)
    none = sorted(_without(said))
    usable = [s for s in said if _place(s, said) not in none]
    noted = [f"(time at the first and the last N, memory at the last{floors})"] * bool(usable)
    if [*items[: len(noted)]] != noted:
        return False
    rows, last = 0, ""
    where, base = "", None
    for item in items[len(noted) :]:
        if head := re.fullmatch(r"(.*?)(?:, times as fast as (\S+))?:", item):
            where, base = head.groups()
        elif item.startswith("None is both timed and right: "):
            last = item
        elif not _row_holds(usable[rows : rows + 1], item, where, base, said):
            return False
        else:
            rows += 1
    told = last.removeprefix("None is both timed and right: ").removesuffix(".").split("; ")
    missing = bool(none) and not last
    return (not last or sorted(told) == none) and len(usable) + missing == rows + hidden


def _without(said: Sequence[Sentence]) -> Iterator[str]:
    """The series in which nothing can be used at any N."""
    for where in {_place(s, said) for s in said}:
        if {s.kind for s in said if _place(s, said) == where} == {"unusable"}:
            yield where


def _place(sentence: Sentence, every: Sequence[Sentence]) -> str:
    """A series; of several devices, precisions or definitions it names its own."""
    case, cases = sentence.facts["case"], [s.facts["case"] for s in every]
    found = place(case, cases)
    for name, usual in (("device", "cpu"), ("dtype", "float32")):
        others = {getattr(c, name) for c in cases}
        assert getattr(case, name) in found.split(", ")[1].split() or others == {usual}
    assert short_name(case.definition) in found or {c.definition for c in cases} == {"torchcell"}
    return found


def _row_holds(
    said: Sequence[Sentence], item: str, where: str, base: str | None, every: Sequence[Sentence]
) -> bool:
    row = ROW.fullmatch(item)
    if not said or not row:
        return False
    facts = said[0].facts
    sizes = [int(n) for n in re.findall(r"\d+", row[1])]
    if sizes != list(dict.fromkeys((facts["sizes"][0], facts["sizes"][-1]))):
        return False
    if _place(said[0], every) != where or said[0].kind == "unusable":
        return row[2] == "none is both timed and right" and _place(said[0], every) == where
    told = USE.fullmatch(row[2])
    assert told, row[2]
    first, _, last = told["times"].partition(" to ")
    unit = told["times"].rpartition(" ")[2]
    times = (first if " " in first else f"{first} {unit}", last or first)
    n, ratio = facts["speedup"] or (0, 0.0)
    memory, floors = facts["peak_bytes"], facts["floors"]
    return (
        told["names"] == " or ".join(facts["names"])
        and all(is_quantity(text, s) for text, s in zip(times, facts["times_s"], strict=True))
        and (is_quantity(told["memory"], memory) if told["memory"] else memory is None)
        and (shows(told["ratio"], ratio) if told["ratio"] else not n)
        and (not n or (base, int(told["at"] or sizes[-1])) == (facts["baseline"], n))
        and (shows(told["floors"], floors) if told["floors"] else not floors)
    )
