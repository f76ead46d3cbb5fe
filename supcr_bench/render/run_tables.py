"""Builds every table of a run."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from supcr_bench.analysis import summary
from supcr_bench.analysis.claims import ClaimRow, Holds
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.recommend import most_alike
from supcr_bench.render import growth_tables
from supcr_bench.render.cells import (
    Columns,
    arm_names,
    case_table,
    ended_text,
    memory_text,
    noted,
    series_rows,
    time_text,
)
from supcr_bench.render.palette import variable
from supcr_bench.values.axes import get_axis
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.definition import short_name
from supcr_bench.values.grouping import grouped
from supcr_bench.values.machine import device_of
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Cell, Column, Table, Tone, numbers, prose, row, words
from supcr_bench.values.units import MISSING, format_error

VERDICT_TONES: dict[Holds, Tone] = {Holds.YES: "good", Holds.NO: "bad", Holds.UNDECIDED: "quiet"}


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
        note=noted(note, results),
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


def pairs_table(results: Sequence[Result]) -> Table:
    """Differences between every two implementations of one definition (one loss of the family)."""
    return Table(
        name="pairs",
        title="Agreement with each other",
        note="largest relative difference on the same tensors, if both follow one definition",
        columns=(*words("implementation", "and"), *numbers("cases", "value", "gradient")),
        rows=tuple(
            row(
                r["one"],
                r["other"],
                str(r["cases"]),
                *(format_error(r[k]) for k in summary.DIFFERENCES),
            )
            for r in summary.pair_rows(results)
        ),
        keys=2,
    )


def _cost_table(
    results: Sequence[Result],
    pass_: Pass,
    name: str,
    title: str,
    note: str,
    size: Callable[[Result], int | None] | None = None,
) -> Table:
    """A row per case, a column per implementation; shows times unless ``size`` is given."""
    costs = summary.by_series(results, pass_)
    fastest = summary.fastest_by_size(costs, summary.known_wrong(results)) if size is None else {}
    by_key = {(cost.implementation, cost.case.shared): cost for cost in costs}

    def cell(whose: str, case: Case) -> Cell:
        cost = by_key.get((whose, case))
        if cost is None:
            return Cell(MISSING, "quiet")
        text = memory_text(cost, size(cost)) if size else time_text(cost)
        if (size(cost) if size else cost.time_samples_s or None) is None:
            return Cell(text, "quiet")
        return Cell(text, "good" if whose in fastest.get(case, ()) else "")

    arms = arm_names(results, "{name}\n{definition}").items()
    columns: Columns[Case] = {
        Column(head, implementation=whose): partial(cell, whose) for whose, head in arms
    }
    return case_table(
        f"{name}-{pass_}",
        f"{title}, {pass_}",
        noted(note, results),
        list(dict.fromkeys(cost.case.shared for cost in costs)),
        {},
        {"N": lambda case: str(case.batch_size), **columns},
        group=Case.series,
    )


def time_table(results: Sequence[Result], pass_: Pass) -> Table:
    note = (
        "median, its 95 % interval and (samples), with * where the precision was missed; "
        "highlighted: the fastest correct one, or those that tie for it"
    )
    timed = [r for r in results if not r.untimed]
    return _cost_table(timed, pass_, "time", "Time per call", note)


def memory_table(results: Sequence[Result], pass_: Pass) -> Table:
    methods = sorted({r.memory_method for r in results if r.memory_method})
    note = f"live tensor bytes above the inputs; by {'; '.join(methods) or 'nothing measured'}"
    both = [(r.dispatch_peak_bytes, r.peak_bytes) for r in results]
    if apart := [one / other - 1 for one, other in both if one and other]:
        span = f"{min(apart):+.1%} to {max(apart):+.1%}"
        note += f"; a second counter, which follows operations, differs by {span}"
    return _cost_table(results, pass_, "memory", "Peak memory", note, lambda c: c.peak_bytes)


def cuda_table(results: Sequence[Result], pass_: Pass) -> Table:
    """Peak memory on CUDA as predicted from operations that PyTorch dispatched on the CPU."""
    on_cpu = [r for r in results if device_of(r.case.device) == "cpu"]
    known = any(r.predicted_cuda_peak_bytes for r in on_cpu)
    return _cost_table(
        on_cpu if known else [],
        pass_,
        "cuda-memory",
        "Peak memory on CUDA, predicted",
        "predicted from the operations dispatched on the CPU, in blocks of 512 bytes; not measured",
        lambda cost: cost.predicted_cuda_peak_bytes,
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


def outcome_table(results: Sequence[Result]) -> Table:
    """Every result that is not a plain measurement, and why."""
    found = (
        (r.implementation, r.case, Cell(r.status.words), r.reason or MISSING)
        for r in summary.unusual(results)
    )
    return Table(
        name="outcomes",
        title="Wrong, skipped, out of memory or failed",
        note="each size has a row of its own in measurements.jsonl",
        columns=(*prose("what"), *words("outcome"), *prose("why")),
        rows=series_rows(found, "from N={} on: "),
    )


def run_tables(findings: Findings) -> list[Table]:
    """Every table of a run that is not empty, in reading order."""
    results = findings.results
    passes = [p for p in PASSES if any(r.case.pass_ == p for r in results)]
    tables = [agreement_heat(results), agreement_table(results), pairs_table(results)]
    tables += [time_table(results, p) for p in passes]
    tables += [memory_table(results, p) for p in passes]
    tables += [cuda_table(results, p) for p in passes[-1:]]
    tables += growth_tables.axis_tables(results)
    tables += [
        growth_tables.growth_table(findings.growth),
        growth_tables.growth_reasons_table(findings.growth),
        growth_tables.crossover_table(findings.crossovers),
        growth_tables.frontier_table(findings.frontier),
        growth_tables.prediction_table(findings.predictions),
        outcome_table(results),
        claims_table(findings.claims),
    ]
    return [table for table in tables if table.rows]


MOST_CASES = 60
"""Most cases in the agreement table; if there are more, it shows the worst."""
_HEAT: tuple[tuple[float, Tone], ...] = ((0.1, "heat0"), (0.5, "heat1"), (1.0, "heat2"))


def agreement_heat(results: Sequence[Result]) -> Table:
    """The errors of every case; of the two passes, training's, which include those of forward."""
    pass_ = max((r.case.pass_ for r in results if r.status.has_figures), default="forward")
    own = [r for r in results if r.case.pass_ == pass_]
    by_key = {(r.implementation, r.case.shared): r for r in own}
    cases = list(dict.fromkeys(r.case.shared for r in own if r.status.has_figures))
    badness = {case: max(map(_badness, found)) for case, found in grouped(own, _shared).items()}
    worst = set(sorted(cases, key=lambda case: -badness[case])[:MOST_CASES])
    shown = [case for case in cases if case in worst]
    arms = arm_names(results, "{definition}\n{name}").items()

    def cell(name: str, number: int, case: Case) -> Cell:
        return _heat_cells(by_key.get((name, case)))[number]

    columns: Columns[Case] = {
        Column(f"{head} {part}", implementation=name): partial(cell, name, number)
        for name, head in arms
        for number, part in enumerate("vg")
    }
    note = (
        "Largest relative error of the value (v) and the gradient (g), as a multiple of what "
        "rounding explains: up to 1 agrees. The colour is stronger near 1, and red above"
    )
    if len(shown) < len(cases):
        note += f". The {len(shown)} worst of {len(cases)} cases"
    return case_table(
        "agreement-by-case",
        f"Agreement by case, {pass_}",
        noted(note, results),
        shown,
        {},
        {"N": lambda case: str(case.batch_size), **columns},
        group=Case.series,
        detail=True,
        style="heat",
    )


