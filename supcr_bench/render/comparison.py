"""Writes the comparison of two runs as sentences and tables."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from supcr_bench.analysis.compare import MACHINE, Comparison, ComparisonRow
from supcr_bench.render.cells import (
    case_table,
    implementation_of,
    memory_text,
    ratio_text,
    series_rows,
    time_text,
)
from supcr_bench.render.machine import environment_facts, origin_facts, value_text
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Pass
from supcr_bench.values.grouping import grouped
from supcr_bench.values.metrics import COUNTS, TIME_DIRECTIONS, Direction
from supcr_bench.values.result import Result
from supcr_bench.values.table import Cell, Table, Tone, prose, row, words
from supcr_bench.values.units import MISSING, plural


def environment_sentences(differences: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Says what differs in machine and software, and whether times can still be compared."""
    told: dict[bool, list[str]] = {True: [], False: []}
    for key, pair in differences.items():
        first, second = (value_text(key, value) or "none" for value in pair)
        told[key in MACHINE].append(f"{key} {first}, then {second}")
    machine, software = ("; ".join(told[whose]) for whose in (True, False))
    sentences = []
    if machine:
        sentences.append(f"The machines differ ({machine}): times are shown, but not judged.")
    if software:
        sentences.append(f"The software differs and may be the cause: {software}.")
    return sentences


def _time_sentences(comparison: Comparison) -> list[str]:
    sentences = []
    times = [r.time for r in comparison.rows if r.time]
    counts = Counter(time.direction for time in times)
    if times:
        text = ", ".join(f"{counts[v]} {v}" for v in TIME_DIRECTIONS if counts[v])
        reasons = Counter(time.reason for time in times if time.reason).items()
        why = "".join(f"; {n} of them: {reason}" for reason, n in reasons)
        sentences.append(f"Time: {text}{why}.")
    known = {n: bound for n, (bound, _) in comparison.drift.items() if bound is not None}
    if comparison.processes > 1:
        sentences.append(
            f"Each interval holds the spread between the {comparison.processes} processes of each "
            "run, and by how much more unchanged results of the other implementations moved."
        )
    elif known and not comparison.other_machine:
        bounds = ", ".join(f"{name} x{ratio_text(math.exp(b))}" for name, b in known.items())
        sentences.append(
            "Each interval is widened by the drift between the runs, which unchanged results of "
            f"the other implementations show: {bounds}."
        )
    found = comparison.slower()
    for name, own in grouped(comparison.rows, lambda r: r.implementation).items():
        slower = comparison.times(Direction.SLOWER, name)
        where = f"in {slower} of {sum(r.time is not None for r in own)} cases"
        if name in found:
            sentences.append(f"{name} became slower: {where}.")
        elif slower:
            sentences.append(f"{name} is slower {where}, which drift alone can explain.")
    return sentences


def _cost_sentences(comparison: Comparison) -> list[str]:
    directions = {
        "work": [r.work for r in comparison.joined if r.work],
        "memory": [r.memory.direction for r in comparison.joined if r.memory],
    }
    parts = [
        f"{name} is the same in {found.count(Direction.SAME)} of {len(found)} cases"
        for name, found in directions.items()
        if found
    ]
    return [f"{', '.join(parts).capitalize()}."] if parts else []


def _findings_texts(comparison: Comparison) -> list[str]:
    findings = sum(row.finding is not None for row in comparison.rows)
    text = f"{plural(findings, 'result')} got worse in work, memory or outcome"
    return [text] if findings else []


def comparison_verdict(comparison: Comparison) -> str:
    if comparison.nothing_compared:
        return "The runs share no figure that could be compared."
    parts = [f"{name} became slower" for name in comparison.slower()]
    parts += _findings_texts(comparison)
    return f"{'; '.join(parts) or 'Nothing got worse, as far as these runs can tell'}."


def comparison_sentences(comparison: Comparison) -> list[str]:
    first = sum(r.second is None for r in comparison.rows)
    second = sum(r.first is None for r in comparison.rows)
    text = f"{plural(len(comparison.joined), 'result')} in both runs"
    text += f", {first} only in the first, {second} only in the second" if first or second else ""
    sentences = [f"{text}.", *_cost_sentences(comparison), *_time_sentences(comparison)]
    sentences += [f"{findings}." for findings in _findings_texts(comparison)]
    if comparison.nothing_compared or not comparison.finding:
        sentences.append(comparison_verdict(comparison))
    return sentences


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


