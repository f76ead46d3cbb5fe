"""The comparison of two runs, in sentences and tables."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from supcr_bench.analysis.compare import MACHINE, Comparison, ComparisonRow
from supcr_bench.render.cells import (
    case_table,
    facets_of,
    implementation_of,
    memory_text,
    ratio_text,
    time_text,
)
from supcr_bench.render.machine import environment_facts, origin_facts
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.change import TIME_DIRECTIONS, Change, Direction
from supcr_bench.values.metrics import COUNTS
from supcr_bench.values.result import Status
from supcr_bench.values.table import Cell, Table, Tone, prose, row, words
from supcr_bench.values.units import MISSING


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(v["name"]) if isinstance(v, dict) else str(v) for v in value) or "none"
    return str(value)


def environment_sentences(differences: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """What differs in machine and software, and what follows from it."""
    said = {
        key: f"{key} {_value_text(first)}, then {_value_text(second)}"
        for key, (first, second) in differences.items()
    }
    machine = [text for key, text in said.items() if key in MACHINE]
    software = [text for key, text in said.items() if key not in MACHINE]
    sentences = []
    if machine:
        sentences.append(
            f"The machines differ ({'; '.join(machine)}): times are shown, but not judged."
        )
    if software:
        sentences.append(f"The software differs and may be the cause: {'; '.join(software)}.")
    return sentences


def _time_sentence(comparison: Comparison) -> str | None:
    counts = {v: comparison.times(v) for v in TIME_DIRECTIONS}
    if not any(counts.values()):
        return None
    text = "Time: " + ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    reasons = Counter(r.time.reason for r in comparison.rows if r.time and r.time.reason)
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
                f"{name} is slower in {slower} of {cases} cases, which drift alone can explain."
            )
    return sentences


def _drift_sentence(comparison: Comparison) -> str | None:
    known = {n: bound for n, (bound, _) in comparison.drift.items() if bound is not None}
    if not known or comparison.other_machine:
        return None
    bounds = ", ".join(f"{name} x{ratio_text(math.exp(bound))}" for name, bound in known.items())
    return (
        "Each interval is widened by the drift between the runs, which unchanged results of the "
        f"other implementations show: {bounds}."
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


def _findings_text(comparison: Comparison) -> str | None:
    findings = sum(row.finding is not None for row in comparison.rows)
    if not findings:
        return None
    return f"{findings} result{'s' * (findings != 1)} got worse in work, memory or outcome"


def comparison_verdict(comparison: Comparison) -> str:
    if comparison.nothing_compared:
        return "The runs share no figure that could be compared."
    parts = [f"{name} became slower" for name in comparison.slower()]
    if findings := _findings_text(comparison):
        parts.append(findings)
    return f"{'; '.join(parts) or 'Nothing got worse, as far as these runs can tell'}."


def comparison_sentences(comparison: Comparison) -> list[str]:
    joined = len(comparison.joined)
    only = [
        sum(r.second is None for r in comparison.rows),
        sum(r.first is None for r in comparison.rows),
    ]
    text = f"{joined} result{'s' * (joined != 1)} in both runs"
    text += f", {only[0]} only in the first, {only[1]} only in the second" if any(only) else ""
    sentences = [f"{text}.", _cost_sentence(comparison), _time_sentence(comparison)]
    sentences += [_drift_sentence(comparison), *_slower_sentences(comparison)]
    if findings := _findings_text(comparison):
        sentences.append(f"{findings}.")
    if comparison.nothing_compared or not comparison.finding:
        sentences.append(comparison_verdict(comparison))
    return [s for s in sentences if s]


def verdict_first(comparison: Comparison) -> list[str]:
    """The verdict, then the other sentences of a comparison."""
    verdict = comparison_verdict(comparison)
    rest = environment_sentences(comparison.differences) + comparison_sentences(comparison)
    return [verdict, *(sentence for sentence in rest if sentence != verdict)]


_TONES: dict[Direction, Tone] = {
    Direction.FASTER: "good",
    Direction.SAME: "good",
    Direction.SLOWER: "bad",
    Direction.UNDECIDED: "quiet",
}
_ABSENT = "absent"
"""Shown where only the other run has a figure."""


def _direction_cell(change: Change | None) -> Cell:
    if change is None:
        return Cell(MISSING, "quiet")
    return Cell(change.direction, _TONES.get(change.direction, ""))


def _interval_text(change: Change | None) -> str:
    if change is None or change.low is None or change.high is None:
        return MISSING
    return f"{ratio_text(change.low)}-{ratio_text(change.high)}"


def _bytes_cell(change: Change | None) -> Cell:
    if change is None:
        return Cell(MISSING)
    same = change.direction is Direction.SAME or change.ratio is None
    text = str(change.direction) if same else f"x{ratio_text(change.ratio)}"
    return Cell(text, "bad" if change.direction is Direction.MORE else "")


def _in_order(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    names = {n: i for i, n in enumerate(dict.fromkeys(r.implementation for r in rows))}
    series = {s: i for i, s in enumerate(dict.fromkeys(r.case.series() for r in rows))}
    return sorted(
        rows, key=lambda r: (names[r.implementation], series[r.case.series()], r.case.batch_size)
    )


def ratio_table(comparison: Comparison, pass_: Pass) -> Table:
    return case_table(
        f"compare-{pass_}",
        f"Second run over first, {pass_}",
        "interval: 95 % by the samples, widened by the drift of unchanged results; "
        f"same: all of it within {comparison.margin:.3g} of 1",
        _in_order([r for r in comparison.joined if r.case.pass_ == pass_ and r.changes]),
        {"name": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            "ratio": lambda r: ratio_text(r.time.ratio if r.time else None),
            "interval": lambda r: _interval_text(r.time),
            "time": lambda r: _direction_cell(r.time),
            "work": lambda r: Cell(r.work or MISSING, "bad" if r.work is Direction.MORE else ""),
            "bytes": lambda r: _bytes_cell(r.memory),
        },
        always=(),
        group=implementation_of,
    )


def _status_text(status: Status | None) -> str:
    return _ABSENT if status is None else status.words


def _changes(found: ComparisonRow) -> Iterator[tuple[str, str, bool]]:
    """Changes apart from time: the metric, the change, and whether it is for the worse."""
    if found.first is not found.second:
        what = f"{_status_text(found.first)}, then {_status_text(found.second)}"
        yield what, found.finding or found.note or MISSING, found.finding is not None
    for metric in COUNTS:
        change = found.changes.get(metric.name)
        if change and change.direction is not Direction.SAME:
            how = f"{change.before:,}, then {change.after:,} (x{ratio_text(change.ratio)})"
            worse = found.finding is not None and change.direction is Direction.MORE
            yield f"{metric.title}: {change.direction}", how, worse


def changes_table(comparison: Comparison) -> Table:
    """Changes apart from time, and results of only one run; sizes of a series share a row."""
    groups: dict[tuple[str, str, bool, object], list[tuple[Case, str]]] = {}
    for found in comparison.rows:
        for what, how, worse in _changes(found):
            series = (found.case.pass_, found.case.series())
            key = (found.implementation, what, worse, series)
            groups.setdefault(key, []).append((found.case, how))
    rows = []
    for (name, what, worse, _), members in groups.items():
        case, how = min(members, key=lambda member: member[0].batch_size)
        sizes = ", ".join(str(n) for n in sorted(c.batch_size for c, _ in members))
        several = len(members) > 1 and how != MISSING
        rows.append(
            row(
                f"{name} {case.pass_}, {case.describe_series()}, N={sizes}",
                Cell(what, "bad" if worse else ""),
                f"at N={case.batch_size}: " * several + how,
                facets=facets_of(case, name),
            )
        )
    return Table(
        name="compare-changes",
        title="What changed apart from time",
        note="from the first run to the second",
        columns=prose("what", "change", "how"),
        rows=tuple(rows),
    )


def comparison_tables(comparison: Comparison) -> list[Table]:
    tables = [ratio_table(comparison, p) for p in PASSES]
    return [table for table in [*tables, changes_table(comparison)] if table.rows]


def runs_table(first: Run, second: Run) -> Table:
    facts = [dict(_facts(run)) for run in (first, second)]
    names = dict.fromkeys(name for found in facts for name in found)
    pairs = {name: [found.get(name, MISSING) for found in facts] for name in names}
    return Table(
        name="runs",
        title="The two runs",
        note="what is the same in both is grey",
        columns=(*words(""), *prose("first", "second")),
        rows=tuple(
            row(name, *(Cell(text, "quiet" if one == other else "") for text in (one, other)))
            for name, (one, other) in pairs.items()
        ),
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    own = [
        ("run", run.id),
        ("suite", str(run.info["suite"]["name"])),
        ("implementations", ", ".join(dict.fromkeys(r.implementation for r in run.results))),
        ("results", str(len(run.results))),
    ]
    return own + origin_facts(run.info) + environment_facts(run.environment)


def figures_table(first: Run, second: Run, comparison: Comparison, pass_: Pass) -> Table:
    costs = [{r.key: r for r in run.results} for run in (first, second)]

    def time(run: int, r: ComparisonRow) -> str:
        cost = costs[run].get((r.implementation, r.case))
        return time_text(cost) if cost else _ABSENT

    def peak(run: int, r: ComparisonRow) -> str:
        cost = costs[run].get((r.implementation, r.case))
        return memory_text(cost, cost.peak_bytes) if cost else _ABSENT

    def direction(r: ComparisonRow) -> Cell:
        cell = _direction_cell(r.time)
        return Cell(cell.text) if cell.text == Direction.SAME else cell

    return case_table(
        f"figures-{pass_}",
        f"Both runs, {pass_}",
        "medians with their 95 % interval; peaks of live tensor bytes above the inputs",
        _in_order([r for r in comparison.rows if r.case.pass_ == pass_]),
        {"implementation": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            "time,\nfirst": partial(time, 0),
            "time,\nsecond": partial(time, 1),
            "it is": direction,
            "peak,\nfirst": partial(peak, 0),
            "peak,\nsecond": partial(peak, 1),
        },
        group=implementation_of,
    )
