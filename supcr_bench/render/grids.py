"""Every table of a run, in reading order."""

from collections.abc import Callable, Sequence

from supcr_bench.analysis.claims import ClaimRow, Holds
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.machines import device_of
from supcr_bench.analysis.summary import (
    CostRow,
    agreement_rows,
    cost_rows,
    fastest_by_size,
    implementations_of,
    known_wrong,
    pair_rows,
    unusual,
)
from supcr_bench.render.axis_grids import axis_grids
from supcr_bench.render.cells import memory_text, time_text
from supcr_bench.render.grid import Grid, facets_of, varied_columns
from supcr_bench.render.growth_grids import (
    crossover_grid,
    frontier_grid,
    growth_grid,
    growth_reasons_grid,
    prediction_grid,
)
from supcr_bench.values.case import PASSES, Pass
from supcr_bench.values.result import Result
from supcr_bench.values.units import MISSING, format_error


def agreement_grid(results: Sequence[Result], definition: str) -> Grid:
    """Who agrees with the definition, and how closely."""
    rows = agreement_rows(results)
    return Grid(
        name="agreement",
        title=f"Agreement with the definition ({definition})",
        note="largest errors over all cases, and as multiples of the tolerance: up to 1 agrees",
        headers=(
            "implementation",
            "labels",
            "agrees in",
            "value\nerror",
            "x tol.",
            "gradient\nerror",
            "x tol.",
        ),
        rows=tuple(
            (
                r.implementation,
                r.labels,
                f"{r.agree} of {r.cases}",
                format_error(r.value_error),
                format_error(r.value_tolerances),
                format_error(r.gradient_error),
                format_error(r.gradient_tolerances),
            )
            for r in rows
        ),
        left=2,
        alarming=frozenset((i, 2) for i, r in enumerate(rows) if r.agree < r.cases),
        facets=tuple({"implementation": r.implementation, "labels": r.labels} for r in rows),
    )


def pairs_grid(results: Sequence[Result]) -> Grid:
    """Every two implementations against each other."""
    return Grid(
        name="pairs",
        title="Agreement with each other",
        note="largest relative difference on the same tensors",
        headers=("implementation", "and", "cases", "value", "gradient"),
        rows=tuple(
            (
                r.one,
                r.other,
                str(r.cases),
                format_error(r.value_difference),
                format_error(r.gradient_difference),
            )
            for r in pair_rows(results)
        ),
        left=2,
    )


def _cost_grid(
    results: Sequence[Result],
    pass_: Pass,
    name: str,
    title: str,
    note: str,
    text: Callable[[CostRow], str],
    figure: Callable[[CostRow], float | None],
    *,
    mark_fastest: bool,
) -> Grid:
    names = implementations_of(results)
    costs = cost_rows(results, pass_)
    fastest = fastest_by_size(costs, known_wrong(results)) if mark_fastest else {}
    cases = list(dict.fromkeys(row.case for row in costs))
    by_key = {(row.implementation, row.case): row for row in costs}
    series = {case.series() for case in cases}
    varied = varied_columns(cases)
    left = len(varied) + 1
    rows: list[tuple[str, ...]] = []
    sections: set[int] = set()
    strong: set[tuple[int, int]] = set()
    weak: set[tuple[int, int]] = set()
    for i, case in enumerate(cases):
        if len(cases) > len(series) and i and case.series() != cases[i - 1].series():
            sections.add(i)
        cells = []
        for j, implementation in enumerate(names):
            row = by_key.get((implementation, case))
            cells.append(text(row) if row else MISSING)
            if row is None or figure(row) is None:
                weak.add((i, left + j))
            elif fastest.get(case) == implementation:
                strong.add((i, left + j))
        rows.append((*(value(case) for _, value in varied), str(case.batch_size), *cells))
    return Grid(
        name=name,
        title=title,
        note=note,
        headers=(*(header for header, _ in varied), "N", *names),
        rows=tuple(rows),
        left=0,
        sections=frozenset(sections),
        strong=frozenset(strong),
        weak=frozenset(weak),
        facets=tuple(facets_of(case) for case in cases),
        implementations={left + j: name for j, name in enumerate(names)},
    )


def time_grid(results: Sequence[Result], pass_: Pass) -> Grid:
    """Median time per call, of what was to be timed."""
    return _cost_grid(
        [r for r in results if not r.untimed],
        pass_,
        f"time-{pass_}",
        f"Time per call, {pass_}",
        "median and its 95 % interval; the fastest that is right stands out",
        time_text,
        lambda row: row.time_s,
        mark_fastest=True,
    )


