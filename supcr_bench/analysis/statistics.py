"""Statistics of raw samples, without assumptions on their distribution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class MedianInterval:
    """A median and, where the samples suffice, an interval that covers it.

    Attributes:
        median: of the samples.
        low, high: order statistics that cover the true median with at least ``CONFIDENCE``;
            ``None`` where there are too few samples for that (fewer than six).
        samples: how many.
    """

    median: float
    low: float | None
    high: float | None
    samples: int

    @property
    def half_width(self) -> float | None:
        """The wider side of the interval as a fraction of the median."""
        if self.low is None or self.high is None:
            return None
        if self.low == self.high:
            return 0.0
        if self.median == 0:
            return None
        return max(self.high - self.median, self.median - self.low) / self.median


def interval_rank(n: int, confidence: float = CONFIDENCE) -> int | None:
    """The r for which [x_(r), x_(n+1-r)] covers the median with at least that confidence.

    The number of samples below the median is binomial(n, 1/2) whatever the distribution, so the
    interval fails with probability 2 P(B <= r - 1) (David and Nagaraja, "Order Statistics",
    section 7.1). The largest such r gives the narrowest interval.

    Returns:
        ``None`` where even the range of all samples covers it less often.
    """
    rank, below = None, 0.0
    for r in range(1, n // 2 + 1):
        below += math.comb(n, r - 1) / 2**n
        if 2 * below > 1 - confidence:
            break
        rank = r
    return rank


def median_interval(samples: Sequence[float]) -> MedianInterval:
    """Median and distribution-free interval.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("the median of no samples")
    ordered = sorted(samples)
    n = len(ordered)
    rank = interval_rank(n)
    if rank is None:
        return MedianInterval(median(ordered), None, None, n)
    return MedianInterval(median(ordered), ordered[rank - 1], ordered[n - rank], n)
