"""Statistics of samples, without assumptions on their distribution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95


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

    def covers(self, value: float) -> bool | None:
        """Whether the value lies within the bounds; ``None`` without bounds."""
        if self.low is None or self.high is None:
            return None
        return self.low <= value <= self.high

    def exp(self) -> "Interval":
        """The interval of a ratio, where this one is of its logarithm."""
        low, high = (None if x is None else math.exp(x) for x in (self.low, self.high))
        return Interval(math.exp(self.estimate), low, high, self.samples)


def interval_rank(n: int, confidence: float = CONFIDENCE) -> int | None:
    """The largest r for which [x_(r), x_(n+1-r)] covers the median with that confidence.

    The number of samples below the median is binomial(n, 1/2) whatever the distribution, so the
    interval fails with probability 2 P(B <= r - 1) (David and Nagaraja, "Order Statistics",
    section 7.1). It is ``None`` where even the range of all samples covers the median less often.
    """
    rank, below = None, 0.0
    for r in range(1, n // 2 + 1):
        below += math.comb(n, r - 1) / 2**n
        if 2 * below > 1 - confidence:
            break
        rank = r
    return rank


def median_interval(samples: Sequence[float]) -> Interval:
    """The median and its distribution-free 95 % interval, which takes at least six samples."""
    if not samples:
        raise ValueError("the median of no samples")
    ordered = sorted(samples)
    n = len(ordered)
    rank = interval_rank(n)
    low, high = (ordered[rank - 1], ordered[n - rank]) if rank else (None, None)
    return Interval(median(ordered), low, high, n)
