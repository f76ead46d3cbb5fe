"""Statistics of samples, without assumptions on their distribution, and the noise of a run.

Noise is measured by A/A arms: second timings of an implementation against itself. A round times
every implementation of a cell (one workload) once, and samples are paired by round: the machine's
drift in a round affects each of its samples, and cancels in their ratio.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median, stdev

from supcr_bench.values.result import Result, grouped

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
"""Probability that the median lies beyond one end of its interval."""
ONE_SIDED = 1.645
"""The 95 % quantile of the standard normal distribution."""
FEWEST_STEPS = 7
"""The fewest steps between samples that can show whether samples come in runs."""
APART = 2.0
"""Times without an interval of their ratio differ beyond doubt if one is this many times longer."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and, if there are enough ``samples``, bounds that hold with some confidence."""

    estimate: float
    low: float | None
    high: float | None
    samples: int

    @property
    def half_width(self) -> float | None:
        """The wider side of the interval as a fraction of the estimate."""
        if self.low is None or self.high is None:
            return None
        if self.low == self.high:
            return 0.0
        if self.estimate == 0:
            return None
        return max(self.high - self.estimate, self.estimate - self.low) / self.estimate

    def exp(self) -> "Interval":
        """The interval of a ratio, where this one is of its logarithm."""
        low, high = (None if x is None else math.exp(x) for x in (self.low, self.high))
        return Interval(math.exp(self.estimate), low, high, self.samples)


@cache
def interval_rank(n: int, alpha: float = TAIL) -> int:
    """The largest r for which x_(r) and x_(n+1-r) each fail to bound the median with this alpha.

    The number of samples below the median is binomial(n, 1/2) whatever the distribution, so each
    fails with probability P(B <= r - 1) (David and Nagaraja, "Order Statistics", section 7.1). The
    rank is 0 if even the extremes of all samples fail more often.
    """
    rank, below = 0, 0.0
    while rank < n:
        below += math.comb(n, rank) / 2**n
        if below > alpha:
            break
        rank += 1
    return rank


def samples_that_count(samples: Sequence[float], middle: float) -> int:
    """The number of independent samples that would determine the median as well as these do.

    A machine that changes its speed every now and then gives samples in runs above and below the
    median. If there are fewer runs than chance gives in 95 % of cases (Wald and Wolfowitz, 1940),
    the sides are taken as a Markov chain, whose correlation rho follows from the number of changes;
    its n samples are worth n (1 - rho) / (1 + rho).
    """
    above = [x > middle for x in samples if x != middle]
    steps = len(above) - 1
    changes = sum(a != b for a, b in itertools.pairwise(above))
    if steps < FEWEST_STEPS or changes >= steps / 2 - ONE_SIDED * math.sqrt(steps) / 2:
        return len(samples)
    return int(len(samples) * changes / (steps - changes))  # rho = 1 - 2 changes / steps