def _in_order(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    names = {n: i for i, n in enumerate(dict.fromkeys(r.implementation for r in rows))}
    series = {s: i for i, s in enumerate(dict.fromkeys(r.case.series() for r in rows))}
    return sorted(
        rows, key=lambda r: (names[r.implementation], series[r.case.series()], r.case.batch_size)
    )


def ratio_table(comparison: Comparison, pass_: Pass) -> Table:
    def ratio(r: ComparisonRow) -> str:
        return ratio_text(r.time.ratio if r.time else None)

    def interval(r: ComparisonRow) -> str:
        known = r.time and r.time.low is not None and r.time.high is not None
        return (
            f"{ratio_text(r.time.low)}-{ratio_text(r.time.high)}" if r.time and known else MISSING
        )

    def memory(r: ComparisonRow) -> Cell:
        if r.memory is None:
            return Cell(MISSING)
        same = r.memory.direction is Direction.SAME or r.memory.ratio is None
        text = r.memory.direction if same else f"x{ratio_text(r.memory.ratio)}"
        return Cell(text, "bad" if r.memory.direction is Direction.MORE else "")

    noise = "widened by the drift of unchanged results"
    if comparison.processes > 1:
        noise = "by the spread between processes"
    return case_table(
        f"compare-{pass_}",
        f"Second run over first, {pass_}",
        f"interval: 95 % interval of the ratio of times, {noise}; "
        f"same: the whole interval is within {comparison.margin:.3g} of 1",
        _in_order([r for r in comparison.joined if r.case.pass_ == pass_ and r.changes]),
        {"name": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            "ratio": ratio,
            "interval": interval,
            "time": _time_cell,
            "work": lambda r: Cell(r.work or MISSING, "bad" if r.work is Direction.MORE else ""),
            "bytes": memory,
        },
        always=(),
        group=implementation_of,
    )


def _time_cell(r: ComparisonRow) -> Cell:
    if r.time is None:
        return Cell(MISSING, "quiet")
    return Cell(r.time.direction, _TONES.get(r.time.direction, ""))


def _changes(found: ComparisonRow) -> Iterator[tuple[str, str, bool]]:
    """All changes but those of time: the metric, the change, and whether it got worse."""
    if found.first is not found.second:
        ends = (end.words if end else _ABSENT for end in (found.first, found.second))
        yield ", then ".join(ends), found.finding or found.note or MISSING, bool(found.finding)
    for metric in COUNTS:
        change = found.changes.get(metric.name)
        if change and change.direction is not Direction.SAME:
            how = f"{change.before:,}, then {change.after:,} (x{ratio_text(change.ratio)})"
            worse = found.finding is not None and change.direction is Direction.MORE
            yield f"{metric.title}: {change.direction}", how, worse


def changes_table(comparison: Comparison) -> Table:
    """All changes but those of time, and the results that only one run has."""
    return Table(
        name="compare-changes",
        title="What changed apart from time",
        note="from the first run to the second",
        columns=prose("what", "change", "how"),
        rows=series_rows(
            (found.implementation, found.case, Cell(what, "bad" if worse else ""), how)
            for found in comparison.rows
            for what, how, worse in _changes(found)
        ),
    )


def comparison_tables(comparison: Comparison) -> list[Table]:
    tables = [ratio_table(comparison, p) for p in PASSES]
    return [table for table in [*tables, changes_table(comparison)] if table.rows]


def runs_table(first: Run, second: Run) -> Table:
    one, two = _facts(first), _facts(second)
    pairs = {name: (one.get(name, MISSING), two.get(name, MISSING)) for name in {**one, **two}}
    return Table(
        name="runs",
        title="The two runs",
        note="grey: the same in both runs",
        columns=(*words(""), *prose("first", "second")),
        rows=tuple(
            row(name, *(Cell(text, "quiet" if len(set(pair)) == 1 else "") for text in pair))
            for name, pair in pairs.items()
        ),
    )


def _facts(run: Run) -> dict[str, str]:
    return {
        "run": run.id,
        "suite": str(run.info["suite"]["name"]),
        "implementations": ", ".join(dict.fromkeys(r.implementation for r in run.results)),
        "results": str(len(run.results)),
        **dict(origin_facts(run.info) + environment_facts(run.environment)),
    }


def figures_table(first: Run, second: Run, comparison: Comparison, pass_: Pass) -> Table:
    costs = [{r.key: r for r in run.results} for run in (first, second)]

    def shown(run: int, write: Callable[[Result], str], r: ComparisonRow) -> str:
        cost = costs[run].get((r.implementation, r.case))
        return write(cost) if cost else _ABSENT

    def peak_text(cost: Result) -> str:
        return memory_text(cost, cost.peak_bytes)

    return case_table(
        f"figures-{pass_}",
        f"Both runs, {pass_}",
        "medians with their 95 % interval; peaks of live tensor bytes above the inputs",
        _in_order([r for r in comparison.rows if r.case.pass_ == pass_]),
        {"implementation": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            "time,\nfirst": partial(shown, 0, time_text),
            "time,\nsecond": partial(shown, 1, time_text),
            "it is": _time_cell,
            "peak,\nfirst": partial(shown, 0, peak_text),
            "peak,\nsecond": partial(shown, 1, peak_text),
        },
        group=implementation_of,
    )
