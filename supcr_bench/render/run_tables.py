"""Builds every table of a run."""

from collections.abc import Sequence
from functools import partial

from supcr_bench.analysis import summary
from supcr_bench.analysis.claims import ClaimRow
from supcr_bench.analysis.findings import Findings
from supcr_bench.render import growth_tables
from supcr_bench.render import sentences as say
from supcr_bench.render.cells import (
    Columns,
    arm_names,
    case_table,
    memory_text,
    noted,
    series_rows,
    time_text,
)
from supcr_bench.render.sentences import Sentence
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.definition import short_name
from supcr_bench.values.holds import Holds
from supcr_bench.values.metrics import MEMORY, TIME, Metric
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


def _cost_table(
    results: Sequence[Result], pass_: Pass, metric: Metric, title: str, note: str
) -> Table:
    """A row per case, a column per implementation, with its time or its peak memory."""
    costs = summary.by_series(results, pass_)
    by_key = {(cost.implementation, cost.case.shared): cost for cost in costs}

    def cell(whose: str, case: Case) -> Cell:
        cost = by_key.get((whose, case))
        if cost is None:
            return Cell(MISSING, "quiet")
        text = time_text(cost) if metric is TIME else memory_text(cost, cost.peak_bytes)
        return Cell(text, "" if metric.get(cost) is not None else "quiet", cost)

    arms = arm_names(results).items()
    columns: Columns[Case] = {
        Column(head, implementation=whose): partial(cell, whose) for whose, head in arms
    }
    return case_table(
        f"{metric.name}-{pass_}",
        f"{title}, {pass_}",
        noted(note, results),
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
    return _cost_table(timed, pass_, TIME, "Time per call", note)


def second_counter(results: Sequence[Result]) -> list[Sentence]:
    """How far the counter of operations differs from the measured peaks, if both are known."""
    both = [(r.dispatch_peak_bytes, r.peak_bytes) for r in results]
    apart = [one / other - 1 for one, other in both if one and other]
    return [say.counters_differ(low=min(apart), high=max(apart))] if apart else []


def memory_table(results: Sequence[Result], pass_: Pass) -> Table:
    methods = sorted({r.memory_method for r in results if r.memory_method})
    note = f"live tensor bytes above the inputs; by {'; '.join(methods) or 'nothing measured'}"
    note = "; ".join([note, *map(str, second_counter(results))])
    return _cost_table(results, pass_, MEMORY, "Peak memory", note)


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
        for r in results
        if r.status is not Status.MEASURED
    )
    return Table(
        name="outcomes",
        title="Wrong, skipped, out of memory or failed",
        note="each size has a row of its own in measurements.jsonl",
        columns=(*prose("what"), *words("outcome"), *prose("why")),
        rows=series_rows(found),
    )


def run_tables(findings: Findings) -> list[Table]:
    """Every table of a run that is not empty, in reading order."""
    results = findings.results
    passes = [p for p in PASSES if any(r.case.pass_ == p for r in results)]
    tables = [agreement_table(results)]
    tables += [time_table(results, p) for p in passes]
    tables += [memory_table(results, p) for p in passes]
    tables += growth_tables.axis_tables(results)
    tables += [
        growth_tables.growth_table(findings.growth),
        growth_tables.crossover_table(findings.crossovers),
        growth_tables.frontier_table(findings.frontier),
        growth_tables.prediction_table(findings.predictions, findings.growth),
        outcome_table(results),
        claims_table(findings.claims),
    ]
    return [table for table in tables if table.rows]
