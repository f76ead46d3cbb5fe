"""Decides whether a cell (here an implementation on one case) became slower, or is undecided.

Two ratios (after / before) are judged: of the median call, and of the mean call, which also sees
work that only some calls do. A cell is a regression when the whole interval of one ratio lies above
what is allowed, and a pass when both lie below; otherwise sampling goes on. Each process also times
the version before against itself (the A/A arm), and a difference within the interval of that ratio
is undecided.

The error probability covers a whole gate run: it bounds the probability that any cell is called a
regression without exceeding the allowed slowdown, or passes while exceeding it. Each cell gets an
equal share (Bonferroni), which is divided among the looks (interim evaluations). A cell can suffer
only one of the two errors, so each may use the whole share. Either ratio can make it a regression,
so their lower bounds divide the share. Both must lie below for a pass, which takes an error of the
one that exceeds, so each upper bound may use the whole share (the intersection-union test, Berger,
Technometrics 24, 1982).

Each fresh process gives one log-ratio. The bounds of their median are order statistics: the number
of values below the median is binomial(n, 1/2) whatever their distribution (David and Nagaraja,
"Order Statistics", section 7.1), which need not be symmetric: the placement of memory may make some
processes slower than others. No process is dropped as an outlier.

A median says nothing about a mode that fewer than half of the processes have. So the first look
waits until a mode of ``MODE_SHARE`` of the processes would have shown with the same confidence, and
no verdict is given that a mode already seen could reverse.

The bounds of look k fail with probability alpha / (k (k + 1)), which sums to at most alpha over any
number of looks (Lan and DeMets, Biometrika 70, 1983, with the union bound in place of the joint
distribution, for which the looks would have to be planned). The last look, after which no time is
left, uses all that the looks before it left: alpha / k. This takes the number of looks, which the
time budget sets, to be independent of a cell's own ratios.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Literal

import numpy as np

from supcr_bench.analysis.statistics import Interval, interval_rank, median_interval
from supcr_bench.values.gate import GateVerdict
from supcr_bench.values.units import format_share

ERROR = 0.01
GROWTH = 1.25
"""Each look uses this many times the processes of the look before."""
MODE_SHARE = 0.3
MODE_CONFIDENCE = 0.99
LEAST_GAP = 0.05
"""Processes form a separate mode only if they differ from the others by this log-ratio."""
RATIOS = 2
"""How many ratios of a cell are judged."""
LEAST_MEAN = 0.20
"""The least slowdown that is allowed for the mean call: a busy machine lengthens single calls."""
SIMULATED_RUNS = 2000
FOUND = 0.95
"""The detectable slowdown is found in this share of simulated runs."""


centre_interval = partial(median_interval, independent=True)
"""Of log-ratios of processes, which do not come in runs."""


def spent_at(look: int, alpha: float, *, last: bool = False) -> float:
    """The part of alpha that a look may use; looks count from 1."""
    return alpha / look if last else alpha / (look * (look + 1))


def first_look(alpha: float) -> int:
    """The smallest number of values that can give bounds which fail with that probability."""
    return math.ceil(-math.log2(spent_at(1, alpha)))


def next_look(values: int) -> int:
    return math.ceil(GROWTH * values)


@dataclass(frozen=True, slots=True)
class Mode:
    """Processes that lie apart from the others; ``apart`` is a log-ratio, positive on each side."""

    processes: int
    of: int
    apart: float
    side: Literal["slower", "faster"]

    def largest_mean(self) -> float:
        """How far these processes can move the mean, by the upper bound of their share."""
        from scipy.special import betaincinv  # slow to import

        # Clopper and Pearson's bound.
        share = betaincinv(self.processes + 1, self.of - self.processes, MODE_CONFIDENCE)
        return float(share) * self.apart

    def describe(self) -> str:
        share = abs(math.expm1(self.apart if self.side == "slower" else -self.apart))
        return f"{self.processes} of {self.of} processes {format_share(share)} {self.side}"


def find_mode(values: Sequence[float], side: Literal["slower", "faster"]) -> Mode | None:
    """The slower or faster processes, if a gap sets them apart wider than the others spread."""
    ordered = sorted(values if side == "slower" else (-value for value in values))
    n = len(ordered)
    for k in range(1, n // 2 + 1):
        rest, apart = ordered[: n - k], ordered[n - k :]
        gap = apart[0] - rest[-1]
        if len(rest) > 2 and gap > max(rest[-1] - rest[0], LEAST_GAP):
            return Mode(k, n, median(apart) - median(rest), side)
    return None


@dataclass(frozen=True, slots=True)
class CellDecision:
    """The decision on a cell so far, from log-ratios to the version before.

    ``after`` and ``again`` hold the ratio of the median call, of the version after and of the A/A
    arm; ``mean`` holds the ratio of the mean call of the version after.
    """

    verdict: GateVerdict
    after: Interval
    again: Interval
    reason: str | None = None
    mean: Interval | None = None


def _farthest(interval: Interval) -> float | None:
    """The largest distance of an A/A arm's interval from 0, the log-ratio of identical times."""
    if interval.low is None or interval.high is None:
        return None
    return max(abs(interval.low), abs(interval.high))


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The share by which a cell may become slower, and the probability of any wrong verdict."""

    max_slowdown: float
    cells: int
    error: float = ERROR

    @property
    def first_look(self) -> int:
        alpha = self.error / self.cells
        modes = math.ceil(math.log(alpha) / math.log(1 - MODE_SHARE))
        return max(first_look(alpha / RATIOS), modes)

    @property
    def max_mean_slowdown(self) -> float:
        return max(LEAST_MEAN, 2 * self.max_slowdown)

    def judge(
        self,
        after: Sequence[float],
        again: Sequence[float],
        look: int,
        means: Sequence[float] = (),
        mean_again: Sequence[float] = (),
        *,
        last: bool = False,
    ) -> CellDecision:
        """Judge a cell by the log-ratios of the version after and of the A/A arm, one per process.

        They are of median calls, and of mean calls where ``means`` are given; looks count from 1.
        """
        share = spent_at(look, self.error / self.cells, last=last)
        alphas = share / RATIOS, share
        found = CellDecision(
            GateVerdict.UNDECIDED, centre_interval(after, *alphas), centre_interval(again, share)
        )
        if means:
            found = replace(found, mean=centre_interval(means, *alphas))
        low, high, floor = found.after.low, found.after.high, _farthest(found.again)
        if len(after) < self.first_look or low is None or high is None or floor is None:
            return replace(found, reason=f"{len(after)} processes are too few to decide")
        slow, fast = find_mode(after, "slower"), find_mode(after, "faster")
        same = find_mode(again, "slower")
        if same and slow and same.processes >= slow.processes:
            slow = None  # identical code has it too
        verdict, reason = self._judge_median((low, found.after.estimate, high), floor, slow, fast)
        if found.mean is not None and verdict is not GateVerdict.REGRESSION:
            of_mean, words = self._judge_mean(found.mean, centre_interval(mean_again, share))
            if of_mean is not GateVerdict.PASS:
                typical = format_share(math.expm1(found.after.estimate), signed=True)
                together = f"{words}; the median call by {typical}"
                reason = together if of_mean is GateVerdict.REGRESSION else reason or words
                verdict = of_mean
        modes = [mode.describe() for mode in (slow, fast) if mode]
        told = [mode for mode in modes if mode not in (reason or "")]
        reason = "; ".join(filter(None, (reason, *told))) or None
        return replace(found, verdict=verdict, reason=reason)

    def _judge_median(
        self, ends: tuple[float, float, float], floor: float, slow: Mode | None, fast: Mode | None
    ) -> tuple[GateVerdict, str | None]:
        (low, centre, high), allowed = ends, math.log1p(self.max_slowdown)
        if max(allowed, floor) < low:
            if fast and centre - fast.largest_mean() <= allowed:
                return GateVerdict.UNDECIDED, f"{fast.describe()}: more would show how many"
            return GateVerdict.REGRESSION, None
        if max(high, floor) < allowed:
            if slow and centre + slow.largest_mean() >= allowed:
                return GateVerdict.UNDECIDED, f"{slow.describe()}: more would show how many"
            return GateVerdict.PASS, None
        share = format_share(self.max_slowdown)
        differs = format_share(math.expm1(floor), marks=[self.max_slowdown])
        noise = f"the noise floor of {differs}"
        if allowed < low:
            return GateVerdict.UNDECIDED, f"within {noise}: identical code differs as much"
        if high < allowed:
            return GateVerdict.UNDECIDED, f"{noise} is not below the allowed {share}"
        return GateVerdict.UNDECIDED, f"its interval contains the allowed slowdown, {share}"

    def _judge_mean(self, mean: Interval, again: Interval) -> tuple[GateVerdict, str]:
        allowed, floor = math.log1p(self.max_mean_slowdown), _farthest(again)
        if mean.low is None or mean.high is None or floor is None:
            return GateVerdict.UNDECIDED, "too few processes to judge the mean call"
        if mean.low > max(allowed, floor):
            slower = format_share(math.expm1(mean.low), marks=[self.max_mean_slowdown])
            return GateVerdict.REGRESSION, f"the mean call is slower by at least {slower}"
        if mean.high < allowed:
            return GateVerdict.PASS, ""
        share = format_share(self.max_mean_slowdown)
        return GateVerdict.UNDECIDED, f"the mean call's interval reaches the allowed {share}"

    def more_processes(self, found: CellDecision, processes: int) -> int | None:
        """About how many processes would decide an undecided cell; ``None`` if no number would."""
        low, high, floor = found.after.low, found.after.high, _farthest(found.again)
        if low is None or high is None or floor is None:
            return self.first_look
        allowed, centre = math.log1p(self.max_slowdown), found.after.estimate
        distance = abs(allowed - centre)
        width = high - centre if centre < allowed else centre - low
        wanted = allowed if centre < allowed else centre
        factors = [width / distance if distance else math.inf, floor / wanted, 1.1]
        if (mean := found.mean) and mean.high is not None:
            room = math.log1p(self.max_mean_slowdown) - mean.estimate
            factors.append((mean.high - mean.estimate) / room if room > 0 else math.inf)
        factor = max(factors)
        return max(math.ceil(processes * factor**2), self.first_look) if factor < 4 else None

    def detectable(self, again: Sequence[float], look: int, *, last: bool = False) -> float | None:
        """The slowdown that is found in 95 % of simulated runs with the noise of an A/A arm.

        Each simulated run draws as many processes from those of the arm, with random sign:
        exchanging two copies of the same code changes nothing.
        """
        n, share = len(again), spent_at(look, self.error / self.cells, last=last)
        rank, rank_again = interval_rank(n, share / RATIOS), interval_rank(n, share)
        if not rank or n < self.first_look:
            return None
        rng = np.random.default_rng(0)
        centred = np.asarray(again) - np.median(again)
        shape = (2, SIMULATED_RUNS, n)
        after, arm = np.sort(rng.choice(centred, shape) * rng.choice([-1.0, 1.0], shape), axis=2)
        floors = np.maximum(np.abs(arm[:, rank_again - 1]), np.abs(arm[:, -rank_again]))
        needed = np.maximum(math.log1p(self.max_slowdown), floors) - after[:, rank - 1]
        return math.expm1(float(np.quantile(needed, FOUND)))
