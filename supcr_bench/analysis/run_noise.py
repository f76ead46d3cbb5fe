"""By how much times of the same code differ from one run to another.

The placement of code and memory shifts the times of all calls of a process, so the spread between
processes does not show within one. A session may also shift the times of all cases of one
implementation together. What follows depends on whether both runs have several processes.

**One process.** |log ratio| of the results of all *other* implementations whose counts did not
change has a prediction bound, the k-th smallest with k = ceil(0.95 (n + 1)), which one more result
with the same drift exceeds in at most 5 % of draws (Vovk, Gammerman and Shafer, "Algorithmic
Learning in a Random World", chapter 2). An implementation's own results are left out: a change that
slows all its cases would look like drift.

**Several processes.** A time is the geometric mean of their medians. Where a cell has enough other
implementations with unchanged counts, the median of their moves is the speed of the machine in that
process, and the log-ratio is taken at one speed by analysis of covariance (Fisher, "Statistical
Methods for Research Workers", 4th edition, 1932): how a time follows the speed is fitted within the
runs. The harness's own work before each call counts as one more implementation. Times follow a
median speed by a slope of 1 in the middle, and noise in the speed makes fitted slopes smaller; so
they are divided by their median (Fuller, "Measurement Error Models", 1987, section 1.1), and drawn
to 1 as far as their errors explain how they differ.

Few processes show their spread badly, so each case's variance is moderated by those of all (Smyth,
"Linear models and empirical Bayes methods", Statistical Applications in Genetics and Molecular
Biology 3(1), 2004): variances s2 of d degrees of freedom are drawn from a scaled inverse
chi-squared distribution, whose d0 and s02 follow from mean and variance of log s2, and (d0 s02 + d
s2) / (d0 + d) has d0 + d degrees of freedom. Unchanged results of the others may differ by more
than processes explain, because a session moves a whole run: this excess variance makes sum(x2 / (v
+ excess)) = n (Paule and Mandel, "Consensus values and weighting factors", Journal of Research of
the NBS 87, 1982). It has one degree of freedom for each other implementation, whose cases may all
have moved together, and the sum of both variances has those of Satterthwaite (Biometrics Bulletin
2, 1946).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import harmonic_mean, median

import numpy as np
import numpy.typing as npt

from supcr_bench.values.result import Key, Result, grouped

Vector = npt.NDArray[np.float64]
FEWEST_UNCHANGED = 19
"""The fewest unchanged results that give a 95 % bound on the drift."""
SESSION_SD, SESSION_WEIGHT = 0.08, 2
"""Prior of the log-ratio by which a session of one process moves an implementation, and its weight
as a number of implementations. Measured: 3 to 10 %."""
MOST_AVERAGED = 5
"""More processes than this do not narrow the prior of a session: some of it is the session."""
SESSION_ERROR = 0.05
"""Probability that a session moves any implementation by more than its bound."""
FEWEST_BESIDE = 3
"""The fewest other implementations of a cell, with the harness's own work, whose median tells the
speed of the machine: one of them may have changed."""
LEAST_RELIABLE = 0.5
"""Slopes are divided by no less."""
FEWEST_FREEDOM = 8
"""The fewest degrees of freedom for fitting how a time follows the machine's speed."""
EQUIVALENCE = 0.9
"""Over several processes two times are the same if this interval lies within the margin: two
one-sided tests at 5 % (Schuirmann, "A comparison of the two one-sided tests procedure and the power
approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987)."""
WITHIN_MARGIN = 1.645 + 1.282
"""In standard errors, the margin within which 80 % of unchanged times are called the same."""
MOST_PRIOR = 1000.0
"""The most degrees of freedom that the prior may have."""


