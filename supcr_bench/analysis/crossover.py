"""The batch size at which the faster of two implementations changes, with an interval.

The two were timed in the same rounds on the same tensors, so the machine's drift cancels in the
ratio of each round. The log ratio at a size is the median over the rounds or, of several processes,
of the medians of each. Between sizes, a cubic in log N through the four nearest sizes interpolates
it: a weighted sum of four medians, whose standard error follows from theirs. A crossover lies in a
range of sizes at whose ends the ratio is significantly on different sides of 1; that range is its
interval (after Fieller, 1954: the set of sizes at which equality is not rejected). Where the cubic
favours an implementation that neither of the measured sizes around it favours, it decides nothing.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median

import numpy as np
from scipy.interpolate import KroghInterpolator
from scipy.special import stdtrit

from supcr_bench.analysis.counted_growth import Vector
from supcr_bench.analysis.growth import series_of
from supcr_bench.analysis.statistics import CONFIDENCE
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status, grouped

NEIGHBOURS = 4
STEPS = 40
"""The number of interpolated sizes between two measured ones."""
_MAD_OF_NORMAL = 1.4826
_MEDIAN_VARIANCE = math.pi / 2
"""Variance of the median of n normal samples, times n + 1, divided by the samples' variance."""
_MAD_EFFICIENCY = 0.5
"""Share of the degrees of freedom that a median absolute deviation keeps, found by simulation."""


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where the faster of two implementations changes, if it does, with a 95 % interval."""

    one: str
    other: str
    case: Case
    sizes: tuple[int, ...]
    small: str | None
    large: str | None
    size: float | None = None
    low: float | None = None
    high: float | None = None


@lru_cache(maxsize=256)
def _segments(sizes: tuple[float, ...]) -> list[tuple[slice, Vector, Vector]]:
    """For neighbouring sizes: those the cubic takes, log N between [steps], and its weights."""
    x, found = np.log(sizes), []
    width = min(NEIGHBOURS, len(x))
    for left in range(len(x) - 1):
        first = max(0, min(left + 1 - width // 2, len(x) - width))
        near, last = slice(first, first + width), left == len(x) - 2
        at = np.linspace(x[left], x[left + 1], STEPS + last, endpoint=last)
        found.append((near, at, KroghInterpolator(x[near], np.eye(width))(at)))
    return found


def _band(sizes: Sequence[float], rounds: Sequence[Sequence[float]]) -> Vector:
    """The interpolated log ratio; [3, steps]: log N, log ratio, half the width of its interval."""
    medians = np.array([median(logs) for logs in rounds])
    counts = np.array([len(logs) for logs in rounds])
    # With few samples the median follows them, so deviations from it are too small.
    deviations = [
        np.abs(np.array(logs) - middle) * math.sqrt(len(logs) / max(len(logs) - 1, 1))
        for logs, middle in zip(rounds, medians, strict=True)
    ]
    parts = []
    for near, at, weights in _segments(tuple(sizes)):
        spread = _MAD_OF_NORMAL * median(np.concatenate(deviations[near]).tolist())
        freedom = max(_MAD_EFFICIENCY * float((counts[near] - 1).sum()), 1.0)
        variance = (weights**2 / (counts[near] + 1)).sum(axis=1) * _MEDIAN_VARIANCE * spread**2
        half = stdtrit(freedom, 0.5 + CONFIDENCE / 2) * np.sqrt(variance)
        parts.append(np.stack([at, weights @ medians[near], half]))
    return np.concatenate(parts, axis=1)


def crossings(
    sizes: Sequence[float], rounds: Sequence[Sequence[float]]
) -> tuple[list[tuple[int, float, float, float]], tuple[int, int]]:
    """Where the ratio of two times crosses 1; ``rounds`` has its logarithms by size.

    For each crossing: the sign of the log ratio after it, the size, and the size's 95 % interval;
    and the sign at the smallest and at the largest size, 0 if undecided there.
    """
    at, middle, half = _band(sizes, rounds)
    side, segment = np.sign(middle).astype(int), np.arange(len(at)) // STEPS
    nodes = side[::STEPS]
    seen = (side == nodes[segment]) | (side == nodes[np.minimum(segment + 1, len(nodes) - 1)])
    decided = np.abs(middle) > half
    found = []
    for start, end in itertools.pairwise(np.flatnonzero(decided & seen)):
        if side[start] != side[end]:
            zero = start + int(np.abs(middle[start : end + 1]).argmin())
            size, low, high = (float(np.exp(at[i])) for i in (zero, start, end))
            found.append((int(side[end]), size, low, high))
    first, last = (int(side[i]) if decided[i] else 0 for i in (0, -1))
    return found, (first, last)


def crossovers(results: Sequence[Result]) -> list[Crossover]:
    """Crossovers of all pairs of one definition that were timed in the same rounds, by series."""
    timed = [r for r in results if r.time_samples_s and r.session and r.status is Status.MEASURED]

    def place(own: Sequence[Result]) -> tuple[object, ...]:
        case = own[0].case
        return case.pass_, case.definition, case.series()

    groups = grouped(series_of(timed), place).values()
    pairs = (pair for group in groups for pair in itertools.combinations(group, 2))
    return [row for one, other in pairs for row in _between(one, other)]


def _log_ratios(one: Result, other: Result) -> list[float]:
    """Logarithms of the ratio of times by round; of several processes, the median of each."""
    theirs = other.processes
    rounds = (zip(own, theirs.get(s, ()), strict=False) for s, own in one.processes.items())
    logs = [[math.log(a / b) for a, b in pairs if a > 0 and b > 0] for pairs in rounds]
    medians = [median(own) for own in logs if own]
    return medians if len(medians) > 1 else list(itertools.chain(*logs))


def _between(one: Sequence[Result], other: Sequence[Result]) -> list[Crossover]:
    others = {r.case.batch_size: r for r in other}
    met = [
        (r.case, logs)
        for r in one
        if (partner := others.get(r.case.batch_size)) and (logs := _log_ratios(r, partner))
    ]
    if len(met) < 2:
        return []
    sizes = tuple(case.batch_size for case, _ in met)
    found, (first, last) = crossings(sizes, [logs for _, logs in met])
    own, theirs = one[0].implementation, other[0].implementation
    names = {-1: own, 1: theirs, 0: None}
    none = Crossover(own, theirs, met[-1][0], sizes, small=names[first], large=names[last])
    return [
        replace(none, small=names[-sign], large=names[sign], size=size, low=low, high=high)
        for sign, size, low, high in found
    ] or [none]
