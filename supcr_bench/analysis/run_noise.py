"""By how much times of the same code differ from one run to another.

The placement of code and memory moves all calls of a process, so the spread between processes does
not show within one. What follows depends on whether both runs have several.

**One process.** Nothing in a run shows how the next will differ. So |log ratio| of the results of
all *other* implementations whose counts did not change has a prediction bound, the k-th smallest
with k = ceil(0.95 (n + 1)), which one more result with the same drift exceeds in at most 5 % of
draws (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", chapter 2). An
implementation's own results are left out: a change that slows all its cases would look like drift.

**Several processes.** A time is the geometric mean of their medians. Where a cell has enough other
implementations with unchanged counts, the median of their moves is the speed of the machine in that
process, and the log-ratio is taken at one speed by analysis of covariance (Fisher, "Statistical
Methods for Research Workers", 4th edition, 1932): how a time follows the speed is fitted within the
runs. Few processes show their spread badly, so each case's variance is moderated by those of all
(Smyth, "Linear models and empirical Bayes methods", Statistical Applications in Genetics and
Molecular Biology 3(1), 2004): variances s2 of d degrees of freedom are taken as drawn from a scaled
inverse chi-squared distribution, whose d0 and s02 follow from mean and variance of log s2; (d0 s02
+ d s2) / (d0 + d) has d0 + d degrees of freedom. Where cases are alike, d0 is large and they share
one spread; otherwise each keeps its own. Unchanged results of the others may differ by more than
processes explain, because a session moves a whole run: this excess variance makes sum(x2 / (v +
excess)) = n (Paule and Mandel, "Consensus values and weighting factors", Journal of Research of the
NBS 87, 1982). All cases of an implementation may have moved together, so the excess has one degree
of freedom for each other implementation, and the sum of both variances has the degrees of freedom
of Satterthwaite (Biometrics Bulletin 2, 1946).

A session may also move all cases of one implementation together.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from supcr_bench.values.grouping import grouped
from supcr_bench.values.result import Key, Result

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FEWEST_UNCHANGED = 19
"""The fewest unchanged results that give a 95 % bound on the drift."""
SESSION_SD, SESSION_WEIGHT = 0.08, 2
"""Prior of the log-ratio by which a session of one process moves an implementation, and its weight
as a number of implementations. Measured: 3 to 10 %."""
MOST_AVERAGED = 5
"""More processes than this do not narrow the prior of a session: a part of it comes from the
session."""
SESSION_ERROR = 0.05
"""Probability that a session moves any implementation by more than its bound."""
FEWEST_BESIDE = 3
"""The fewest other implementations of a cell whose median tells the speed of the machine: one of
them may have changed."""
FEWEST_FREEDOM = 8
"""The fewest degrees of freedom for fitting how a time follows the machine's speed."""
EQUIVALENCE = 0.9
"""Over several processes two times are the same if this interval lies within the margin: two
one-sided tests at 5 % (Schuirmann, "A comparison of the two one-sided tests procedure and the power
approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987)."""
MOST_PRIOR = 1000.0
"""The most degrees of freedom that the prior may have."""


