"""Writes the comparison of two runs as sentences and tables."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from statistics import median
from typing import Any

from supcr_bench.analysis.compare import OTHER_MACHINE, Comparison, ComparisonRow
from supcr_bench.render import cells
from supcr_bench.render.cells import case_table, implementation_of, ratio_text
from supcr_bench.render.machine import environment_facts, origin_facts, value_text
from supcr_bench.render.sentences import Sentence, counts_text, sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Pass
from supcr_bench.values.machine import MACHINE
from supcr_bench.values.metrics import COUNTS, MEMORY, PYTHON_INSTRUCTIONS, Direction
from supcr_bench.values.result import Key, Result
from supcr_bench.values.table import Cell, Table, Tone, prose, row, words
from supcr_bench.values.units import MISSING, listed, plural

ROUNDING = 1e-9
"""A ratio farther than this from that of the two times was adjusted to one machine speed."""
Differences = Mapping[str, tuple[Any, Any]]
"""Facts of the environment, in the first and in the second run."""


# --- The sentences; tests/render/compared_propositions.py decides each from the two runs ---


@sentence
def machines_differ(*, differences: Differences, times: int, apart: int) -> str:
    """Of the ``times`` cases that both runs timed, ``apart`` were timed on different machines."""
    which = "times" if apart == times else f"{apart} of {plural(times, 'time')}"
    end = f": {which} are shown, but not judged" if apart else ""
    return f"The machines differ{f' ({_then(differences)})' if differences else ''}{end}."


@sentence
def software_differs(*, differences: Differences) -> str:
    return f"The software differs, which may explain what changed: {_then(differences)}."


def _then(differences: Differences) -> str:
    texts = {k: [value_text(k, v) or "none" for v in pair] for k, pair in differences.items()}
    return "; ".join(f"{key} {first}, then {second}" for key, (first, second) in texts.items())


@sentence
def in_both(*, both: int, first: int, second: int) -> str:
    only = f", {first} only in the first, {second} only in the second" if first or second else ""
    return f"{plural(both, 'result')} in both runs{only}."


@sentence
def directions(*, what: str, counts: Mapping[str, int]) -> str:
    """In how many cases a cost changed in each way, such as ``same`` or ``undecided (why)``."""
    most_first = counts_text(sorted(counts.items(), key=lambda item: -item[1]))
    return f"{what} in {plural(sum(counts.values()), 'case')}: {most_first}."


@sentence
def drift(*, bounds: Mapping[str, float]) -> str:
    """For each implementation, the bound on the ratio of an unchanged time, from the others."""
    told = ", ".join(f"{name} x{ratio_text(bound)}" for name, bound in bounds.items())
    return (
        "Judged by the other implementations, an unchanged time moves between these runs by at most"
        " this factor in 95 % of cases, and each interval reaches at least so far from its ratio: "
        f"{told}."
    )


@sentence
def processes_spread(*, processes: int) -> str:
    return (
        f"The intervals include how far the processes of a run ({processes} or more) differ, and "
        "how much further unchanged results of the other implementations moved between the runs."
    )


@sentence
def at_one_speed(*, slower: float) -> str:
    """The median factor by which ratios of times were divided, for the speed of the machine."""
    return (
        f"Ratios are divided by x{ratio_text(slower)} (median) for the speed of the machine, which "
        "the rest of each cell shows: what slows all implementations alike is not found."
    )


@sentence
def became_slower(*, name: str, slower: int, beyond: int, cases: int, session: float) -> str:
    """In more cases than chance explains, the slowdown exceeds the ``session`` ratio."""
    return (
        f"{name} became slower: in {slower} of {plural(cases, 'case')}, in {beyond} of them by "
        f"more than a session may move all cases of an implementation (x{ratio_text(session)})."
    )


@sentence
def may_be_session(*, name: str, slower: int, beyond: int, cases: int, session: float) -> str:
    much = "none" if not beyond else f"{beyond}, as few as chance explains,"
    return (
        f"{name} is slower in {slower} of {plural(cases, 'case')}, in {much} of them by more than "
        f"a session may move all cases of an implementation (x{ratio_text(session)})."
    )


@sentence
def got_worse(*, results: int, kinds: Sequence[str]) -> str:
    return f"{plural(results, 'result')} got worse in {listed(kinds, 'or')}."


@sentence
def without_figures(*, ended: Mapping[str, int]) -> str:
    """Results that lost their figures, for which the limits or the machine may be the reason."""
    return (
        f"{plural(sum(ended.values()), 'result')} with figures in the first run has none in the "
        f"second, which may be due to the limits or the machine: {counts_text(ended.items())}."
    )


@sentence
def nothing_shared() -> str:
    return "The runs share no figure that could be compared."


@sentence
def nothing_worse() -> str:
    return "Nothing got worse, as far as these runs can tell."


def environment_sentences(comparison: Comparison) -> list[Sentence]:
    differences = comparison.differences
    machine = {key: pair for key, pair in differences.items() if key in MACHINE}
    software = {key: pair for key, pair in differences.items() if key not in MACHINE}
    times = [r.time for r in comparison.rows if r.time]
    apart = sum(time.reason == OTHER_MACHINE for time in times)
    found = []
    if apart or (machine and not times):
        found.append(machines_differ(differences=machine, times=len(times), apart=apart))
    if software:
        found.append(software_differs(differences=software))
    return found


def _slower(comparison: Comparison, *, certain: bool) -> list[Sentence]:
    """The implementations that are slower, or those in which a session may be the reason."""
    write, sure = became_slower if certain else may_be_session, comparison.slower()
    return [
        write(
            name=name,
            slower=slower,
            beyond=beyond,
            cases=cases,
            session=math.exp(comparison.session[name]),
        )
        for name, (slower, beyond, cases) in comparison.slower_cases.items()
        if slower and (name in sure) is certain
    ]


def verdicts(comparison: Comparison) -> list[Sentence]:
    if comparison.nothing_compared:
        return [nothing_shared()]
    found = _slower(comparison, certain=True)
    if worse := [row for row in comparison.rows if row.finding]:
        ways = ([*row.costlier, *(["outcome"] if row.outcome else [])] for row in worse)
        kinds = tuple(dict.fromkeys(chain(*ways)))
        found.append(got_worse(results=len(worse), kinds=kinds))
    return found or [nothing_worse()]


def remarks(comparison: Comparison) -> list[Sentence]:
    joined = comparison.joined
    first, second = (sum(not getattr(r, s) for r in comparison.rows) for s in ("second", "first"))
    found = [in_both(both=len(joined), first=first, second=second)]
    told = {"Work": Counter(str(r.work) for r in joined if r.work)}
    for metric in (MEMORY, PYTHON_INSTRUCTIONS):
        own = (r.changes.get(metric.name) for r in joined)
        told[metric.title.capitalize()] = Counter(str(c.direction) for c in own if c)
    times = [r.time for r in joined if r.time]
    told["Time"] = Counter(f"{t.direction}{f' ({t.reason})' if t.reason else ''}" for t in times)
    found += [directions(what=what, counts=counts) for what, counts in told.items() if counts]
    left_out = [t.after / t.before / t.ratio for t in times if t.before and t.after and t.ratio]
    if left_out := [share for share in left_out if abs(share - 1) > ROUNDING]:
        found.append(at_one_speed(slower=median(left_out)))
    bounds = {
        name: math.exp(bound)
        for name, (bound, _) in comparison.drift.items()
        if bound is not None and name in comparison.slower_cases
    }
    if comparison.processes > 1:
        found.append(processes_spread(processes=comparison.processes))
    elif bounds:
        found.append(drift(bounds=bounds))
    found += _slower(comparison, certain=False)
    ended = Counter(
        r.second.words
        for r in joined
        if r.first and r.first.has_figures and r.second and not r.second.has_figures
        if not r.finding
    )
    return found + ([without_figures(ended=ended)] if ended else [])


def all_sentences(comparison: Comparison) -> list[Sentence]:
    return [*verdicts(comparison), *environment_sentences(comparison), *remarks(comparison)]


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
    marks = (1 - comparison.margin, 1, 1 + comparison.margin)

    def interval(r: ComparisonRow) -> str:
        ends = (r.time.low, r.time.high) if r.time else (None, None)
        return MISSING if None in ends else "-".join(ratio_text(end, marks) for end in ends)

    def memory(r: ComparisonRow) -> Cell:
        if r.memory is None:
            return Cell(MISSING)
        same = r.memory.direction is Direction.SAME or r.memory.ratio is None
        text = r.memory.direction if same else f"x{ratio_text(r.memory.ratio)}"
        return Cell(text, "bad" if r.memory.direction is Direction.MORE else "")

    noise, same = "widened by the drift of unchanged results", "the whole interval"
    if comparison.processes > 1:
        noise, same = "by the spread between processes", "the 90 % interval"
    return case_table(
        f"compare-{pass_}",
        f"Second run over first, {pass_}",
        f"interval: 95 % interval of the ratio of times, {noise}; "
        f"same: {same} is within {comparison.margin:.3g} of 1",
        _in_order([r for r in comparison.joined if r.case.pass_ == pass_ and r.changes]),
        {"name": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            "ratio": lambda r: ratio_text(r.time.ratio if r.time else None),
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
    return Table(
        name="compare-changes",
        title="What changed apart from time",
        note="from the first run to the second",
        columns=prose("what", "change", "how"),
        rows=cells.series_rows(
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
    one, other = ({r.key: r for r in run.results} for run in (first, second))

    def shown(own: Mapping[Key, Result], write: Callable[[Result], str], r: ComparisonRow) -> str:
        cost = own.get((r.implementation, r.case))
        return write(cost) if cost else _ABSENT

    return case_table(
        f"figures-{pass_}",
        f"Both runs, {pass_}",
        "medians with their 95 % interval; peaks of live tensor bytes above the inputs",
        _in_order([r for r in comparison.rows if r.case.pass_ == pass_]),
        {"implementation": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            "time,\nfirst": partial(shown, one, cells.time_text),
            "time,\nsecond": partial(shown, other, cells.time_text),
            "it is": _time_cell,
            "peak,\nfirst": partial(shown, one, cells.memory_text),
            "peak,\nsecond": partial(shown, other, cells.memory_text),
        },
        group=implementation_of,
    )