def median_interval(
    samples: Sequence[float],
    alpha: float = TAIL,
    alpha_high: float | None = None,
    *,
    independent: bool = False,
) -> Interval:
    """The median and its distribution-free interval; a 95 % interval takes at least six samples.

    Each end fails with probability ``alpha``, or the upper one with ``alpha_high``. Unless they are
    ``independent``, the samples are in order of time, and may come in runs.
    """
    if not samples:
        raise ValueError("the median of no samples")
    ordered, n = sorted(samples), len(samples)
    middle = median(ordered)
    count = n if independent else samples_that_count(samples, middle)
    low, high = (interval_rank(count, a) * n // max(count, 1) for a in (alpha, alpha_high or alpha))
    ends = ordered[low - 1] if low else None, ordered[n - high] if high else None
    return Interval(middle, *ends, n)


def process_interval(medians_s: Sequence[float]) -> Interval:
    """The geometric mean of the medians of several processes, with its 95 % interval.

    The placement of code and memory shifts the times of all calls of a process, so more calls in
    one process tell no more. For few processes the mean is more precise than the median, and its
    interval is Student's t for the logarithms (Kalibera and Jones, "Rigorous benchmarking in
    reasonable time", ISMM 2013: the mean over the highest level that is repeated).
    """
    from scipy.special import stdtrit  # slow to import

    logs, n = [math.log(x) for x in medians_s], len(medians_s)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * stdev(logs) / math.sqrt(n)
    return Interval(fmean(logs), fmean(logs) - half, fmean(logs) + half, n).exp()


def paired_ratio(one: Sequence[float], other: Sequence[float]) -> Interval:
    """The median over common rounds of the first arm's time divided by the second arm's."""
    # The median of logarithms makes the ratio of the swapped pair the inverse of this one.
    pairs = zip(one, other, strict=False)
    return median_interval([math.log(a) - math.log(b) for a, b in pairs]).exp()


def ratio_of(one: Result, other: Result) -> Interval | None:
    """The time of one as a multiple of the other's, by the rounds and processes that both share."""
    ours, theirs = one.processes, other.processes
    ratios = [paired_ratio(ours[s], theirs[s]) for s in ours if s in theirs]
    if len(ratios) > 1:
        return process_interval([ratio.estimate for ratio in ratios])
    return next(iter(ratios), None)


def ratio_half_width(ratio: Interval) -> float | None:
    if ratio.low is None or ratio.high is None:
        return None
    return max(ratio.high / ratio.estimate, ratio.estimate / ratio.low) - 1


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How much the times of identical code differ in one run.

    Attributes:
        cells: A/A arms, one for each pass (forward or training) of each cell.
        spread: the fraction below which a difference is noise in this run: 95 % of the A/A ratios
            lie within it. The spread is at least half the usual width of an interval, because the
            ratios of a few cells may lie near 1 by chance.
    """

    cells: int
    spread: float


def noise_floor(results: Iterable[Result]) -> NoiseFloor | None:
    arms = [(r.aa_samples_s, r.time_samples_s) for r in results]
    ratios = [paired_ratio(again, first) for again, first in arms if again and first]
    if not ratios:
        return None
    return NoiseFloor(cells=len(ratios), spread=spread_of(ratios))


def spread_of(ratios: Sequence[Interval]) -> float:
    """The fraction below which a difference is noise, by ratios of equal arms; see NoiseFloor."""
    deviations = sorted(max(r.estimate, 1 / r.estimate) - 1 for r in ratios)
    half_widths = [w for ratio in ratios if (w := ratio_half_width(ratio)) is not None]
    within = deviations[math.ceil(CONFIDENCE * len(deviations)) - 1]
    usual = median(half_widths) if half_widths else 0.0
    return max(within, usual)


def faster_in(results: Iterable[Result]) -> Callable[[Result, Result], bool]:
    """A function that says whether one result is faster than another of the same cell.

    One of two is faster if the interval of their ratio, over the rounds that both share, excludes 1
    and the ratio is further from 1 than the noise floor of that cell and pass. With too few rounds
    or processes for a narrow interval, the faster one must be ``APART`` times as fast in every
    round, and further from 1 than the noise; in different sessions, by its median.
    """
    cells = grouped(results, lambda r: r.case.shared)
    noise = {case: floor.spread for case, own in cells.items() if (floor := noise_floor(own))}

    def faster(one: Result, other: Result) -> bool:
        own, others = one.time_samples_s or (), other.time_samples_s or ()
        spread = noise.get(one.case.shared, 0.0)
        if not own or not others or min(*own, *others) <= 0:
            return False
        ratio, apart = ratio_of(other, one), max(APART, 1 + spread)
        if ratio is None:
            return apart * median(own) < median(others)
        if ratio.low is not None and ratio.low > 1:
            return ratio.estimate - 1 > spread
        theirs = other.processes
        shared = (zip(x, theirs.get(s, ()), strict=False) for s, x in one.processes.items())
        return all(apart * a < b for a, b in itertools.chain(*shared))

    return faster
