"""Tables of two runs side by side."""

from collections.abc import Iterator, Sequence
from functools import partial

from supcr_bench.analysis.compare import Comparison, ComparisonRow
from supcr_bench.analysis.summary import cost_row
from supcr_bench.render.case_table import case_table, implementation_of
from supcr_bench.render.cells import facets_of, memory_text, ratio_text, time_text
from supcr_bench.render.machine import environment_facts, origin_facts
from supcr_bench.store.run import Run
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.change import Change, Direction
from supcr_bench.values.metrics import COUNTS
from supcr_bench.values.result import Status
from supcr_bench.values.table import Cell, Table, Tone, prose, row, words
from supcr_bench.values.units import MISSING

_TONES: dict[Direction, Tone] = {
    Direction.FASTER: "good",
    Direction.SAME: "good",
    Direction.SLOWER: "bad",
    Direction.UNDECIDED: "quiet",
}
_ABSENT = "absent"
"""In place of what only the other run has."""


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
    """By implementation, series and rising batch size, in the order in which they first came."""
    names = {n: i for i, n in enumerate(dict.fromkeys(r.implementation for r in rows))}
    series = {s: i for i, s in enumerate(dict.fromkeys(r.case.series() for r in rows))}
    return sorted(
        rows, key=lambda r: (names[r.implementation], series[r.case.series()], r.case.batch_size)
    )


def ratio_table(comparison: Comparison, pass_: Pass) -> Table:
    """Time, work and memory of every case with figures in both runs, second over first."""
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
    """What changed apart from time: what, how, and whether for the worse."""
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
    """What changed apart from time, and what only one run has; sizes of a series share a row."""
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
    """Every table with something in it."""
    tables = [ratio_table(comparison, p) for p in PASSES]
    return [table for table in [*tables, changes_table(comparison)] if table.rows]


def runs_table(first: Run, second: Run) -> Table:
    """What was run, and on what."""
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
    """Time and memory of every case as both runs have them."""
    costs = [{r.key: cost_row(r) for r in run.results} for run in (first, second)]

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
