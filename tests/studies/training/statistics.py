"""Paired intervals, verdicts and rank correlations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Samples = Sequence[float] | npt.NDArray[np.float64]
CONFIDENCE = 0.95
ALIKE = 0.1
"""Percentage points; a difference that surely is smaller is none."""
DRAWS = 2000


class Paired(NamedTuple):
    """The mean of paired differences, and bounds that hold with some confidence."""

    mean: float
    low: float
    high: float
    exact: bool = False
    """Whether every difference is 0."""

    @property
    def verdict(self) -> str:
        """``same``, ``alike``, ``worse`` (the difference is above 0), ``better`` or ``open``."""
        if self.exact:
            return "same"
        if self.low >= -ALIKE and self.high <= ALIKE:
            return "alike"
        if self.low > 0:
            return "worse"
        return "better" if self.high < 0 else "open"


def paired_interval(differences: Samples, comparisons: int = 1) -> Paired:
    """Student's interval of the mean difference.

    Args:
        differences: one for each seed, two at least.
        comparisons: the intervals of so many hold together with 95 % (Bonferroni).
    """
    values = np.asarray(differences, dtype=np.float64)
    n, mean = len(values), float(values.mean())
    if n < 2:
        raise ValueError("an interval takes two seeds at least")
    error = float(values.std(ddof=1)) / n**0.5
    quantile = float(special.stdtrit(n - 1, 1 - (1 - CONFIDENCE) / (2 * comparisons)))
    reach = quantile * error
    return Paired(mean, mean - reach, mean + reach, exact=not values.any())


def ratio_interval(one: Samples, other: Samples, comparisons: int = 1) -> Paired:
    """The geometric mean of paired ratios with Student's interval of its logarithm."""
    logs = np.log(np.asarray(one, np.float64)) - np.log(np.asarray(other, np.float64))
    found = paired_interval(logs, comparisons)
    mean, low, high = (float(np.exp(x)) for x in found[:3])
    return Paired(mean, low, high, exact=found.exact)


class Correlation(NamedTuple):
    """Spearman's rank correlation, and its bootstrap interval; NaN where it has none."""

    value: float
    low: float
    high: float
    arms: int


def rank_correlation(first: Samples, second: npt.NDArray[np.float64], seed: int = 0) -> Correlation:
    """How alike two quantities order the arms.

    Args:
        first: [A], one for each arm.
        second: [A, S], of each arm and seed; its mean over seeds is what is ordered.
        seed: of the bootstrap, which draws arms and seeds anew.
    """
    angles, bits = np.asarray(first, np.float64), np.random.default_rng(seed)
    count, seeds = second.shape
    arms = bits.integers(count, size=(DRAWS, count))
    shares = bits.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds
    means = np.take_along_axis(shares @ second.T, arms, axis=1)
    draws = spearman(angles[arms], means)
    low, high = np.nanquantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    (value,) = spearman(angles[None], second.mean(axis=1)[None])
    return Correlation(float(value), float(low), float(high), count)


def spearman(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """[K] rank correlations of the rows of two [K, A]; NaN where one is constant."""
    ranks = [stats.rankdata(values, axis=1) for values in (first, second)]
    one, other = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray((one * other).sum(axis=1) / lengths)
