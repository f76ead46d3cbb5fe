"""Decides whether a cell became slower, did not, or is undecided.

A cell is a regression when the whole interval of its paired ratio lies above what is allowed, and a
pass when the whole interval lies below; else sampling goes on. In each process the version before
is timed a second time, as if it were another: the A/A arm. Its interval shows how far apart the
machine measures identical code. A difference within it is undecided.

The error is of a whole gate run: with that probability at most, any of its cells is called a
regression that is not slower by more than is allowed, or passes although it is. Each cell has an
equal share of it (Bonferroni), and each look at a cell has a share of the cell's. A cell can suffer
only one of the two errors, so each of its bounds has the cell's whole share.

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
from dataclasses import dataclass
from functools import cache

import numpy as np

from supcr_bench.analysis.statistics import Interval
from supcr_bench.values.gate import GateVerdict
from supcr_bench.values.units import format_share

ERROR = 0.01
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
    """The centre of symmetry of independent values: the median of their Walsh averages.

    The probability that a bound lies on the wrong side of it is at most its alpha; the upper
    bound's is the same as the lower's where it is not given.

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
    return math.ceil(GROWTH * values)


@dataclass(frozen=True, slots=True)
class CellDecision:
    """The decision on one cell after some processes: pass, regression, or undecided so far.

    Attributes:
        after: the log-ratio of the version after to the one before.
        again: log-ratio of the version before to itself.
        reason: why undecided.
    """

    verdict: GateVerdict
    after: Interval
    again: Interval
    reason: str | None = None

    @property
    def noise_floor(self) -> float | None:
        """How far the A/A arm's interval reaches from 1, as a share; ``None`` without one."""
        if self.again.low is None or self.again.high is None:
            return None
        return math.expm1(max(abs(self.again.low), abs(self.again.high)))


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The share by which a cell may become slower, and the probability of a wrong verdict.

    ``error`` is that of all cells that are judged together.
    """

    max_slowdown: float
    cells: int
    error: float = ERROR

    @property
    def first_look(self) -> int:
        return first_look(self.error / self.cells)

    def judge(self, after: Sequence[float], again: Sequence[float], look: int) -> CellDecision:
        """Judge one cell by the log-ratios of the version after and of the A/A arm.

        There is one log-ratio per process; ``look`` is the number of this look, from 1.
        """
        alpha = spent_at(look, self.error / self.cells)
        decision = CellDecision(
            GateVerdict.UNDECIDED, centre_interval(after, alpha), centre_interval(again, alpha)
        )
        low, high, floor = decision.after.low, decision.after.high, decision.noise_floor
        if low is None or high is None or floor is None:
            few = f"{len(after)} processes are too few to decide"
            return CellDecision(GateVerdict.UNDECIDED, decision.after, decision.again, few)
        allowed = math.log1p(self.max_slowdown)
        if allowed < low and math.log1p(floor) < low:
            return CellDecision(GateVerdict.REGRESSION, decision.after, decision.again)
        if high < allowed and floor < self.max_slowdown:
            return CellDecision(GateVerdict.PASS, decision.after, decision.again)
        if allowed < low or high < allowed:
            reason = (
                f"below the noise floor of {format_share(floor)}: the same code differs as much"
            )
        else:
            reason = f"the interval contains the allowed {format_share(self.max_slowdown)}"
        return CellDecision(GateVerdict.UNDECIDED, decision.after, decision.again, reason)

    def detectable(self, again: Interval) -> float | None:
        """The smallest slowdown that would certainly have been found with this A/A interval.

        The interval of a slowdown is taken to be as wide as the A/A interval, and its estimate
        wrong by up to half that width. So the slowdown must exceed the allowed one, and the A/A
        interval, by a whole width.
        """
        if again.low is None or again.high is None:
            return None
        least = max(math.log1p(self.max_slowdown), abs(again.low), abs(again.high))
        return math.expm1(least + again.high - again.low)