def drift_bound(log_ratios: Sequence[float]) -> tuple[float | None, int]:
    n = len(log_ratios)
    rank = -(-19 * (n + 1) // 20)  # ceil(0.95 (n + 1)), without rounding
    bound = sorted(map(abs, log_ratios))[rank - 1] if n >= FEWEST_UNCHANGED else None
    return bound, n


def session_bound(shifts: Sequence[float], implementations: int, processes: int = 1) -> float:
    """The bound on the log ratio of an implementation in a session, from the shifts of others."""
    from scipy.special import stdtrit  # slow to import

    freedom = SESSION_WEIGHT + len(shifts)
    prior = SESSION_WEIGHT * SESSION_SD**2 / min(processes, MOST_AVERAGED)
    squares = prior + sum(shift**2 for shift in shifts)
    quantile = float(stdtrit(freedom, 1 - SESSION_ERROR / max(implementations, 1)))
    return quantile * math.sqrt(squares / freedom)


@dataclass(frozen=True, slots=True)
class Noise:
    """A log-ratio, and its variances: by processes, and in excess; each with degrees of freedom."""

    variance: float
    freedom: float
    excess: float = 0.0
    excess_freedom: int = 1
    log_ratio: float = 0.0

    def half_width(self, confidence: float) -> float:
        """Half the width of the interval with that confidence."""
        from scipy.special import stdtrit  # slow to import

        whole = self.variance + self.excess
        parts = self.variance**2 / self.freedom + self.excess**2 / self.excess_freedom
        return float(stdtrit(whole**2 / parts, (1 + confidence) / 2)) * math.sqrt(whole)


def process_noise(
    pairs: Mapping[Key, tuple[Result, Result]],
    unchanged: Collection[Key],
    *,
    at_one_speed: bool = True,
) -> dict[Key, Noise]:
    """The log-ratio and noise of results that have several processes in both runs.

    ``unchanged`` are results with unchanged counts; there is no noise for a result with fewer than
    ``FEWEST_UNCHANGED`` of them in other implementations. With ``at_one_speed``, a change that all
    share counts as the machine's speed; with other software it may not.
    """
    noises = _moderated(pairs, unchanged if at_one_speed else ())
    excess = {}
    for name in {name for name, _ in noises}:
        others = [key for key in unchanged if key in noises and key[0] != name]
        if len(others) >= FEWEST_UNCHANGED:
            found = excess_variance([(noises[key].log_ratio, noises[key]) for key in others])
            excess[name] = found, len({other for other, _ in others})
    return {
        key: replace(own, excess=excess[key[0]][0], excess_freedom=excess[key[0]][1])
        for key, own in noises.items()
        if key[0] in excess
    }


def _moderated(
    pairs: Mapping[Key, tuple[Result, Result]], unchanged: Collection[Key]
) -> dict[Key, Noise]:
    several = {k: pair for k, pair in pairs.items() if min(len(r.processes) for r in pair) > 1}
    if len(several) < FEWEST_UNCHANGED:
        return {}
    import numpy as np  # slow to import, as scipy is
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    logs = {k: [np.log(r.process_medians_s) for r in pair] for k, pair in several.items()}
    apart = {k: np.concatenate(sides) - np.concatenate(sides).mean() for k, sides in logs.items()}
    found = {}
    for cell in grouped(several, lambda k: tuple(tuple(r.processes) for r in several[k])).values():
        for key in cell:
            beside = [k for k in cell if k[0] != key[0] and k in unchanged]
            enough = len({name for name, _ in beside}) >= FEWEST_BESIDE
            speed = np.median([apart[k] for k in beside], axis=0) if enough else 0 * apart[key]
            found[key] = _adjusted(logs[key], speed)
    log_ratios, squares, freedom, share = np.array(list(found.values())).T
    raw = np.maximum(squares / freedom, 1e-12)
    centred = np.log(raw) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = np.var(centred, ddof=1) - np.mean(polygamma(1, freedom / 2))
    ends = 0.01, MOST_PRIOR / 2
    beyond = np.clip(beyond, polygamma(1, ends[1]), polygamma(1, ends[0]))
    half = brentq(lambda x: polygamma(1, x) - beyond, *ends)
    shared = np.exp(np.mean(centred) + digamma(half) - np.log(half))
    moderated = (2 * half * shared + freedom * raw) / (2 * half + freedom) * share
    columns = moderated, freedom + 2 * half, log_ratios
    return {
        key: Noise(float(s2), float(own_freedom), log_ratio=float(log_ratio))
        for key, s2, own_freedom, log_ratio in zip(found, *columns, strict=True)
    }


def _adjusted(
    runs: "Sequence[npt.NDArray[np.float64]]", speed: "npt.NDArray[np.float64]"
) -> tuple[float, float, float, float]:
    """The log-ratio of two runs at the same speed of the machine, by analysis of covariance.

    Returns:
        the log-ratio, the sum of squares that is left and its degrees of freedom, and the share of
        a process's variance that the log-ratio has.
    """
    first, second = runs
    sides = [(first, speed[: len(first)]), (second, speed[len(first) :])]
    own, paces = ([values - values.mean() for values in both] for both in zip(*sides, strict=True))
    squares, freedom = sum(float(x @ x) for x in own), len(first) + len(second) - 2.0
    share, log_ratio = 1 / len(first) + 1 / len(second), float(second.mean() - first.mean())
    spread = sum(float(x @ x) for x in paces)
    if spread and freedom >= FEWEST_FREEDOM:
        slope = sum(float(x @ y) for x, y in zip(own, paces, strict=True)) / spread
        moved = float(sides[1][1].mean() - sides[0][1].mean())
        squares, freedom = max(squares - slope**2 * spread, 0.0), freedom - 1
        share, log_ratio = share + moved**2 / spread, log_ratio - slope * moved
    return log_ratio, squares, freedom, share


def excess_variance(unchanged: Sequence[tuple[float, Noise]]) -> float:
    """The variance by which log-ratios of unchanged results differ beyond their noise."""
    from scipy.optimize import brentq  # slow to import

    def left(excess: float) -> float:
        # A square over an estimated variance is freedom / (freedom - 2) on average.
        shares = (
            x**2 / (own.variance + excess) * max(1 - 2 / own.freedom, 0.0) for x, own in unchanged
        )
        return sum(shares) - len(unchanged)

    return float(brentq(left, 0.0, max(x**2 for x, _ in unchanged))) if left(0.0) > 0 else 0.0
