"""Builds every table of a run: agreement, costs, growth with the batch size N, axes, outcomes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from supcr_bench.analysis import frontier, summary
from supcr_bench.analysis.claims import ClaimRow
from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.growth import Growth
from supcr_bench.render import cells
from supcr_bench.render import sentences as say
from supcr_bench.render.sentences import Sentence
from supcr_bench.values.axes import PASSES, Axis, Pass
from supcr_bench.values.case import Case
from supcr_bench.values.definition import short_name
from supcr_bench.values.growth_law import Holds
from supcr_bench.values.metrics import COSTS, ELEMENTS_PROCESSED, MEMORY, METRICS, TIME, Metric
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.table import Cell, Column, Table, Tone, numbers, prose, row, words
from supcr_bench.values.units import MISSING, format_bytes, format_error, format_limit_bytes

VERDICT_TONES: dict[Holds, Tone] = {Holds.YES: "good", Holds.NO: "bad", Holds.UNDECIDED: "quiet"}
FEWEST_SIZES = 3
"""The table of growth omits fewer sizes; the CSV file has them."""
UNDECIDED = "?"
SHORT_TITLES = {"elements_processed": "elements", "dispatched_ops": "ops"}
"""Short names of metrics, for tables that would be too wide for a terminal."""


def run_tables(findings: Findings) -> list[Table]:
    results = findings.results
    tables = [
        agreement_table(results),
        *(time_table(results, p) for p in PASSES),
        *(memory_table(results, p) for p in PASSES),
        *axis_tables(results),
        growth_table(findings.growth),
        crossover_table(findings.crossovers),
        frontier_table(findings.frontier),
        prediction_table(findings.predictions, findings.growth),
        outcome_table(results),
        claims_table(findings.claims),
    ]
    return [table for table in tables if table.rows]


# --- Agreement and costs ---


def agreement_table(results: Sequence[Result]) -> Table:
    rows = summary.agreement_rows(results)
    names = {r["definition"] for r in rows}
    several = len(names) > 1
    note = "largest errors over all cases, and as multiples of the tolerance: up to 1 agrees"
    return Table(
        name="agreement",
        title="Agreement of each implementation with its definition"
        if several
        else f"Agreement with the definition {''.join(map(short_name, names))}",
        note=cells.noted(note, results),
        columns=(
            *words("implementation", *(["definition"] if several else []), "labels"),
            *numbers("agrees in", "value\nerror", "x tol.", "gradient\nerror", "x tol."),
        ),
        rows=tuple(
            row(
                r["implementation"],
                *([short_name(r["definition"])] if several else []),
                r["labels"],
                Cell(f"{r['agree']} of {r['cases']}", "bad" if r["agree"] < r["cases"] else ""),
                *(format_error(r[error]) for error in summary.ERRORS),
                facets={"implementation": r["implementation"], "labels": r["labels"]},
            )
            for r in rows
        ),
        keys=2 + several,
    )


def _cost_table(results: Sequence[Result], pass_: Pass, metric: Metric, note: str) -> Table:
    """A row per case, a column per implementation, with its time or its peak memory."""
    title, write = "Time per call", cells.time_text
    if metric is MEMORY:
        title, write = "Peak memory", cells.memory_text
    costs = summary.by_series(results, pass_)
    by_key = {(cost.implementation, cost.case.shared): cost for cost in costs}

    def cell(whose: str, case: Case) -> Cell:
        cost = by_key.get((whose, case))
        if cost is None:
            return Cell(MISSING, "quiet")
        return Cell(write(cost), "" if metric.get(cost) is not None else "quiet", cost)

    arms = cells.arm_names(results).items()
    columns: cells.Columns[Case] = {
        Column(head, implementation=whose): partial(cell, whose) for whose, head in arms
    }
    return cells.case_table(
        f"{metric.name}-{pass_}",
        f"{title}, {pass_}",
        cells.noted(note, results),
        list(dict.fromkeys(cost.case.shared for cost in costs)),
        {},
        {"N": lambda case: str(case.batch_size), **columns},
        group=Case.series,
    )


def time_table(results: Sequence[Result], pass_: Pass) -> Table:
    note = "median, its 95 % interval and (samples), with * where the precision was missed"
    if any(r.further_samples_s for r in results):
        note = f"geometric mean over processes of the {note}".replace("samples", "processes")
    timed = [r for r in results if not r.untimed]
    return _cost_table(timed, pass_, TIME, note)


def second_counter(results: Sequence[Result]) -> list[Sentence]:
    both = [(r.second_peak_bytes, r.peak_bytes) for r in results]
    apart = [one / other - 1 for one, other in both if one and other]
    return [say.counters_differ(low=min(apart), high=max(apart))] if apart else []


def memory_table(results: Sequence[Result], pass_: Pass) -> Table:
    methods = sorted({r.memory_method for r in results if r.memory_method})
    note = f"live tensor bytes above the inputs; by {'; '.join(methods) or 'nothing measured'}"
    note = "; ".join([note, *map(str, second_counter(results))])
    return _cost_table(results, pass_, MEMORY, note)


# --- Along an axis ---

# Six values of an axis are to fit on a terminal: a cell has seven characters at most.
_SHORTEST_STATUS = {Status.OUT_OF_MEMORY: "OOM", Status.TIMED_OUT: "timeout"}


_AXIS_NOTES = {
    "agreement": "largest error as a multiple of the tolerance: up to 1 agrees; broken: not finite",
    "time": "median of the first measured value, and ratios to it; the values were timed one after "
    "the other, so the ratios include the machine's drift",
    "memory": "peak of the first measured value, and ratios to it",
}


def _axis_text(metric: str, effect: summary.Effect) -> str:
    result, tolerances = effect.result, effect.result.tolerances
    ended = _SHORTEST_STATUS.get(result.status) or cells.ended_text(result.status)
    if metric == "agreement":
        if tolerances is None:
            return "broken" if result.status is Status.WRONG else ended
        if 0 < tolerances < 0.00995:
            return "<0.01"
        return f"{tolerances:{'.0e' if tolerances >= 999.5 else '.2g'}}"
    cost = METRICS[metric]
    figure, ratio = cost.format(cost.get(result)), effect.ratio(cost)
    if effect.base is result or ratio is None:
        return ended if figure == MISSING else figure
    if not 0.00995 <= ratio < 99_999.5:
        return f"x{ratio:.0e}"
    return f"x{ratio:.{0 if ratio >= 99.5 else 1 if ratio >= 9.995 else 2}f}"


def axis_table(groups: Sequence[Sequence[summary.Effect]], axis: Axis, metric: str) -> Table:
    """A table of agreement, time or memory in one pass; a column for each value of the axis."""
    firsts = [members[0].result for members in groups]
    pass_ = firsts[0].case.pass_
    effects = {
        first.key: {axis.of(effect.result.case): effect for effect in members}
        for first, members in zip(firsts, groups, strict=True)
    }

    def cell(value: float | int | str, first: Result) -> Cell:
        effect = effects[first.key].get(value)
        text = _axis_text(metric, effect) if effect else MISSING
        if effect is None or not effect.result.status.has_figures:
            return Cell(text, "quiet")
        return Cell(text, "bad" if effect.result.status is Status.WRONG else "")

    note = _AXIS_NOTES[metric]
    if metric == "time" and any(e.result.further_samples_s for own in groups for e in own):
        note = f"geometric mean over processes of the {note}"
    return cells.case_table(
        f"{axis.id}-{metric}-{pass_}",
        f"Along {axis.label}: {metric}, {pass_}",
        note,
        firsts,
        {"implementation": lambda r: r.implementation},
        {
            "N": lambda r: str(r.case.batch_size),
            # Columns have the order of a row that has all values, if there is one.
            **{
                axis.text(value): partial(cell, value)
                for members in sorted(effects.values(), key=len, reverse=True)
                for value in members
            },
        },
        always=(),
        without=axis,
        group=cells.implementation_of,
    )


def axis_tables(results: Sequence[Result]) -> list[Table]:
    """Three tables, in forward and in training, for each axis that varies with the rest fixed."""
    timed = [r for r in results if not r.untimed]
    return [
        axis_table(own, axis, metric)
        for axis in summary.COMPARED
        for counted in [summary.axis_effects(results, axis)]
        for metric in _AXIS_NOTES
        for known in [summary.axis_effects(timed, axis) if metric == "time" else counted]
        for pass_ in PASSES
        if (own := [members for members in known if members[0].result.case.pass_ == pass_])
    ]


# --- Growth with the batch size ---


def growth_table(growth: Sequence[Growth]) -> Table:
    arms = grouped((g for g in growth if len(g.sizes) >= FEWEST_SIZES), lambda g: g.series)
    by_series = grouped((own[0] for own in arms.values()), lambda g: g.case.series())

    def of(metric: Metric, first: Growth) -> Growth | None:
        return next((g for g in arms[first.series] if g.metric is metric), None)

    def law(metric: Metric, first: Growth) -> Cell:
        found = of(metric, first)
        if found is None or found.verdict.course is None:
            return Cell(UNDECIDED if found else MISSING, "quiet")
        return Cell(found.verdict.course, "good" if found.verdict.law else "")

    def claimed(first: Growth) -> str:
        found = of(ELEMENTS_PROCESSED, first)
        return (found and found.claimed) or MISSING

    return cells.case_table(
        "growth",
        "Growth with the batch size",
        f"{UNDECIDED}: not decided, growth.csv says why. Elements processed, dispatched ops and "
        "peak memory are counted, so they have no noise",
        [first for own in by_series.values() for first in own],
        {"name": lambda g: g.implementation, "pass": lambda g: g.case.pass_},
        {**{SHORT_TITLES.get(m.name, m.name): partial(law, m) for m in COSTS}, "claimed": claimed},
        group=lambda g: g.case.series(),
    )


def crossover_text(crossover: Crossover) -> str:
    """A crossover with its interval, ``312 [300, 325]``, or the reason for its absence."""
    if crossover.size is not None:
        return f"{crossover.size:.0f} [{crossover.low:.0f}, {crossover.high:.0f}]"
    same = crossover.small and crossover.small == crossover.large
    return "none in range" if same else "undecided"


def crossover_table(rows: Sequence[Crossover]) -> Table:
    return cells.case_table(
        "crossovers",
        "Crossovers",
        "batch size at which the faster of the two changes, and its 95 % interval",
        [replace(r, case=r.case.shared) for r in rows],
        {"one": lambda r: r.one, "other": lambda r: r.other, "pass": lambda r: r.case.pass_},
        {
            "faster\nbelow": lambda r: r.small or MISSING,
            "crossover N": lambda r: Cell(crossover_text(r), "good" if r.size else "quiet"),
        },
    )


def frontier_width(rows: Sequence[frontier.FrontierRow]) -> list[Sentence]:
    shares = [(r.high - r.low) / 2 / r.batch_size for r in rows if r.batch_size]
    return [say.intervals_within(share=max(shares))] if shares else []


def frontier_table(rows: Sequence[frontier.FrontierRow]) -> Table:
    sizes = {(r.implementation, r.case, r.capacity_bytes): str(r.batch_size) for r in rows}
    note = "batch size up to which inputs and other tensors fit, as the growth of bytes predicts"
    return cells.case_table(
        "frontier",
        "The largest batch that fits a memory",
        "; ".join([note, *map(str, frontier_width(rows))]),
        list({(r.implementation, r.case): r for r in rows}.values()),
        {"implementation": lambda r: r.implementation, "pass": lambda r: r.case.pass_},
        {
            format_limit_bytes(c): lambda r, c=c: sizes[r.implementation, r.case, c]  # type: ignore[misc]
            for c in frontier.CAPACITIES_BYTES
        },
    )


def _error_cell(growth: Sequence[Growth], found: Result) -> Cell:
    low, high = found.predicted_peak_low_bytes or 0.0, found.predicted_peak_high_bytes or 0.0
    error = round(frontier.prediction_error(found), 4) + 0.0  # no -0.00 %
    tone: Tone = "" if low <= (found.peak_bytes or 0) <= high else "bad"
    path = frontier.another_path(found, growth) if tone else None
    why = f" (another path from N={path} on)" if path else ""
    return Cell(f"{error:+.{2 if abs(error) < 0.1 else 0}%}{why}", tone)


def prediction_table(rows: Sequence[Result], growth: Sequence[Growth]) -> Table:
    return cells.case_table(
        "predictions",
        "Peak memory, predicted before it was measured",
        "from the sizes up to a quarter of N; highlighted where the measured peak lies outside of "
        "the predicted interval",
        rows,
        {"implementation": lambda r: r.implementation, "pass": lambda r: r.case.pass_},
        {
            "N": lambda r: str(r.case.batch_size),
            "known\nup to": lambda r: str(r.predicted_peak_from or 0),
            "predicted": lambda r: format_bytes(r.predicted_peak_bytes),
            "measured": lambda r: format_bytes(r.peak_bytes),
            "off by": partial(_error_cell, growth),
        },
    )


# --- Outcomes and claims ---


def outcome_table(results: Sequence[Result]) -> Table:
    return Table(
        name="outcomes",
        title="Wrong, skipped, out of memory or failed",
        note="each size has a row of its own in measurements.jsonl",
        columns=(*prose("what"), *words("outcome"), *prose("why")),
        rows=cells.series_rows(
            (r.implementation, r.case, Cell(r.status.words), r.reason or MISSING)
            for r in results
            if r.status is not Status.MEASURED
        ),
    )


def claims_table(rows: Sequence[ClaimRow]) -> Table:
    return Table(
        name="claims",
        title="Claims of the note",
        note="decided by the figures of this run alone",
        columns=(*prose("claim"), *words("verdict"), *prose("evidence")),
        rows=tuple(
            row(r.claim, Cell(r.verdict, VERDICT_TONES.get(r.verdict, "")), r.evidence)
            for r in rows
        ),
    )