def memory_grid(results: Sequence[Result], pass_: Pass) -> Grid:
    """Peak memory per call."""
    methods = sorted({r.memory_method for r in results if r.memory_method})
    note = f"live tensor bytes above the inputs; by {'; '.join(methods) or 'nothing measured'}"
    apart = [
        r.dispatch_peak_bytes / r.peak_bytes - 1
        for r in results
        if r.dispatch_peak_bytes and r.peak_bytes
    ]
    if apart:
        note += f"; a second counter, at dispatch, is {min(apart):+.1%} to {max(apart):+.1%} off"
    return _cost_grid(
        results,
        pass_,
        f"memory-{pass_}",
        f"Peak memory, {pass_}",
        note,
        lambda row: memory_text(row, row.peak_bytes),
        lambda row: row.peak_bytes,
        mark_fastest=False,
    )


def cuda_grid(results: Sequence[Result], pass_: Pass) -> Grid:
    """Peak memory on CUDA as dispatch on the CPU predicts it."""
    on_cpu = [r for r in results if device_of(r.case.device) == "cpu"]
    known = [r for r in on_cpu if r.predicted_cuda_peak_bytes]
    return _cost_grid(
        on_cpu if known else [],
        pass_,
        f"cuda-memory-{pass_}",
        f"Peak memory on CUDA, predicted, {pass_}",
        "predicted from what was dispatched on the CPU, in blocks of 512 bytes; not measured",
        lambda row: memory_text(row, row.predicted_cuda_peak_bytes),
        lambda row: row.predicted_cuda_peak_bytes,
        mark_fastest=False,
    )


def claims_grid(rows: Sequence[ClaimRow]) -> Grid:
    """What the note claims, and what this run says of it."""
    return Grid(
        name="claims",
        title="The note's claims",
        note="decided by the figures of this run alone",
        headers=("claim", "verdict", "evidence"),
        rows=tuple((r.claim, r.verdict, r.evidence) for r in rows),
        left=3,
        wraps=frozenset({0, 2}),
        strong=frozenset((i, 1) for i, r in enumerate(rows) if r.verdict is Holds.YES),
        alarming=frozenset((i, 1) for i, r in enumerate(rows) if r.verdict is Holds.NO),
        weak=frozenset((i, 1) for i, r in enumerate(rows) if r.verdict is Holds.UNDECIDED),
    )


def outcome_grid(results: Sequence[Result]) -> Grid:
    """Everything that was not simply measured, and why; sizes of one series share a row."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for r in unusual(results):
        key = (r.implementation, r.case.pass_, r.case.series(), r.status)
        groups.setdefault(key, []).append(r)
    rows = []
    for members in groups.values():
        first = min(members, key=lambda r: r.case.batch_size)
        sizes = ", ".join(str(n) for n in sorted(r.case.batch_size for r in members))
        reason = first.reason or MISSING
        if len(members) > 1:
            reason = f"from N={first.case.batch_size} on: {reason}"
        rows.append(
            (
                f"{first.implementation} {first.case.pass_}, {first.case.describe_series()}, "
                f"N={sizes}",
                first.status.words,
                reason,
            )
        )
    return Grid(
        name="outcomes",
        title="Not simply measured",
        note="each size has a row of its own in measurements.jsonl",
        headers=("what", "outcome", "why"),
        rows=tuple(rows),
        left=3,
        wraps=frozenset({0, 2}),
        facets=tuple(
            facets_of(members[0].case, members[0].implementation) for members in groups.values()
        ),
    )


def all_grids(findings: Findings) -> list[Grid]:
    """Every table of a run, in reading order; tables with nothing in them are left out."""
    results = findings.results
    passes = [p for p in PASSES if any(r.case.pass_ == p for r in results)]
    grids = [agreement_grid(results, findings.definition), pairs_grid(results)]
    grids += [time_grid(results, p) for p in passes]
    grids += [memory_grid(results, p) for p in passes]
    grids += [cuda_grid(results, p) for p in passes[-1:]]
    grids += axis_grids(results)
    grids += [
        growth_grid(findings.growth),
        growth_reasons_grid(findings.growth),
        crossover_grid(findings.crossovers),
        frontier_grid(findings.frontier),
        prediction_grid(findings.predictions),
        outcome_grid(results),
        claims_grid(findings.claims),
    ]
    return [grid for grid in grids if grid.rows]