def _shared(result: Result) -> Case:
    return result.case.shared


def _badness(result: Result) -> float:
    return math.inf if result.status is Status.WRONG else result.tolerances or 0.0


def _heat_cells(result: Result | None) -> tuple[Cell, Cell]:
    if result is None or not result.status.has_figures:
        return Cell(ended_text(result.status) if result else MISSING, "quiet"), Cell("", "quiet")
    missing = Cell("broken", "heat3") if result.status is Status.WRONG else Cell(MISSING, "quiet")
    value, gradient = (
        missing
        if x is None
        else Cell(format_error(x), next((tone for limit, tone in _HEAT if x <= limit), "heat3"))
        for x in (result.value_tolerances, result.gradient_tolerances)
    )
    return value, gradient


MOST_COLUMNS = 8
_DIMS, _NAN = get_axis("dims"), get_axis("nan_density")


def recommendation_tables(results: Sequence[Result]) -> list[Table]:
    names = summary.implementations_of(results)
    by_device = grouped(results, lambda r: r.case.device)
    return [
        _what_to_use(timed, names, len(by_device) > 1)
        for own in by_device.values()
        for pass_ in reversed(PASSES)
        if (timed := [r for r in own if r.case.pass_ == pass_ and not r.untimed])
    ]


def _what_to_use(results: Sequence[Result], names: Sequence[str], several: bool) -> Table:
    alike = most_alike(results)
    first = alike[0].case
    wrong = summary.known_wrong(results)
    fastest = summary.fastest_by_size(alike, wrong)
    by_case = grouped(alike, _shared)
    # Pairs of label dimensions and NaN density with results at the most batch sizes.
    counts = Counter((case.dims, case.nan_density) for case in by_case).most_common(MOST_COLUMNS)
    columns = sorted((pair for pair, _ in counts), key=lambda pair: (pair[0], pair[1] or -1.0))
    arms = arm_names(results)
    at = {(c.batch_size, c.dims, c.nan_density): c for c in by_case}

    def cell(case: Case | None) -> Cell:
        if case is None:
            return Cell("not measured", "quiet")
        here = [
            r.implementation
            for r in by_case[case]
            if (r.implementation, r.case.dtype, r.case.temperature) in wrong
        ]
        out = f" ({', '.join(here)} wrong)" if here else ""
        if ahead := fastest.get(case):
            tied = " or ".join(arms[name] for name in ahead)
            return Cell(tied + out, "", variable(ahead[0], names) if len(ahead) == 1 else "")
        ended = dict.fromkeys(ended_text(r.status) for r in by_case[case])
        return Cell(f"none{out}" if here else f"none: {', '.join(ended)}", "bad")

    temperatures = {r.case.temperature for r in alike}
    tau = f"tau={first.temperature:g}" if len(temperatures) == 1 else "each at its own tau"
    where = f"{first.pass_} on {first.device}" if several else first.pass_
    return Table(
        name=f"map-{first.pass_}-{first.device.replace(':', '-').replace('@', '-')}",
        title=f"What to use in {where}",
        note=noted(
            "The fastest of those that are right and were timed, or those that tie for it, by "
            f"batch size N; {first.label_kind} labels, {first.dtype}, {tau}, "
            f"d={first.embedding_size}",
            results,
        ),
        columns=(
            *numbers("N"),
            *words(*(f"{_DIMS.phrase(dims)}, {_NAN.phrase(nan)}" for dims, nan in columns)),
        ),
        rows=tuple(
            row(
                str(n),
                *(cell(at.get((n, *column))) for column in columns),
                facets={"device": first.device, "pass": first.pass_, "labels": first.label_kind},
            )
            for n in sorted({c.batch_size for c in by_case if (c.dims, c.nan_density) in columns})
        ),
        style="map",
    )
