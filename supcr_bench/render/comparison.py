"""A comparison of two runs as tables and sentences."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from supcr_bench.analysis.compare import (
    Comparison,
    ComparisonRow,
    Difference,
)
from supcr_bench.render.grid import Grid, facets_of, varied_columns
from supcr_bench.values.case import PASSES, Pass
from supcr_bench.values.change import TIME_DIRECTIONS, Change, Direction
from supcr_bench.values.metrics import COUNTS
from supcr_bench.values.result import Status
from supcr_bench.values.table import Facets
from supcr_bench.values.units import MISSING

_HEADERS = ("ratio", "interval", "time", "work", "bytes")


def ratio_text(ratio: float | None) -> str:
    """``1.04``, ``12.3`` or ``0.031``, or a dash."""
    if ratio is None:
        return MISSING
    digits = 1 if ratio >= 9.995 else 2 if ratio >= 0.0995 else 3
    return f"{ratio:.{digits}f}"


def _interval_text(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return MISSING
    return f"{ratio_text(low)}-{ratio_text(high)}"


def _bytes_text(change: Change | None) -> str:
    if change is None:
        return MISSING
    if change.direction is Direction.SAME or change.ratio is None:
        return change.direction
    return f"x{ratio_text(change.ratio)}"


def time_grid(comparison: Comparison, pass_: Pass) -> Grid:
    """Time, work and memory of every case with figures in both runs, second over first."""
    rows = [r for r in comparison.joined if r.case.pass_ == pass_ and _has_figures(r)]
    order = {s: i for i, s in enumerate(dict.fromkeys(r.case.series() for r in rows))}
    names = {n: i for i, n in enumerate(dict.fromkeys(r.implementation for r in rows))}
    rows.sort(
        key=lambda r: (names[r.implementation], order[r.case.series()], r.case.batch_size),
    )
    varied = varied_columns([r.case for r in rows], always=())
    left = 1 + len(varied) + 1
    cells = [
        (
            ratio_text(r.time.ratio if r.time else None),
            _interval_text(r.time.low, r.time.high) if r.time else MISSING,
            r.time.direction if r.time else MISSING,
            r.work or MISSING,
            _bytes_text(r.memory),
        )
        for r in rows
    ]
    verdict, work, size = left + 2, left + 3, left + 4
    more = {(i, work) for i, r in enumerate(rows) if r.work is Direction.MORE}
    more |= {
        (i, size) for i, r in enumerate(rows) if r.memory and r.memory.direction is Direction.MORE
    }
    verdicts = [r.time.direction if r.time else None for r in rows]
    return Grid(
        name=f"compare-{pass_}",
        title=f"Second run over first, {pass_}",
        note="interval: 95 % by the samples, widened by the drift of unchanged results; "
        f"same: all of it within {comparison.margin:.3g} of 1",
        headers=("name", *(header for header, _ in varied), "N", *_HEADERS),
        rows=tuple(
            (r.implementation, *(value(r.case) for _, value in varied), str(r.case.batch_size), *c)
            for r, c in zip(rows, cells, strict=True)
        ),
        left=1,
        sections=frozenset(
            i for i in range(1, len(rows)) if rows[i].implementation != rows[i - 1].implementation
        ),
        strong=frozenset(
            (i, verdict) for i, v in enumerate(verdicts) if v in (Direction.FASTER, Direction.SAME)
        ),
        alarming=frozenset(
            {(i, verdict) for i, v in enumerate(verdicts) if v is Direction.SLOWER} | more
        ),
        weak=frozenset(
            (i, verdict) for i, v in enumerate(verdicts) if v in (Direction.UNDECIDED, None)
        ),
        facets=tuple(facets_of(r.case, r.implementation) for r in rows),
    )


def _has_figures(row: ComparisonRow) -> bool:
    return bool(row.changes)


def _status_text(status: Status | None) -> str:
    return "not there" if status is None else status.words


@dataclass(frozen=True, slots=True)
class _Change:
    """Something that changed beside time: what, how, and whether for the worse."""

    row: ComparisonRow
    what: str
    how: str
    worse: bool

    @property
    def group(self) -> tuple[object, ...]:
        """Changes that share a row of the table: they differ in the batch size alone."""
        case = self.row.case
        return (self.what, self.worse, self.row.implementation, case.pass_, case.series())


def _changes(row: ComparisonRow) -> Iterator[_Change]:
    if row.first is not row.second:
        what = f"{_status_text(row.first)}, then {_status_text(row.second)}"
        yield _Change(row, what, row.finding or row.note or MISSING, row.finding is not None)
    for metric in COUNTS:
        change = row.changes.get(metric.name)
        if change and change.direction is not Direction.SAME:
            what = f"{metric.title}: {change.direction}"
            how = f"{change.before:,}, then {change.after:,} (x{ratio_text(change.ratio)})"
            worse = row.finding is not None and change.direction is Direction.MORE
            yield _Change(row, what, how, worse)


def changes_grid(comparison: Comparison) -> Grid:
    """What changed beside time, and what only one run has; sizes of one series share a row."""
    groups: dict[tuple[object, ...], list[_Change]] = {}
    for row in comparison.rows:
        for change in _changes(row):
            groups.setdefault(change.group, []).append(change)
    cells, alarming = [], set()
    facets: list[Facets] = []
    for i, members in enumerate(groups.values()):
        first = min(members, key=lambda change: change.row.case.batch_size)
        case = first.row.case
        sizes = ", ".join(str(n) for n in sorted(c.row.case.batch_size for c in members))
        where = f"{first.row.implementation} {case.pass_}, {case.describe_series()}, N={sizes}"
        several = len(members) > 1 and first.how != MISSING
        cells.append((where, first.what, f"at N={case.batch_size}: " * several + first.how))
        facets.append(facets_of(case, first.row.implementation))
        if first.worse:
            alarming.add((i, 1))
    return Grid(
        name="compare-changes",
        title="What changed beside time",
        note="from the first run to the second",
        headers=("what", "change", "how"),
        rows=tuple(cells),
        left=3,
        wraps=frozenset({0, 1, 2}),
        alarming=frozenset(alarming),
        facets=tuple(facets),
    )


def comparison_grids(comparison: Comparison) -> list[Grid]:
    """Every table with something in it."""
    grids = [time_grid(comparison, p) for p in PASSES]
    return [grid for grid in [*grids, changes_grid(comparison)] if grid.rows]


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(v["name"]) if isinstance(v, dict) else str(v) for v in value) or "none"
    return str(value)


def _difference_text(difference: Difference) -> str:
    first, second = _value_text(difference.first), _value_text(difference.second)
    return f"{difference.key} {first}, then {second}"


def environment_sentences(differences: Sequence[Difference]) -> list[str]:
    """What differs in machine and software, and what follows from it."""
    machine = [_difference_text(d) for d in differences if d.of_the_machine]
    software = [_difference_text(d) for d in differences if not d.of_the_machine]
    sentences = []
    if machine:
        sentences.append(
            f"Unlike machines: {'; '.join(machine)}. Times are shown, and decide nothing."
        )
    if software:
        sentences.append(f"Software differs, and may be the cause: {'; '.join(software)}.")
    return sentences


def _time_sentence(comparison: Comparison) -> str | None:
    counts = {v: comparison.times(v) for v in TIME_DIRECTIONS}
    if not any(counts.values()):
        return None
    text = "Time: " + ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    reasons: dict[str, int] = {}
    for row in comparison.rows:
        if row.time and row.time.reason:
            reasons[row.time.reason] = reasons.get(row.time.reason, 0) + 1
    return text + "".join(f"; {n} of them: {reason}" for reason, n in reasons.items()) + "."


def _slower_sentences(comparison: Comparison) -> list[str]:
    found = comparison.slower()
    sentences = []
    for name in dict.fromkeys(r.implementation for r in comparison.rows):
        slower = comparison.times(Direction.SLOWER, name)
        cases = sum(r.time is not None for r in comparison.rows if r.implementation == name)
        if name in found:
            sentences.append(f"{name} became slower: in {slower} of {cases} cases.")
        elif slower:
            sentences.append(
                f"{name} is slower in {slower} of {cases} cases, which drift may do: no finding."
            )
    return sentences


def _drift_sentence(comparison: Comparison) -> str | None:
    known = {n: d.bound for n, d in comparison.drift.items() if d.bound is not None}
    if not known or comparison.other_machine:
        return None
    bounds = ", ".join(f"{name} x{ratio_text(math.exp(bound))}" for name, bound in known.items())
    return (
        "Drift between the runs, by which each interval is widened, from unchanged results of the "
        f"other implementations: {bounds}."
    )


def _cost_sentence(comparison: Comparison) -> str | None:
    parts = []
    for name, verdicts in (
        ("work", [r.work for r in comparison.joined if r.work]),
        ("memory", [r.memory.direction for r in comparison.joined if r.memory]),
    ):
        if verdicts:
            same = sum(v is Direction.SAME for v in verdicts)
            parts.append(f"{name} is the same in {same} of {len(verdicts)} cases")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else None


def comparison_verdict(comparison: Comparison) -> str:
    """What two runs say of each other, in a sentence."""
    if comparison.nothing_compared:
        return "No figure could be held against another."
    if not comparison.finding:
        return "Nothing got worse that these runs can tell."
    parts = [f"{name} became slower" for name in comparison.slower()]
    findings = sum(r.finding is not None for r in comparison.rows)
    if findings:
        parts.append(f"{findings} results got worse beside time")
    return f"{'; '.join(parts)}."


def comparison_sentences(comparison: Comparison) -> list[str]:
    """What was found, in the order of reading."""
    only = [
        sum(r.second is None for r in comparison.rows),
        sum(r.first is None for r in comparison.rows),
    ]
    joined = f"{len(comparison.joined)} results in both runs"
    joined += f", {only[0]} only in the first, {only[1]} only in the second." if any(only) else "."
    sentences = [joined, _cost_sentence(comparison), _time_sentence(comparison)]
    sentences += [_drift_sentence(comparison), *_slower_sentences(comparison)]
    findings = sum(r.finding is not None for r in comparison.rows)
    if findings:
        sentences.append(f"{findings} results got worse beside time.")
    if comparison.nothing_compared or not comparison.finding:
        sentences.append(comparison_verdict(comparison))
    return [s for s in sentences if s]
