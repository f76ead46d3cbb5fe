"""The noise of a run, from its A/A arms: implementations that were entered twice in a cell.

Samples of two arms of one session are paired by round: a round's drift is in both samples, and
cancels in their ratio.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from supcr_bench.analysis.statistics import CONFIDENCE, Interval, median_interval
from supcr_bench.values.result import Result


def paired_ratio(one: Sequence[float], other: Sequence[float]) -> Interval:
    """How many times as long the first arm takes: the median of the rounds' ratios.

    Rounds with a sample of only one arm are left out. Fewer than six pairs have no interval.

    Raises:
        ValueError: no round in common, or a sample that is not above zero.
    """
    # In logs, so that the ratio the other way round is the inverse of this one.
    logs = [math.log(a) - math.log(b) for a, b in zip(one, other, strict=False)]
    interval = median_interval(logs)
    return Interval(
        estimate=math.exp(interval.estimate),
        low=None if interval.low is None else math.exp(interval.low),
        high=None if interval.high is None else math.exp(interval.high),
        samples=interval.samples,
    )


def ratio_half_width(ratio: Interval) -> float | None:
    """The wider side of a ratio's interval as a factor, less 1; ``None`` without one."""
    if ratio.low is None or ratio.high is None:
        return None
    return max(ratio.high / ratio.estimate, ratio.estimate / ratio.low) - 1


def aa_ratio(result: Result) -> Interval | None:
    """Time ratio of an arm's second entry to its first (A/A); ``None`` without one."""
    if not result.time_samples_s or not result.aa_samples_s:
        return None
    return paired_ratio(result.aa_samples_s, result.time_samples_s)


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How far identical code differs in one run.

    Attributes:
        cells: A/A arms, one for each pass of each cell.
        with_interval: how many of them have enough pairs for an interval.
        covering: how many of those intervals cover 1, as they should.
        low, high: 5th and 95th percentile of the cells' ratios.
        spread: smaller differences are noise in this run, as a fraction: 95 of 100 cells' ratios
            lie within it, and it is at least half an interval's usual width, because the ratios
            of a few cells may lie near 1 by chance.
    """

    cells: int
    with_interval: int
    covering: int
    low: float
    high: float
    spread: float


def noise_floor(results: Iterable[Result]) -> NoiseFloor | None:
    """The noise floor of some results; ``None`` where none of them has an A/A arm."""
    ratios = [ratio for result in results if (ratio := aa_ratio(result)) is not None]
    if not ratios:
        return None
    plain = [ratio.estimate for ratio in ratios]
    # Interpolation needs at least two.
    twentieths = quantiles(plain * 2 if len(plain) == 1 else plain, n=20, method="inclusive")
    deviations = sorted(max(r, 1 / r) - 1 for r in plain)
    half_widths = [w for ratio in ratios if (w := ratio_half_width(ratio)) is not None]
    return NoiseFloor(
        cells=len(ratios),
        with_interval=len(half_widths),
        covering=sum(ratio.covers(1) is True for ratio in ratios),
        low=twentieths[0],
        high=twentieths[-1],
        spread=max(
            deviations[math.ceil(CONFIDENCE * len(deviations)) - 1],
            median(half_widths) if half_widths else 0.0,
        ),
    )
