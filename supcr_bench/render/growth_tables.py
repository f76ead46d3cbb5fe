"""Tables of growth: laws, crossovers, the largest batches that fit, and predicted peaks."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.frontier import CAPACITIES_BYTES, FrontierRow, PeakPrediction
from supcr_bench.analysis.growth import Growth
from supcr_bench.render.case_table import case_table
from supcr_bench.values.metrics import COSTS, ELEMENTS_PROCESSED, Metric
from supcr_bench.values.table import Cell, Table
from supcr_bench.values.units import MISSING, format_bytes, format_limit_bytes

FEWEST_SIZES = 3
"""Growth over fewer sizes is left to the CSV file."""
UNDECIDED = "?"
SHORT_TITLES = {"elements_processed": "elements", "dispatched_ops": "ops"}
"""Of metrics, where the table would be too wide for a terminal."""


def _shown(growth: Sequence[Growth]) -> list[Growth]:
    return [g for g in growth if len(g.sizes) >= FEWEST_SIZES]


def power_text(growth: Growth) -> str:
    """``2.01 [1.98, 2.04]``, or a dash."""
    v = growth.verdict
    if v.exponent is None or v.exponent_low is None or v.exponent_high is None:
        return MISSING
    return f"{v.exponent:.2f} [{v.exponent_low:.2f}, {v.exponent_high:.2f}]"


def _key(growth: Growth) -> tuple[object, ...]:
    return (growth.case.series(), growth.implementation, growth.case.pass_)


def growth_table(growth: Sequence[Growth]) -> Table:
    """The law of every metric, or that it is not decided."""
    by_arm: dict[tuple[object, ...], dict[str, Growth]] = {}
    for g in _shown(growth):
        by_arm.setdefault(_key(g), {})[g.metric.name] = g
    firsts = [next(iter(arm.values())) for arm in by_arm.values()]
    order = {s: i for i, s in enumerate(dict.fromkeys(g.case.series() for g in firsts))}

    def law(metric: Metric, first: Growth) -> Cell:
        found = by_arm[_key(first)].get(metric.name)
        if found is None:
            return Cell(MISSING, "quiet")
        return Cell(found.verdict.law, "good") if found.verdict.law else Cell(UNDECIDED, "quiet")

    def claimed(first: Growth) -> str:
        found = by_arm[_key(first)].get(ELEMENTS_PROCESSED.name)
        return (found.claimed if found else None) or MISSING

    return case_table(
        "growth",
        "Growth with the batch size",
        f"{UNDECIDED}: not decided, the report says why. Elements processed, dispatched ops and "
        "peak memory are counted, so they have no noise",
        sorted(firsts, key=lambda g: order[g.case.series()]),
        {"name": lambda g: g.implementation, "pass": lambda g: g.case.pass_},
        {
            **{SHORT_TITLES.get(m.name, m.name): partial(law, m) for m in COSTS},
            "claimed": claimed,
        },
        group=lambda g: g.case.series(),
    )


def growth_reasons_table(growth: Sequence[Growth]) -> Table:
    """The power of N and what decides the law, one row a metric."""
    return case_table(
        "growth-reasons",
        "What decides the growth laws",
        "time: power p and law f in c0 x operations + c1 x f(N), by relative error; counts: the "
        "local power at the largest N, and sums of laws that meet every count",
        _shown(growth),
        {
            "metric": lambda g: g.metric.title,
            "implementation": lambda g: g.implementation,
            "pass": lambda g: g.case.pass_,
        },
        {
            "N": lambda g: f"{g.sizes[0]}-{g.sizes[-1]}",
            "law": lambda g: g.verdict.law or "not decided",
            "power of N": power_text,
        },
        {"why": lambda g: g.verdict.evidence},
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
    return case_table(
        "crossovers",
        "Crossovers",
        "batch size above which the other is faster, and its 95 % interval; both right",
        [replace(r, case=r.case.shared) for r in rows],
        {"one": lambda r: r.one, "other": lambda r: r.other, "pass": lambda r: r.case.pass_},
        {
            "faster\nbelow": lambda r: r.small or MISSING,
            "crossover N": lambda r: Cell(crossover_text(r), "good" if r.size else "quiet"),
        },
    )


def frontier_table(rows: Sequence[FrontierRow]) -> Table:
    """The largest batch for each capacity."""
    sizes = {(r.implementation, r.case, r.capacity_bytes): str(r.batch_size) for r in rows}

    def fitting(capacity: int, r: FrontierRow) -> str:
        return sizes[r.implementation, r.case, capacity]

    widest = max(((r.high - r.low) / 2 / r.batch_size for r in rows), default=0.0)
    return case_table(
        "frontier",
        "The largest batch that fits a memory",
        f"inputs and tensors above them, by the growth law of the bytes; intervals within "
        f"\u00b1{widest:.1%}",
        list({(r.implementation, r.case): r for r in rows}.values()),
        {"implementation": lambda r: r.implementation, "pass": lambda r: r.case.pass_},
        {format_limit_bytes(capacity): partial(fitting, capacity) for capacity in CAPACITIES_BYTES},
    )


def _error_cell(found: PeakPrediction) -> Cell:
    inside = found.low_bytes <= found.peak_bytes <= found.high_bytes
    digits = 2 if abs(found.error) < 0.1 else 0
    error = round(found.error, 4) + 0.0  # no -0.00 %
    return Cell(f"{error:+.{digits}%}", "" if inside else "bad")


def prediction_table(rows: Sequence[PeakPrediction]) -> Table:
    """Peaks that were predicted, beside what they were."""
    return case_table(
        "predictions",
        "Peak memory, predicted before it was measured",
        "from the sizes up to a quarter of N; stands out where outside of its interval",
        rows,
        {"implementation": lambda r: r.implementation, "pass": lambda r: r.case.pass_},
        {
            "N": lambda r: str(r.case.batch_size),
            "known\nup to": lambda r: str(r.fitted_up_to),
            "predicted": lambda r: format_bytes(r.predicted_bytes),
            "measured": lambda r: format_bytes(r.peak_bytes),
            "off by": _error_cell,
        },
    )
