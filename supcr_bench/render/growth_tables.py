"""Tables of growth: laws, crossovers, the largest batches that fit, and predicted peaks."""

from collections.abc import Sequence

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.frontier import CAPACITIES_BYTES, FrontierRow, PeakPrediction
from supcr_bench.analysis.growth import Growth
from supcr_bench.render.cells import case_columns, facets_of
from supcr_bench.values.metrics import COSTS, ELEMENTS_PROCESSED
from supcr_bench.values.table import Cell, Table, numbers, prose, row, words
from supcr_bench.values.units import MISSING, format_bytes, format_limit_bytes

FEWEST_SIZES = 3
"""Growth over fewer sizes is left to the CSV file."""
UNDECIDED = "?"


def _shown(growth: Sequence[Growth]) -> list[Growth]:
    return [g for g in growth if len(g.sizes) >= FEWEST_SIZES]


def power_text(growth: Growth) -> str:
    """``2.01 [1.98, 2.04]``, or a dash."""
    v = growth.verdict
    if v.exponent is None or v.exponent_low is None or v.exponent_high is None:
        return MISSING
    return f"{v.exponent:.2f} [{v.exponent_low:.2f}, {v.exponent_high:.2f}]"


def growth_table(growth: Sequence[Growth]) -> Table:
    """The law of every figure, or that it is not decided."""
    by_arm: dict[tuple[object, ...], dict[str, Growth]] = {}
    for g in _shown(growth):
        key = (g.case.series(), g.implementation, g.case.pass_)
        by_arm.setdefault(key, {})[g.metric.name] = g
    order = {s: i for i, s in enumerate(dict.fromkeys(key[0] for key in by_arm))}
    arms = [by_arm[key] for key in sorted(by_arm, key=lambda key: order[key[0]])]
    firsts = [next(iter(arm.values())) for arm in arms]
    headers, texts = case_columns([first.case for first in firsts])

    def cell(found: Growth | None) -> Cell:
        if found is None:
            return Cell(MISSING, "quiet")
        law = found.verdict.law
        return Cell(law, "good") if law else Cell(UNDECIDED, "quiet")

    return Table(
        name="growth",
        title="Growth with the batch size",
        note=f"{UNDECIDED}: not decided, the report says why. Elements processed, dispatched ops "
        "and peak memory are counted, so they have no noise",
        columns=(
            *words("name", "pass"),
            *numbers(*headers, "time", "elements", "ops", "memory", "claimed"),
        ),
        rows=tuple(
            row(
                first.implementation,
                first.case.pass_,
                *texts(first.case),
                *(cell(arm.get(metric.name)) for metric in COSTS),
                _claimed(arm.get(ELEMENTS_PROCESSED.name)),
                facets=facets_of(first.case, first.implementation),
                group=first.case.series(),
            )
            for first, arm in zip(firsts, arms, strict=True)
        ),
        keys=2 + len(headers),
    )


def _claimed(growth: Growth | None) -> str:
    return (growth.claimed if growth else None) or MISSING


def growth_reasons_table(growth: Sequence[Growth]) -> Table:
    """The power of N and what decides the law, one row a figure."""
    shown = _shown(growth)
    headers, texts = case_columns([g.case for g in shown])
    return Table(
        name="growth-reasons",
        title="What decides the growth laws",
        note="time: power p and law f in c0 x operations + c1 x f(N), by relative error; counts: "
        "the local power at the largest N, and sums of laws that meet every count",
        columns=(
            *words("metric", "implementation", "pass"),
            *numbers(*headers, "N", "law", "power of N"),
            *prose("why"),
        ),
        rows=tuple(
            row(
                g.metric.title,
                g.implementation,
                g.case.pass_,
                *texts(g.case),
                f"{g.sizes[0]}-{g.sizes[-1]}",
                g.verdict.law or "not decided",
                power_text(g),
                g.verdict.evidence,
                facets=facets_of(g.case, g.implementation),
            )
            for g in shown
        ),
        keys=3 + len(headers),
        detail=True,
    )


def crossover_text(crossover: Crossover) -> str:
    """``312 [300, 325]``, or what is known instead."""
    if crossover.size is not None:
        return f"{crossover.size:.0f} [{crossover.low:.0f}, {crossover.high:.0f}]"
    same = crossover.small and crossover.small == crossover.large
    return "none in range" if same else "undecided"


def crossover_table(rows: Sequence[Crossover]) -> Table:
    """Where the faster one of two changes."""
    headers, texts = case_columns([r.case.shared for r in rows])
    return Table(
        name="crossovers",
        title="Crossovers",
        note="batch size above which the other is faster, and its 95 % interval; both right",
        columns=(
            *words("one", "other", "pass"),
            *numbers(*headers, "faster\nbelow", "crossover N"),
        ),
        rows=tuple(
            row(
                r.one,
                r.other,
                r.case.pass_,
                *texts(r.case.shared),
                r.small or MISSING,
                Cell(crossover_text(r), "quiet" if r.size is None else "good"),
                facets=facets_of(r.case),
            )
            for r in rows
        ),
        keys=3 + len(headers),
    )


def frontier_table(rows: Sequence[FrontierRow]) -> Table:
    """The largest batch for each capacity."""
    arms: dict[tuple[object, ...], list[FrontierRow]] = {}
    for r in rows:
        arms.setdefault((r.implementation, r.case), []).append(r)
    headers, texts = case_columns([members[0].case for members in arms.values()])
    widest = max(((r.high - r.low) / 2 / r.batch_size for r in rows), default=0.0)
    return Table(
        name="frontier",
        title="The largest batch that fits a memory",
        note=f"inputs and tensors above them, by the growth law of the bytes; intervals within "
        f"\u00b1{widest:.1%}",
        columns=(
            *words("implementation", "pass"),
            *numbers(*headers, *(format_limit_bytes(c) for c in CAPACITIES_BYTES)),
        ),
        rows=tuple(
            row(
                first.implementation,
                first.case.pass_,
                *texts(first.case),
                *(str(r.batch_size) for r in members),
                facets=facets_of(first.case, first.implementation),
            )
            for members in arms.values()
            for first in members[:1]
        ),
        keys=2 + len(headers),
    )


def prediction_table(rows: Sequence[PeakPrediction]) -> Table:
    """Peaks that were predicted, beside what they were."""
    headers, texts = case_columns([r.case for r in rows])

    def error(found: PeakPrediction) -> Cell:
        inside = found.low_bytes <= found.peak_bytes <= found.high_bytes
        digits = 2 if abs(found.error) < 0.1 else 0
        error = round(found.error, 4) + 0.0  # no -0.00 %
        return Cell(f"{error:+.{digits}%}", "" if inside else "bad")

    return Table(
        name="predictions",
        title="Peak memory, predicted before it was measured",
        note="from the sizes up to a quarter of N; stands out where outside of its interval",
        columns=(
            *words("implementation", "pass"),
            *numbers(*headers, "N", "known\nup to", "predicted", "measured", "off by"),
        ),
        rows=tuple(
            row(
                r.implementation,
                r.case.pass_,
                *texts(r.case),
                str(r.case.batch_size),
                str(r.fitted_up_to),
                format_bytes(r.predicted_bytes),
                format_bytes(r.peak_bytes),
                error(r),
                facets=facets_of(r.case, r.implementation),
            )
            for r in rows
        ),
        keys=3 + len(headers),
    )