def drift_bound(log_ratios: Sequence[float]) -> tuple[float | None, int]:
    n = len(log_ratios)
    rank = -(-19 * (n + 1) // 20)  # ceil(0.95 (n + 1)), without rounding
    bound = sorted(map(abs, log_ratios))[rank - 1] if n >= FEWEST_UNCHANGED else None
    return bound, n


def session_bound(shifts: Sequence[float], implementations: int, processes: int) -> float:
    """The bound on the log ratio of an implementation in a session, from the shifts of others."""
    from scipy.special import stdtrit  # slow to import

    freedom = SESSION_WEIGHT + len(shifts)
    prior = SESSION_WEIGHT * SESSION_SD**2 / min(processes, MOST_AVERAGED)
    squares = prior + sum(shift**2 for shift in shifts)
    quantile = float(stdtrit(freedom, 1 - SESSION_ERROR / implementations))
    return quantile * math.sqrt(squares / freedom)


@dataclass(frozen=True, slots=True)
class Noise:
    """A log-ratio and its variances, between processes and in excess, with degrees of freedom.

    With ``enough`` processes, most unchanged times of such runs would be called the same; ``None``
    if too much of the variance would stay.
    """

    variance: float
    freedom: float
    excess: float = 0.0
    excess_freedom: int = 1
    log_ratio: float = 0.0
    enough: int | None = None

    def half_width(self, confidence: float) -> float:
        from scipy.special import stdtrit  # slow to import

        whole = self.variance + self.excess
        parts = self.variance**2 / self.freedom + self.excess**2 / self.excess_freedom
        return float(stdtrit(whole**2 / parts, (1 + confidence) / 2)) * math.sqrt(whole)


def process_noise(
    pairs: Mapping[Key, tuple[Result, Result]],
    unchanged: Collection[Key],
    margin: float,
    *,
    at_one_speed: bool = True,
) -> dict[Key, Noise]:
    """The log-ratio and noise of results that have several processes in both runs.

    ``unchanged`` are results with unchanged counts; there is no noise for a result with fewer than
    ``FEWEST_UNCHANGED`` of them in other implementations. With ``at_one_speed``, a change that all
    share counts as the machine's speed; with other software it may not.
    """
    noises = _moderated(pairs, unchanged if at_one_speed else ())
    judged: dict[Key, Noise] = {}
    for name, cells in grouped(noises, lambda key: key[0]).items():
        others = {key: noises[key] for key in unchanged if key in noises and key[0] != name}
        if len(others) >= FEWEST_UNCHANGED:
            excess = excess_variance([*others.values()])
            freedom = len({other for other, _ in others})
            for key in cells:
                judged[key] = replace(noises[key], excess=excess, excess_freedom=freedom)
    enough = _enough_processes(judged, pairs, margin) if judged else None
    return {key: replace(own, enough=enough) for key, own in judged.items()}


def _moderated(
    pairs: Mapping[Key, tuple[Result, Result]], unchanged: Collection[Key]
) -> dict[Key, Noise]:
    several = {k: pair for k, pair in pairs.items() if min(len(r.processes) for r in pair) > 1}
    if len(several) < FEWEST_UNCHANGED:
        return {}
    from scipy.optimize import brentq  # slow to import
    from scipy.special import digamma, polygamma

    logs = {k: [np.log(r.process_medians_s) for r in pair] for k, pair in several.items()}
    apart = {k: np.concatenate(sides) - np.concatenate(sides).mean() for k, sides in logs.items()}
    sums = {}
    for cell in grouped(several, lambda k: tuple(tuple(r.processes) for r in several[k])).values():
        known = [x for r in several[cell[0]] for x in r.process_other_work_s if x]
        is_shown = len(known) == len(apart[cell[0]])
        passes = len({case.pass_ for _, case in cell})
        own_work = [np.log(known) - np.log(known).mean()] * passes if is_shown else []
        for key in cell:
            beside = [k for k in cell if k[0] != key[0] and k in unchanged]
            enough = len({name for name, _ in beside}) + is_shown >= FEWEST_BESIDE
            shown = [apart[k] for k in beside] + own_work
            speed = np.median(shown, axis=0) if enough else 0 * apart[key]
            sums[key] = _sums(logs[key], speed)
    log_ratios, squares, freedom, share = _at_one_speed(np.array(list(sums.values())))
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
        for key, s2, own_freedom, log_ratio in zip(sums, *columns, strict=True)
    }


def _sums(runs: Sequence[Vector], speed: Vector) -> tuple[float, ...]:
    """By how much times and speed moved from run to run, and their squares and products within."""
    sides = [np.array(s) for s in zip(runs, np.split(speed, [len(runs[0])]), strict=True)]
    sizes = [len(own) for own in runs]
    moved = sides[1].mean(axis=1) - sides[0].mean(axis=1)
    apart = [s - s.mean(axis=1, keepdims=True) for s in sides]
    (times, both), (_, speeds) = sum(s @ s.T for s in apart)
    return *moved, times, both, speeds, sum(sizes) - 2, sum(1 / n for n in sizes)


def _at_one_speed(sums: Vector) -> tuple[Vector, ...]:
    """The log-ratios of cases at the same speed of the machine.

    Also the sums of squares that are left and their degrees of freedom, and the share of a
    process's variance that each log-ratio has.
    """
    moved, paced, squares, products, paces, freedom, share = sums.T
    known = (paces > 0) & (freedom >= FEWEST_FREEDOM)
    if not known.any():
        return moved, squares, freedom, share
    paces = np.where(known, paces, 1.0)
    fitted = products / paces
    errors = np.maximum(squares - fitted * products, 1e-12) / (freedom - 1) / paces
    middle = np.median(fitted[known])
    reliable = np.clip(middle, LEAST_RELIABLE, 1.0)
    differ = max(np.mean(((fitted - middle) ** 2 - errors)[known]), 0.0)
    weight = known * differ / (differ + errors)
    slopes = known + weight * (fitted - middle) / reliable
    return (
        moved - slopes * paced,
        squares - 2 * slopes * products + slopes**2 * paces,
        freedom - weight,
        share + weight * (paced / reliable) ** 2 / paces,
    )


def _enough_processes(
    noises: Mapping[Key, Noise], pairs: Mapping[Key, tuple[Result, Result]], margin: float
) -> int | None:
    """To the next ten; ``None`` if the excess would be more than half of the variance."""
    processes = harmonic_mean(len(r.processes) for key in noises for r in pairs[key])
    variance = median(own.variance for own in noises.values())
    excess = median(own.excess for own in noises.values())
    allowed = (math.log1p(margin) / WITHIN_MARGIN) ** 2
    if 2 * excess > allowed:
        return None
    return 10 * math.ceil(processes * variance / (allowed - excess) / 10)


def excess_variance(unchanged: Sequence[Noise]) -> float:
    """The variance by which log-ratios of unchanged results differ beyond their noise."""
    from scipy.optimize import brentq  # slow to import

    def left(excess: float) -> float:
        # A square over an estimated variance is freedom / (freedom - 2) on average.
        shares = (
            own.log_ratio**2 / (own.variance + excess) * max(1 - 2 / own.freedom, 0.0)
            for own in unchanged
        )
        return sum(shares) - len(unchanged)

    most = max(own.log_ratio**2 for own in unchanged)
    return float(brentq(left, 0.0, most)) if left(0.0) > 0 else 0.0
