"""Decides whether a cell (here an implementation on one case) became slower, or is undecided.

A cell is a regression when the whole interval of its time ratio (after / before) lies above the
allowed slowdown, and a pass when the whole interval lies below; otherwise sampling goes on. Each
process also times the version before against itself (the A/A arm). The interval of that ratio shows
how much the times of identical code differ, and a difference within it is undecided.

The error probability covers a whole gate run: it bounds the probability that any cell is called a
regression without exceeding the allowed slowdown, or passes while exceeding it. Each cell gets an
equal share (Bonferroni), which is divided among the looks (interim evaluations) at the cell. A cell
can suffer only one of the two errors, so each of its two bounds may use the cell's whole share.

Each fresh process gives one log-ratio, the median of its rounds. The interval over processes is
Wilcoxon's: it lies between order statistics of the Walsh averages (x_i + x_j) / 2, and is exact for
independent values with a common centre of symmetry, whatever their distribution and even where
their spreads differ (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", sections
3.1 to 3.3). No process is dropped as an outlier. If both versions are the same code, the values are
symmetric, because exchanging the versions changes nothing.

It corrects for repeated looks: the bounds of look k fail with probability alpha / (k (k + 1)),
which sums to at most alpha over any number of looks (Lan and DeMets, Biometrika 70, 1983, with the
union bound in place of the joint distribution, for which the looks would have to be planned).
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
"""Each look uses this many times the processes of the look before."""


@cache
def _bound_rank(n: int, alpha: float) -> int:
    """The largest k with P(Wilcoxon's signed-rank statistic < k) <= alpha."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    below = np.cumsum(ways) / 2.0**n
    return int(np.searchsorted(below, alpha, side="right"))


def centre_interval(values: Sequence[float], alpha: float) -> Interval:
    """The median of the Walsh averages, with bounds that each fail with probability alpha."""
    n = len(values)
    if not n:
        raise ValueError("the centre of no values")
    array = np.asarray(values, dtype=np.float64)
    one, other = np.triu_indices(n)
    walsh = np.sort((array[one] + array[other]) / 2)
    rank = _bound_rank(n, alpha)
    return Interval(
        estimate=float(np.median(walsh)),
        low=float(walsh[rank - 1]) if rank else None,
        high=float(walsh[-rank]) if rank else None,
        samples=n,
    )


def spent_at(look: int, alpha: float) -> float:
    """The part of alpha that a look may use; looks count from 1."""
    return alpha / (look * (look + 1))


def first_look(alpha: float) -> int:
    """The smallest number of values that can give bounds which fail with that probability."""
    return math.ceil(-math.log2(spent_at(1, alpha)))


def next_look(values: int) -> int:
    return math.ceil(GROWTH * values)


@dataclass(frozen=True, slots=True)
class CellDecision:
    """The decision on a cell so far, by the log-ratios of the version after and of the A/A arm."""

    verdict: GateVerdict
    after: Interval
    again: Interval
    reason: str | None = None

    @property
    def noise_floor(self) -> float | None:
        """The largest distance of the A/A interval from 1, as a share; ``None`` without one."""
        if self.again.low is None or self.again.high is None:
            return None
        return math.expm1(max(abs(self.again.low), abs(self.again.high)))


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The share by which a cell may become slower, and the probability of any wrong verdict."""

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
                f"within the noise floor of {format_share(floor)}: identical code differs as much"
            )
        else:
            reason = (
                f"its interval contains the allowed slowdown, {format_share(self.max_slowdown)}"
            )
        return CellDecision(GateVerdict.UNDECIDED, decision.after, decision.again, reason)

    def detectable(self, again: Interval) -> float | None:
        """The smallest slowdown that would certainly have been detected with this A/A interval.

        It assumes that the interval of a slowdown is as wide as the A/A interval and that its
        estimate is wrong by up to half that width. So the slowdown must exceed the allowed one,
        and the A/A interval, by a whole width.
        """
        if again.low is None or again.high is None:
            return None
        least = max(math.log1p(self.max_slowdown), abs(again.low), abs(again.high))
        return math.expm1(least + again.high - again.low)
