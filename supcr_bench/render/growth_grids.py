"""Tables of what growth says: laws, crossovers, the memory frontier, and how far off it was."""

from collections.abc import Sequence

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.frontier import CAPACITIES_BYTES, FrontierRow, PeakPrediction
from supcr_bench.analysis.growth import FigureName, Growth
from supcr_bench.render.cells import sizes_text
from supcr_bench.render.grid import Grid, varied_columns
from supcr_bench.values.units import MISSING, format_bytes, format_limit_bytes

FEWEST_SIZES = 3
"""Growth over fewer sizes is left to the CSV file."""
NOTES = {
    "time": "c0 x launches + c1 x law, by relative error; the power is that of the second term",
    "work": "elements worked on, counted by dispatch: no noise, the same on every machine",
    "launches": "operations dispatched, counted: what overhead grows with",
    "memory": "sums of laws through the peak bytes; the power is the local one at the largest N",
}


def power_text(growth: Growth) -> str:
    """``2.01 [1.98, 2.04]``, or a dash."""
    v = growth.verdict
    if v.exponent is None or v.exponent_low is None or v.exponent_high is None:
        return MISSING
    return f"{v.exponent:.2f} [{v.exponent_low:.2f}, {v.exponent_high:.2f}]"


def growth_grid(growth: Sequence[Growth], figure: FigureName) -> Grid:
    """The law of one figure beside the claimed one."""
    rows = [g for g in growth if g.figure == figure and len(g.sizes) >= FEWEST_SIZES]
    axes = varied_columns([g.case for g in rows])
    return Grid(
        name=f"growth-{figure}",
        title=f"Growth of {figure} with the batch size",
        note=NOTES[figure],
        headers=(
            "implementation",
            "pass",
            *(header for header, _ in axes),
            "N",
            "claimed",
            "law",
            "power of N",
            "why",
        ),
        rows=tuple(
            (
                g.implementation,
                g.case.pass_,
                *(value(g.case) for _, value in axes),
                sizes_text(g.sizes),
                g.claimed or MISSING,
                g.verdict.law or "cannot tell",
                power_text(g),
                g.verdict.evidence,
            )
            for g in rows
        ),
        left=2,
        wraps=frozenset({6 + len(axes)}),
        strong=frozenset((i, 4 + len(axes)) for i, g in enumerate(rows) if g.verdict.law),
        weak=frozenset((i, 4 + len(axes)) for i, g in enumerate(rows) if not g.verdict.law),
    )


def crossover_text(row: Crossover) -> str:
    """``312 [300, 325]``, or what is known instead."""
    if row.size is not None:
        return f"{row.size:.0f} [{row.low:.0f}, {row.high:.0f}]"
    return "none in range" if row.small and row.small == row.large else "cannot tell"


def crossover_grid(rows: Sequence[Crossover]) -> Grid:
    """Where the faster one of two changes."""
    axes = varied_columns([r.case for r in rows])
    return Grid(
        name="crossovers",
        title="Crossovers",
        note="batch size at which the faster of two changes, and its 95 % interval; both right",
        headers=(
            "implementation",
            "and",
            "pass",
            *(header for header, _ in axes),
            "N",
            "faster below",
            "faster above",
            "crossover",
        ),
        rows=tuple(
            (
                r.one,
                r.other,
                r.case.pass_,
                *(value(r.case) for _, value in axes),
                sizes_text(r.sizes),
                r.small or MISSING,
                r.large or MISSING,
                crossover_text(r),
            )
            for r in rows
        ),
        left=3,
        strong=frozenset((i, 6 + len(axes)) for i, r in enumerate(rows) if r.size is not None),
        weak=frozenset((i, 6 + len(axes)) for i, r in enumerate(rows) if r.size is None),
    )


def frontier_grid(rows: Sequence[FrontierRow]) -> Grid:
    """The largest batch for each capacity."""
    series: dict[tuple[object, ...], list[FrontierRow]] = {}
    for row in rows:
        series.setdefault((row.implementation, row.case), []).append(row)
    axes = varied_columns([members[0].case for members in series.values()])
    return Grid(
        name="frontier",
        title="Memory frontier: the largest batch that fits",
        note="inputs and tensors above them, by the byte law; half the interval's width beside it",
        headers=(
            "implementation",
            "pass",
            *(header for header, _ in axes),
            "bytes",
            *(format_limit_bytes(c) for c in CAPACITIES_BYTES),
        ),
        rows=tuple(
            (
                members[0].implementation,
                members[0].case.pass_,
                *(value(members[0].case) for _, value in axes),
                members[0].law,
                *(f"{r.batch_size} \u00b1{(r.high - r.low + 1) // 2}" for r in members),
            )
            for members in series.values()
        ),
        left=2,
    )


def prediction_grid(rows: Sequence[PeakPrediction]) -> Grid:
    """Peaks that were predicted, beside what they were."""
    axes = varied_columns([r.case for r in rows])
    return Grid(
        name="predictions",
        title="Peak memory, predicted before it was measured",
        note="from the sizes up to a quarter; the interval holds every sum of laws that meets them",
        headers=(
            "implementation",
            "pass",
            *(header for header, _ in axes),
            "N",
            "known up to",
            "predicted",
            "interval",
            "measured",
            "off by",
        ),
        rows=tuple(
            (
                r.implementation,
                r.case.pass_,
                *(value(r.case) for _, value in axes),
                str(r.case.batch_size),
                str(r.fitted_up_to),
                format_bytes(r.predicted_bytes),
                " ".join(
                    f"{bound / r.predicted_bytes - 1:+.1%}" for bound in (r.low_bytes, r.high_bytes)
                ),
                format_bytes(r.peak_bytes),
                f"{r.error:+.2%}",
            )
            for r in rows
        ),
        left=2,
        alarming=frozenset(
            (i, 7 + len(axes))
            for i, r in enumerate(rows)
            if not r.low_bytes <= r.peak_bytes <= r.high_bytes
        ),
    )
