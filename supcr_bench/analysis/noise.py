"""The noise of a run, from its A/A arms: the same code on both sides of a comparison.

Samples of two arms of one session are paired by round: a round's drift is in both, and leaves with
their ratio.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from supcr_bench.analysis.statistics import CONFIDENCE, median_interval
from supcr_bench.values.result import Result


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """How many times as long one of two arms takes as the other.

    Attributes:
        ratio: median of the rounds' ratios.
        low, high: order statistics that cover the true median with at least ``CONFIDENCE``;
            ``None`` where there are too few pairs for that (fewer than six).
        pairs: how many.
    """

    ratio: float
    low: float | None
    high: float | None
    pairs: int

    @property
    def half_width(self) -> float | None:
        """The wider side of the interval as a fraction of the ratio."""
        if self.low is None or self.high is None:
            return None
        return max(self.high / self.ratio, self.ratio / self.low) - 1

    @property
    def covers_one(self) -> bool | None:
        """Whether the interval leaves it open which arm is the faster; ``None`` without one."""
        if self.low is None or self.high is None:
            return None
        return self.low <= 1 <= self.high


def paired_ratio(one: Sequence[float], other: Sequence[float]) -> PairedRatio:
    """The ratio of two arms' samples, one to other, round by round.

    Rounds that only one arm was in are left out.

    Raises:
        ValueError: no round in common, or a sample that is not above zero.
    """
    # In logs, so that the ratio the other way round is the inverse of this one.
    logs = [math.log(a) - math.log(b) for a, b in zip(one, other, strict=False)]
    interval = median_interval(logs)
    return PairedRatio(
        ratio=math.exp(interval.median),
        low=None if interval.low is None else math.exp(interval.low),
        high=None if interval.high is None else math.exp(interval.high),
        pairs=interval.samples,
    )


def again_ratio(result: Result) -> PairedRatio | None:
    """Of an A/A arm's second entry to its first; ``None`` where a result is none."""
    if not result.time_samples_s or not result.aa_samples_s:
        return None
    return paired_ratio(result.aa_samples_s, result.time_samples_s)


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """What identical code differs by.

    Attributes:
        cells: A/A arms, one for each pass of each cell.
        with_interval: how many of them have pairs enough for an interval.
        covering: how many of those intervals cover 1, which is right.
        low, high: 5th and 95th percentile of the cells' ratios.
        spread: smaller differences are noise here, as a fraction: 95 of 100 cells' ratios are
            within it, and it is no less than half an interval's usual width. The ratios of a few
            cells may happen to be near 1; their intervals tell that they need not have been.
    """

    cells: int
    with_interval: int
    covering: int
    low: float
    high: float
    spread: float


def noise_floor(results: Iterable[Result]) -> NoiseFloor | None:
    """Of all A/A arms among some results, such as those of one device and pass.

    Returns:
        ``None`` where there is no A/A arm among them.
    """
    ratios = [found for result in results if (found := again_ratio(result)) is not None]
    if not ratios:
        return None
    plain = [found.ratio for found in ratios]
    # Two at least are needed to interpolate between.
    twentieths = quantiles(plain * 2 if len(plain) == 1 else plain, n=20, method="inclusive")
    deviations = sorted(max(r, 1 / r) - 1 for r in plain)
    half_widths = [w for found in ratios if (w := found.half_width) is not None]
    return NoiseFloor(
        cells=len(ratios),
        with_interval=len(half_widths),
        covering=sum(found.covers_one is True for found in ratios),
        low=twentieths[0],
        high=twentieths[-1],
        spread=max(
            deviations[math.ceil(CONFIDENCE * len(deviations)) - 1],
            median(half_widths) if half_widths else 0.0,
        ),
    )
