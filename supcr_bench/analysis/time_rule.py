"""Decides whether a cell became slower, did not, or is undecided.

A cell is a regression when the whole interval of its paired ratio lies above what is allowed, and a
pass when the whole interval lies below; else sampling goes on. In each process the version before
is timed a second time, as if it were another: the A/A arm. Its interval shows how far apart the
machine measures identical code. A difference within it is undecided.

The error is of a whole gate run: with that probability at most, any of its cells is called a
regression that is not slower by more than is allowed, or passes although it is. Each cell has an
equal share of it (Bonferroni), and each look at a cell has a share of the cell's. A cell can suffer
only one of the two errors, so each of its bounds has the cell's whole share.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from supcr_bench.analysis.sequential import (
    centre_interval,
    first_look,
    next_look,
    spent_at,
)
from supcr_bench.analysis.statistics import Interval
from supcr_bench.values.gate import GateVerdict
from supcr_bench.values.units import format_share

ERROR = 0.01


@dataclass(frozen=True, slots=True)
class CellDecision:
    """The decision on one cell after some processes.

    Attributes:
        verdict: pass, regression, or undecided so far.
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
    """The allowed slowdown, and the probability of a wrong verdict.

    Attributes:
        max_slowdown: the share by which a cell may become slower.
        cells: judged together.
        error: the error probability of all of them together.
    """

    max_slowdown: float
    cells: int
    error: float = ERROR

    @property
    def first_look(self) -> int:
        return first_look(self.error / self.cells)

    def next_look(self, processes: int) -> int:
        return next_look(processes)

    def judge(self, after: Sequence[float], again: Sequence[float], look: int) -> CellDecision:
        """One cell, by the log-ratios of its processes.

        Args:
            after: log-ratios of the version after, one per process.
            again: log-ratios of the A/A arm, one per process.
            look: the number of this look at the cell, from 1.
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
        """The slow-down that would have been found where the A/A arm's interval is this one.

        With an interval as wide, and an estimate off by up to half of that, a slowdown must exceed
        both the allowed one and the A/A interval by a whole width.
        """
        if again.low is None or again.high is None:
            return None
        least = max(math.log1p(self.max_slowdown), abs(again.low), abs(again.high))
        return math.expm1(least + again.high - again.low)
