"""By how much times of the same code differ from one run to another.

Where its code and memory lie moves all calls of a process, so a process is one draw. What follows
depends on whether both runs have several.

**One process.** Nothing in a run shows how the next will differ. So |log ratio| of the results of
all *other* implementations whose counts did not change has a prediction bound, the k-th smallest
with k = ceil(0.95 (n + 1)), which one more result with the same drift exceeds in at most 5 % of
draws (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", chapter 2). An
implementation's own results are left out: a change that slows all its cases would look like drift.

**Several processes.** A time is the geometric mean of their medians. Few show their spread badly,
so each case's variance is moderated by those of all (Smyth, "Linear models and empirical
Bayes methods", Statistical Applications in Genetics and Molecular Biology 3(1), 2004): variances s2
of d degrees of freedom are taken as drawn from a scaled inverse chi-squared distribution, whose d0
and s02 follow from mean and variance of log s2; (d0 s02 + d s2) / (d0 + d) has d0 + d degrees of
freedom. Where cases are alike d0 is large and they share one spread; else each keeps its own. What
moves a whole run shows where unchanged results of the others differ by more than processes explain:
their variance in excess makes sum(x2 / (v + excess)) = n (Paule and Mandel, "Consensus values and
weighting factors", Journal of Research of the NBS 87, 1982). As all cases of an implementation may
have moved together, it has a degree of freedom for each other implementation, and the sum of both
variances has those of Satterthwaite (Biometrics Bulletin 2, 1946).

A session may also move all cases of one implementation together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import variance

from supcr_bench.values.result import Key, Result

FEWEST_UNCHANGED = 19
"""The fewest unchanged results that give a 95 % bound on the drift."""
SESSION_SD, SESSION_WEIGHT = 0.08, 2
"""Prior of the log-ratio by which a session of one process moves an implementation, and its weight
as a number of implementations. Measured: 3 to 10 %."""
SESSION_ERROR = 0.05
"""Probability that a session moves any implementation by more than its bound."""
MOST_PRIOR = 1000.0
"""The most degrees of freedom that cases give each other."""


def drift_bound(log_ratios: Sequence[float]) -> tuple[float | None, int]:
    n = len(log_ratios)
    rank = -(-19 * (n + 1) // 20)  # ceil(0.95 (n + 1)), without rounding
    bound = sorted(map(abs, log_ratios))[rank - 1] if n >= FEWEST_UNCHANGED else None
    return bound, n


def session_bound(shifts: Sequence[float], implementations: int, processes: int = 1) -> float:
    """The log ratio that a session seldom exceeds in an implementation, by those of the others."""
    from scipy.special import stdtrit  # slow to import

    freedom = SESSION_WEIGHT + len(shifts)
    squares = SESSION_WEIGHT * SESSION_SD**2 / processes + sum(shift**2 for shift in shifts)
    quantile = float(stdtrit(freedom, 1 - SESSION_ERROR / max(implementations, 1)))
    return quantile * math.sqrt(squares / freedom)


@dataclass(frozen=True, slots=True)
class Noise:
    """Variances of a log-ratio: by processes, and in excess of it; each with degrees of freedom."""

    variance: float
    freedom: float
    excess: float = 0.0
    excess_freedom: int = 1

    def half_width(self, confidence: float) -> float:
        """Half of the interval of that confidence."""
        from scipy.special import stdtrit  # slow to import

        whole = self.variance + self.excess
        parts = self.variance**2 / self.freedom + self.excess**2 / self.excess_freedom
        return float(stdtrit(whole**2 / parts, (1 + confidence) / 2)) * math.sqrt(whole)


def process_noise(
    pairs: Mapping[Key, tuple[Result, Result]], unchanged: Mapping[Key, float]
) -> dict[Key, Noise]:
    """The noise of results that have several processes in both runs.

    ``unchanged`` are log-ratios of results with unchanged counts; there is no noise for a result
    with fewer than ``FEWEST_UNCHANGED`` of them in other implementations.
    """
    noises = _moderated(pairs)
    excess = {}
    for name in {name for name, _ in noises}:
        others = [key for key in unchanged if key in noises and key[0] != name]
        if len(others) >= FEWEST_UNCHANGED:
            found = excess_variance([(unchanged[key], noises[key]) for key in others])
            excess[name] = found, len({other for other, _ in others})
    return {
        key: Noise(own.variance, own.freedom, *excess[key[0]])
        for key, own in noises.items()
        if key[0] in excess
    }


def _moderated(pairs: Mapping[Key, tuple[Result, Result]]) -> dict[Key, Noise]:
    logs = {
        key: [[math.log(x) for x in result.process_medians_s] for result in pair]
        for key, pair in pairs.items()
        if min(len(result.process_medians_s) for result in pair) > 1
    }
    if len(logs) < FEWEST_UNCHANGED:
        return {}
    import numpy as np  # slow to import, as scipy is
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    freedom = np.array([sum(map(len, sides)) - 2 for sides in logs.values()], float)
    squares = [sum(variance(own) * (len(own) - 1) for own in sides) for sides in logs.values()]
    raw = np.maximum(np.array(squares) / freedom, 1e-12)
    centred = np.log(raw) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = np.var(centred, ddof=1) - np.mean(polygamma(1, freedom / 2))
    ends = 0.01, MOST_PRIOR / 2
    beyond = np.clip(beyond, polygamma(1, ends[1]), polygamma(1, ends[0]))
    half = brentq(lambda x: polygamma(1, x) - beyond, *ends)
    shared = np.exp(np.mean(centred) + digamma(half) - np.log(half))
    moderated = (2 * half * shared + freedom * raw) / (2 * half + freedom)
    return {
        key: Noise(float(s2) * sum(1 / len(own) for own in sides), 2 * half + float(d))
        for (key, sides), s2, d in zip(logs.items(), moderated, freedom, strict=True)
    }


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
