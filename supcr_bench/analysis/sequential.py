"""A paired log-ratio with an interval that stays valid over repeated looks.

The unit is a fresh process: it gives one log-ratio, the median of its rounds. Over processes the
interval is Wilcoxon's: between order statistics of the Walsh averages (x_i + x_j) / 2, exact for
independent values with a common centre of symmetry, whatever their distribution and even where
their spreads differ (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", sections
3.1 to 3.3). No process is dropped as an outlier. The values are symmetric where both versions are
the same code, since the versions can be exchanged.

Repeated looks are corrected for: the k-th look's bounds fail with probability alpha / (k (k + 1)),
which sums to alpha over however many looks there are (Lan and DeMets, Biometrika 70, 1983, with the
union bound in place of the joint distribution, which would need the looks to be planned).
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from supcr_bench.analysis.statistics import Interval

GROWTH = 1.25
"""Each look has this many times the processes of the one before."""


@cache
def _bound_rank(n: int, alpha: float) -> int:
    """The largest k for which the centre is below the k-th smallest Walsh average this rarely.

    That happens where the signed-rank statistic is k - 1 or less. 0 where no k will do.
    """
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    below = np.cumsum(ways) / 2.0**n
    return int(np.searchsorted(below, alpha, side="right"))


def centre_interval(
    values: Sequence[float], alpha_low: float, alpha_high: float | None = None
) -> Interval:
    """The centre of symmetry of some values: the median of their Walsh averages, and its bounds.

    Args:
        values: independent.
        alpha_low: the probability that the lower bound lies above the centre is at most this.
        alpha_high: likewise for the upper bound; the same as ``alpha_low`` where not given.

    Raises:
        ValueError: no values.
    """
    n = len(values)
    if not n:
        raise ValueError("the centre of no values")
    array = np.asarray(values, dtype=np.float64)
    one, other = np.triu_indices(n)
    walsh = np.sort((array[one] + array[other]) / 2)
    rank_low = _bound_rank(n, alpha_low)
    rank_high = _bound_rank(n, alpha_low if alpha_high is None else alpha_high)
    return Interval(
        estimate=float(np.median(walsh)),
        low=float(walsh[rank_low - 1]) if rank_low else None,
        high=float(walsh[-rank_high]) if rank_high else None,
        samples=n,
    )


def spent_at(look: int, alpha: float) -> float:
    """The share of alpha that a look may spend; looks count from 1."""
    return alpha / (look * (look + 1))


def first_look(alpha: float) -> int:
    """The fewest values that have bounds with that probability of failing."""
    return math.ceil(-math.log2(spent_at(1, alpha)))


def next_look(values: int) -> int:
    """The number of values at the next look."""
    return math.ceil(GROWTH * values)
