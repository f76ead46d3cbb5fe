"""Growth of counted figures (operations, elements, bytes), which have no noise.

The model of a count is a sum of growth laws with coefficients that are not negative, which a linear
program finds.

The law of a count is the slowest that, together with slower laws, fits as well as all laws do. It
is named if two conditions hold: slower laws alone fit ten times worse, and faster laws can have
only a negligible share of the count at the largest size. Otherwise the law is undecided.

The count at another size lies between the smallest and the largest value there of all sums of laws
that fit the counts.

A loop over pairs i != j costs N(N - 1), so the terms of a law are f(N) and f(N)(1 - 1/N). Code
often takes other paths at small sizes, so if no sum fits every count to a thousandth, the smallest
sizes are left out, as long as five remain. With few sizes, a count that is not a sum of these laws,
such as N^2.1, can look like one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from supcr_bench.values.growth_law import CONSTANT, LAWS, GrowthLaw, GrowthVerdict, what_would_tell

TOLERANCE = 1e-3
"""A sum of laws fits if it misses no count by more than this fraction."""
EXACT = 2e-5
"""Relative errors up to this are rounding: the count of a sort is n log2 n, rounded."""
AS_GOOD = 3
"""A sum of fewer laws is as good if its error is at most this many times the error of all laws."""
REFUTED = 10
"""A law is refuted if every sum of it and slower laws has an error this many times larger."""
NEGLIGIBLE_SHARE = 0.05
"""Faster laws with at most this share of the count at the largest size are ignored."""
FEWEST_SIZES = 5
"""The fewest sizes to fit: fewer counts would fit too many sums of laws."""
MOST_DOUBLINGS = 10
"""A size that would decide between two laws is sought up to this many times the largest size."""

Vector = npt.NDArray[np.float64]
_ORDERED = tuple(LAWS.values())


@dataclass(frozen=True, slots=True)
class Size:
    """A batch size: the number of rows N, and the number of rows with a label.

    The number of missing labels is rounded, so the work for all rows and the work for labelled
    rows do not grow in exact proportion.
    """

    rows: float
    labelled: float

    def at(self, rows: float) -> "Size":
        """Another size with this share of labelled rows, without rounding."""
        return Size(rows, self.labelled / self.rows * rows)


@lru_cache(maxsize=8192)
def _terms(laws: tuple[GrowthLaw, ...], size: Size, apart: bool) -> tuple[float, ...]:
    """The terms of each law over labelled rows, and over all rows if their number differs."""
    terms = []
    for law in laws:
        terms.append(law.of(size.labelled))
        if law is not CONSTANT:
            terms.append(law.of(size.labelled) * (1 - 1 / size.labelled))
            if apart:
                terms.append(law.of(size.rows))
    return tuple(terms)


@dataclass(frozen=True, slots=True)
class CountedFit:
    """A sum of growth laws fitted to counts at rising sizes, and its largest relative error."""

    sizes: tuple[Size, ...]
    figures: tuple[float, ...]
    laws: tuple[GrowthLaw, ...]
    coefficients: tuple[float, ...]
    misfit: float

    def predict(self, size: Size) -> float:
        return self.figures[-1] * float(self._relative([size])[0] @ np.array(self.coefficients))

    def bounds(self, size: Size) -> tuple[float, float]:
        """The smallest and the largest count at a size, over all sums of these laws that fit.

        A sum fits if it misses no count by more than twice this fit's misfit plus a tenth of the
        tolerance.
        """
        low, high = self._range(self._relative([size])[0])
        return self.figures[-1] * low, self.figures[-1] * high

    def share_of_faster(self) -> float:
        """The largest share that faster laws can have at the largest size."""
        own, matrix = len(self.coefficients), replace(self, laws=_ORDERED).matrix()
        faster = np.concatenate([np.zeros(own), np.ones(matrix.shape[1] - own)])
        found = _minimise(-faster, *_within(matrix, 2 * self.misfit + EXACT))
        return 0.0 if found is None else float(faster @ found)

    def exponent(self) -> tuple[float, float, float]:
        """The local power of N at the largest size, and its least and greatest of sums that fit."""
        last, step = self.sizes[-1], 1e-4
        beside = [last.at(last.rows * by) for by in (1 - step, 1.0, 1 + step)]
        below, at, above = self._relative(beside)
        slopes, own = (above - below) / (2 * step), np.array(self.coefficients)
        return float(slopes @ own / (at @ own)), *self._range(slopes)

    def matrix(self) -> Vector:
        """Each term divided by each count; [sizes, terms]."""
        relative: Vector = self.figures[-1] / np.array(self.figures)[:, None]
        return self._relative(self.sizes) * relative

    def _relative(self, sizes: Sequence[Size]) -> Vector:
        """The terms at these sizes, each divided by its value at the largest; [sizes, terms]."""
        apart = any(size.rows != size.labelled for size in self.sizes)
        at = [_terms(self.laws, size, apart) for size in (*sizes, self.sizes[-1])]
        terms: Vector = np.array(at[:-1]) / np.array(at[-1])
        return terms

    def _range(self, weights: Vector) -> tuple[float, float]:
        """The smallest and the largest weighted sum of coefficients that fit the counts."""
        near = _within(self.matrix(), 2 * self.misfit + TOLERANCE / 10)
        ends = [_minimise(weights, *near), _minimise(-weights, *near), self.coefficients]
        sums = [float(weights @ np.array(end)) for end in ends if end is not None]
        return min(sums), max(sums)


def _within(matrix: Vector, slack: float) -> tuple[Vector, Vector]:
    """Constraints: a sum may differ from its count, scaled to 1, by at most ``slack``."""
    return np.vstack([matrix, -matrix]), np.repeat([1 + slack, slack - 1], len(matrix))


def _minimise(objective: Vector, matrix: Vector, at_most: Vector) -> Vector | None:
    """The x >= 0 with the smallest objective under matrix x <= at_most."""
    scale = np.abs(matrix).max(axis=0)
    largest = float(np.abs(objective / scale).max()) or 1.0
    found = linprog(objective / scale / largest, matrix / scale, at_most).x
    return None if found is None else found / scale


def fit_sum(sizes: Sequence[Size], figures: Sequence[float], laws: int) -> CountedFit:
    """Fit a sum of growth laws, the slowest ``laws`` of all, with the smallest maximal error."""
    empty = CountedFit(tuple(sizes), tuple(figures), _ORDERED[:laws], (), math.inf)
    matrix = empty.matrix()
    ones = np.ones((len(sizes), 1))
    # Chebyshev: the smallest t with |sum - 1| <= t at every size.
    found = _minimise(
        np.array([0.0] * matrix.shape[1] + [1.0]),
        np.block([[matrix, -ones], [-matrix, -ones]]),
        np.repeat([1.0, -1.0], len(sizes)),
    )
    if found is None:
        return empty
    *coefficients, misfit = found
    return replace(empty, coefficients=tuple(coefficients), misfit=max(float(misfit), 0.0))


def _slowest(sizes: Sequence[Size], figures: Sequence[float]) -> CountedFit | None:
    """The fit with the fewest laws that is as good as the fit with all laws; by bisection."""
    few, many = 1, len(_ORDERED)
    best = fit_sum(sizes, figures, many)
    if best.misfit > TOLERANCE:
        return None
    enough = AS_GOOD * max(best.misfit, EXACT)
    while few < many:
        middle = (few + many) // 2
        tried = fit_sum(sizes, figures, middle)
        if tried.misfit <= enough:
            best, many = tried, middle
        else:
            few = middle + 1
    return best


@lru_cache(maxsize=4096)
def fit_counted(sizes: tuple[Size, ...], figures: tuple[float, ...]) -> CountedFit | None:
    """The fit by the fewest laws to the most sizes, at least five; ``None`` if none is close."""
    for first in range(len(sizes) - FEWEST_SIZES + 1):
        fit = _slowest(sizes[first:], figures[first:])
        if fit is not None:
            return fit
    return None


@lru_cache(maxsize=4096)
def judge_counted(sizes: tuple[Size, ...], figures: tuple[float, ...]) -> GrowthVerdict:
    """The law that counted figures follow; cached, as many workloads have equal counts."""
    if len(sizes) < FEWEST_SIZES:
        return GrowthVerdict(
            law=None,
            evidence=f"counted at {len(sizes)} sizes; it takes {FEWEST_SIZES} to tell laws apart",
        )
    fit = fit_counted(sizes, figures)
    if fit is None:
        return GrowthVerdict(
            law=None, evidence=f"no sum of growth laws comes within {TOLERANCE:.1%} of the counts"
        )
    own, low, high = fit.exponent()
    known = GrowthVerdict(
        law=None,
        evidence="",
        exponent=own,
        exponent_low=low,
        exponent_high=high,
        curve=lambda n: fit.predict(fit.sizes[-1].at(n)),
        band=lambda n: fit.bounds(fit.sizes[-1].at(n)),
    )
    law, count = fit.laws[-1].name, len(fit.laws)
    since = f"from N={fit.sizes[0].rows:.0f} on" if fit.sizes[0] != sizes[0] else "at every size"
    slower = fit_sum(fit.sizes, fit.figures, count - 1) if count > 1 else None
    if slower is not None and not _refuted(slower, fit):
        rival = slower.laws[-1].name
        return _open(
            known, fit, (rival, law), f"{rival} misses the counts by only {_share(slower.misfit)}"
        )
    share = fit.share_of_faster() if count < len(_ORDERED) else 0.0
    if share > NEGLIGIBLE_SHARE:
        rival = _ORDERED[count].name
        said = f"a share of {rival} up to {share:.0%} at N={fit.sizes[-1].rows:.0f} would not show"
        return _open(known, fit, (law, rival), said)
    meets = "exactly" if fit.misfit < EXACT else f"to {_share(fit.misfit)}"
    evidence = f"meets the counts {meets} {since}"
    if slower is not None:
        evidence += f"; {slower.laws[-1].name} misses by {_share(slower.misfit)}"
    return replace(known, law=law, evidence=evidence, candidates=(law,))


def _open(
    known: GrowthVerdict, fit: CountedFit, candidates: tuple[str, str], said: str
) -> GrowthVerdict:
    """The verdict that two laws are possible, with the batch size that would decide."""
    needed = _deciding_size(fit)
    return replace(
        known,
        evidence=f"{' or '.join(candidates)}: {said}; {what_would_tell(needed)}",
        candidates=candidates,
        needs_size=needed,
    )


def _refuted(slower: CountedFit, fit: CountedFit) -> bool:
    return slower.misfit > REFUTED * max(fit.misfit, EXACT)


def _deciding_size(fit: CountedFit) -> int | None:
    sizes, figures = list(fit.sizes), list(fit.figures)
    for _ in range(2 * MOST_DOUBLINGS):
        sizes.append(sizes[-1].at(math.ceil(sizes[-1].rows * math.sqrt(2))))
        figures.append(fit.predict(sizes[-1]))
        longer = replace(fit, sizes=tuple(sizes), figures=tuple(figures))
        told = len(fit.laws) == 1 or _refuted(fit_sum(sizes, figures, len(fit.laws) - 1), fit)
        if told and longer.share_of_faster() <= NEGLIGIBLE_SHARE:
            return round(sizes[-1].rows)
    return None


def _share(fraction: float) -> str:
    digits = 0 if fraction >= 0.095 else 1 if fraction >= 0.0095 else 2 if fraction >= 9.5e-4 else 3
    return f"{fraction:.{digits}%}"
