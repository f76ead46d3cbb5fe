"""Fits sums of growth laws to counts again, and finds the largest batches that they lead to."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq, nnls

from supcr_bench.values.case import ITEM_BYTES
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result

Points = Sequence[tuple[Result, float]]
Counts = tuple[tuple[tuple[float, float], ...], tuple[float, ...]]
"""The labelled rows and all rows of each size, and the counts."""
EXACTLY = 6.5e-5
"""A sum of few laws that misses by this is as good as one of all laws that misses by rounding."""


def rising_by(own: Sequence[Result], figure: Callable[[Result], float | None]) -> Points:
    """The figures at sizes with more labelled rows than any before, and at least two."""
    kept: list[tuple[Result, float]] = []
    for r in own:
        more = r.case.labelled_rows > (kept[-1][0].case.labelled_rows if kept else 1)
        if more and (value := figure(r)):
            kept.append((r, float(value)))
    return kept


def plain(points: Points) -> Counts:
    sizes = tuple((float(r.case.labelled_rows), float(r.case.batch_size)) for r, _ in points)
    return sizes, tuple(count for _, count in points)


def terms_of(points: Points, law: str) -> np.ndarray:
    """The terms of all laws up to one, each divided by the count; [sizes, terms]."""
    sizes, counts = plain(points)
    found: np.ndarray = terms_at(sizes, law) / np.array(counts)[:, None]
    return found


@cache
def terms_at(
    sizes: tuple[tuple[float, float], ...], law: str, apart: bool | None = None
) -> np.ndarray:
    """The terms of all laws up to one; over all rows too if they are ``apart`` from labelled."""
    names = list(LAWS)[: list(LAWS).index(law) + 1]
    apart = any(m != n for m, n in sizes) if apart is None else apart
    rows = []
    for m, n in sizes:
        row = []
        for name in names:
            f = LAWS[name].of
            row += [f(m)] if name == "constant" else [f(m), f(m) * (1 - 1 / m)]
            row += [f(n)] if apart and name != "constant" else []
        rows.append(row)
    return np.array(rows)


def fitted(points: Points, law: str) -> float:
    """By how much the best sum of laws up to one misses the counts."""
    return best_sum(*plain(points), law)[0]


@cache
def best_sum(
    sizes: tuple[tuple[float, float], ...], counts: tuple[float, ...], law: str
) -> tuple[float, np.ndarray]:
    """By how much the best sum misses, and its weights."""
    terms = terms_at(sizes, law) / np.array(counts)[:, None]
    scale = terms.max(axis=0)
    weights, _ = nnls(terms / scale, np.ones(len(sizes)), maxiter=100 * terms.shape[1])
    return float(np.abs(terms / scale @ weights - 1).max()), weights / scale


def spans(points: Points, fewest: int = 5) -> Iterator[Points]:
    yield from (points[first:] for first in range(len(points) - fewest + 1))


def slower_than(law: str) -> str | None:
    at = list(LAWS).index(law)
    return list(LAWS)[at - 1] if at else None


# --- The largest batches that fit a memory ---

REACH = {5: (0.005, 0.01), 6: (0.005, 0.02), 7: (0.002, 0.015), 8: (0.001, 0.002)}
"""By the number of fitted sizes, or 8 for more: the powers of the ratio of sizes by which peaks of
programs lie below and above such a sum, as found on random programs."""


@dataclass(frozen=True)
class LargestBatch:
    """The batch for a capacity by one sum of laws, the ends of its interval, and if it is sure."""

    size: float
    low: float
    high: float
    sure: bool

    @property
    def reach(self) -> float:
        return (int(self.high) - int(self.low)) / 2 / max(int(self.size), 1)


def largest_batches(points: Points, capacity_bytes: int) -> list[LargestBatch]:
    """By each sum that the peaks allow: exact, and mostly of its fastest law.

    Those that miss a limit by little are not sure, nor is the sum of one law more.
    """
    for own in spans(points):
        best = max(fitted(own, "N^4"), 2e-5)
        if best > 2.5e-5:
            continue
        found, determined = [], False
        close = [law for law in LAWS if fitted(own, law) <= 3.3 * best][:2]
        for law in close:
            error, weights = best_sum(*plain(own), law)
            parts = weights * terms_of(own, law)[-1]
            slower = slower_than(law)
            of_slower = terms_of(own, slower).shape[1] if slower else 0
            share = float(parts[of_slower:].sum() / parts.sum())
            if sum(parts > 3e-5) + 2 > len(own) and share < (0.4 if len(own) > 5 else 0.8):
                continue  # so many terms could meet the peaks by accident
            determined = True
            if law != "constant" and error <= 2.5e-5 and share >= 0.38:
                sure = law == close[0] and error <= 1.5e-5 and share >= 0.42
                found.append(_batch(own, law, capacity_bytes, sure=sure))
        if determined:
            return found
    return []


def _batch(own: Points, law: str, capacity_bytes: int, *, sure: bool) -> LargestBatch:
    sizes, peaks = plain(own)
    error, weights = best_sum(sizes, peaks, law)
    apart = any(m != n for m, n in sizes)
    (before, _), (labelled, rows) = sizes[-2:]
    case, off = own[-1][0].case, 1 + 2 * error + 2e-5
    inputs = ITEM_BYTES[case.dtype] * (2 * case.embedding_size + case.dims) / case.ranks
    slope = np.log(peaks[-1] / peaks[-2]) / np.log(labelled / before)
    below, above = REACH[min(len(own), 8)]

    def peak(n: float, end: int) -> float:
        """The peak at a size as the sum gives it, or the lower (-1) or higher (1) end of it."""
        told = float(terms_at(((labelled / rows * n, n),), law, apart)[0] @ weights)
        ratio = n / rows
        if end == 0:
            return told
        if ratio <= 1:
            return told * off**end
        if end < 0:
            return float(min(told, max(told * ratio**-below, peaks[-1] * ratio**slope)) / off)
        steepest = max(LAWS[law].degree, 2)
        return float(max(told, min(told * ratio**above, peaks[-1] * ratio**steepest)) * off)

    def largest(end: int) -> float:
        def over(log_n: float) -> float:
            """By which factor it is over the capacity; of logarithms, it is all but a line."""
            n = math.exp(log_n)
            return math.log((peak(n, end) + n * inputs) / capacity_bytes)

        if over(math.log(2.0)) > 0:
            return 0.0
        return math.exp(brentq(over, math.log(2.0), math.log(capacity_bytes / inputs)))

    return LargestBatch(largest(0), largest(1), largest(-1), sure)
