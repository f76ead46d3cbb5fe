"""Tables of what growth says: laws, crossovers, the memory frontier, and how far off it was."""

from collections.abc import Sequence

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.frontier import CAPACITIES_BYTES, FrontierRow, PeakPrediction
from supcr_bench.analysis.growth import Growth
from supcr_bench.render.cells import sizes_text
from supcr_bench.render.grid import Grid, facets_of, varied_columns
from supcr_bench.values.metrics import COSTS, ELEMENTS_PROCESSED
from supcr_bench.values.units import MISSING, format_bytes, format_limit_bytes

FEWEST_SIZES = 3
"""Growth over fewer sizes is left to the CSV file."""
OPEN = "?"


def _shown(growth: Sequence[Growth]) -> list[Growth]:
    return [g for g in growth if len(g.sizes) >= FEWEST_SIZES]


def power_text(growth: Growth) -> str:
    """``2.01 [1.98, 2.04]``, or a dash."""
    v = growth.verdict
    if v.exponent is None or v.exponent_low is None or v.exponent_high is None:
        return MISSING
    return f"{v.exponent:.2f} [{v.exponent_low:.2f}, {v.exponent_high:.2f}]"


def growth_grid(growth: Sequence[Growth]) -> Grid:
    """The law of every figure, or that it cannot be told."""
    series: dict[tuple[object, ...], dict[str, Growth]] = {}
    for g in _shown(growth):
        key = (g.case.series(), g.implementation, g.case.pass_)
        series.setdefault(key, {})[g.metric.name] = g
    order = {s: i for i, s in enumerate(dict.fromkeys(key[0] for key in series))}
    rows = [series[key] for key in sorted(series, key=lambda key: order[key[0]])]
    firsts = [next(iter(row.values())) for row in rows]
    axes = varied_columns([g.case for g in firsts])
    left = 2 + len(axes)
    cells = [[row.get(metric.name) for metric in COSTS] for row in rows]
    named = [[bool(g and g.verdict.law) for g in row] for row in cells]
    return Grid(
        name="growth",
        title="Growth with the batch size",
        note=(
            f"the law that the figures single out; {OPEN}: they do not, and the report says why. "
            "Operations, elements and memory are counted, so they have no noise"
        ),
        headers=(
            "implementation",
            "pass",
            *(header for header, _ in axes),
            *(metric.title for metric in COSTS),
            "claimed",
        ),
        rows=tuple(
            (
                first.implementation,
                first.case.pass_,
                *(value(first.case) for _, value in axes),
                *((g.verdict.law or OPEN) if g else MISSING for g in own),
                next(
                    (g.claimed for g in own if g and g.metric is ELEMENTS_PROCESSED and g.claimed),
                    MISSING,
                ),
            )
            for first, own in zip(firsts, cells, strict=True)
        ),
        left=2,
        sections=_sections([first.case.series() for first in firsts]),
        strong=frozenset(
            (i, left + j) for i, row in enumerate(named) for j, known in enumerate(row) if known
        ),
        weak=frozenset(
            (i, left + j) for i, row in enumerate(named) for j, known in enumerate(row) if not known
        ),
        facets=tuple(facets_of(first.case, first.implementation) for first in firsts),
    )


def _sections(series: Sequence[object]) -> frozenset[int]:
    return frozenset(i for i in range(1, len(series)) if series[i] != series[i - 1])


def growth_reasons_grid(growth: Sequence[Growth]) -> Grid:
    """The power of N and what decides the law, one row a figure."""
    rows = _shown(growth)
    axes = varied_columns([g.case for g in rows])
    return Grid(
        name="growth-reasons",
        title="What decides the growth laws",
        note=(
            "time: power p and law f in c0 x operations + c1 x f(N), by relative error; counts: "
            "the local power at the largest N, and sums of laws that meet every count"
        ),
        headers=(
            "metric",
            "implementation",
            "pass",
            *(header for header, _ in axes),
            "N",
            "law",
            "power of N",
            "why",
        ),
        rows=tuple(
            (
                g.metric.title,
                g.implementation,
                g.case.pass_,
                *(value(g.case) for _, value in axes),
                sizes_text(g.sizes),
                g.verdict.law or "cannot tell",
                power_text(g),
                g.verdict.evidence,
            )
            for g in rows
        ),
        left=3,
        wraps=frozenset({6 + len(axes)}),
        detail=True,
        facets=tuple(facets_of(g.case, g.implementation) for g in rows),
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
        note="batch size above which the other is faster, and its 95 % interval; both right",
        headers=(
            "one",
            "other",
            "pass",
            *(header for header, _ in axes),
            "faster\nbelow",
            "crossover N",
        ),
        rows=tuple(
            (
                r.one,
                r.other,
                r.case.pass_,
                *(value(r.case) for _, value in axes),
                r.small or MISSING,
                crossover_text(r),
            )
            for r in rows
        ),
        left=3,
        strong=frozenset((i, 4 + len(axes)) for i, r in enumerate(rows) if r.size is not None),
        weak=frozenset((i, 4 + len(axes)) for i, r in enumerate(rows) if r.size is None),
        facets=tuple(facets_of(r.case) for r in rows),
    )


def frontier_grid(rows: Sequence[FrontierRow]) -> Grid:
    """The largest batch for each capacity."""
    series: dict[tuple[object, ...], list[FrontierRow]] = {}
    for row in rows:
        series.setdefault((row.implementation, row.case), []).append(row)
    axes = varied_columns([members[0].case for members in series.values()])
    widest = max(((r.high - r.low) / 2 / r.batch_size for r in rows), default=0.0)
    return Grid(
        name="frontier",
        title="Memory frontier: the largest batch that fits",
        note=f"inputs and tensors above them, by the byte law; intervals within \u00b1{widest:.1%}",
        headers=(
            "implementation",
            "pass",
            *(header for header, _ in axes),
            *(format_limit_bytes(c) for c in CAPACITIES_BYTES),
        ),
        rows=tuple(
            (
                members[0].implementation,
                members[0].case.pass_,
                *(value(members[0].case) for _, value in axes),
                *(str(r.batch_size) for r in members),
            )
            for members in series.values()
        ),
        left=2,
        facets=tuple(facets_of(m[0].case, m[0].implementation) for m in series.values()),
    )


def prediction_grid(rows: Sequence[PeakPrediction]) -> Grid:
    """Peaks that were predicted, beside what they were."""
    axes = varied_columns([r.case for r in rows])
    return Grid(
        name="predictions",
        title="Peak memory, predicted before it was measured",
        note="from the sizes up to a quarter; stands out where it lies outside of its interval",
        headers=(
            "implementation",
            "pass",
            *(header for header, _ in axes),
            "N",
            "known\nup to",
            "predicted",
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
                format_bytes(r.peak_bytes),
                f"{round(r.error, 4) + 0.0:+.2%}",  # no -0.00 %
            )
            for r in rows
        ),
        left=2,
        alarming=frozenset(
            (i, 6 + len(axes))
            for i, r in enumerate(rows)
            if not r.low_bytes <= r.peak_bytes <= r.high_bytes
        ),
        facets=tuple(facets_of(r.case, r.implementation) for r in rows),
    )
