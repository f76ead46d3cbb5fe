"""Growth of what is counted: operations, elements, bytes. These have no noise.

A counted figure is taken to be a sum of growth laws with coefficients that are not negative, and so
every question is a linear programme over those coefficients, held to within a thousandth of each
count:

- *which law?* The slowest one such that it and slower ones suffice. Slower laws alone are refuted
  if they miss some count by more than three times as much.
- *which figure at another size, and how sure?* The smallest and the largest value that any such sum
  takes there.

A loop over pairs i != j costs N(N - 1), not N^2, so beside each law f(N) stands f(N)(1 - 1/N).
Small sizes often take other paths (a different kernel, a smaller workspace), so where no sum fits
all sizes, the smallest are left out, as long as enough are left.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from supcr_bench.analysis.growth_verdict import GrowthVerdict
from supcr_bench.values.growth_law import CONSTANT, LAWS, GrowthLaw

TOLERANCE = 1e-3
"""A sum of laws fits if it misses no count by more than this fraction."""
REFUTED = 3 * TOLERANCE
"""A law is refuted if every sum of it and slower ones misses a count by more than this."""
FEWEST_SIZES = 5
"""Fewer counts are met by too many sums of laws."""
MOST_DOUBLINGS = 10
"""How far ahead a size that would decide is looked for."""

Vector = npt.NDArray[np.float64]
_ORDERED = tuple(LAWS.values())


def _terms(laws: Sequence[GrowthLaw], sizes: Vector) -> Vector:
    """Each law, and each law over pairs, at each size; [sizes, terms]."""
    columns = []
    for law in laws:
        values = np.array([law.of(float(n)) for n in sizes])
        columns.append(values)
        if law is not CONSTANT:
            columns.append(values * (1 - 1 / sizes))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=1024)
def _terms_at(laws: tuple[GrowthLaw, ...], size: float) -> Vector:
    """The terms at one size, which every figure of a series is held against."""
    terms: Vector = _terms(laws, np.array([size]))[0]
    return terms


@dataclass(frozen=True, slots=True)
class CountedFit:
    """A sum of growth laws through counted figures.

    Attributes:
        sizes: sizes that it was fitted to, rising.
        figures: the counts at these.
        laws: the laws that may stand in the sum, slowest first.
        coefficients: of the terms, scaled to the largest size.
        misfit: largest relative distance from a count.
    """

    sizes: tuple[float, ...]
    figures: tuple[float, ...]
    laws: tuple[GrowthLaw, ...]
    coefficients: tuple[float, ...]
    misfit: float

    def predict(self, size: float) -> float:
        """The figure at a batch size."""
        return self.figures[-1] * float(self._relative([size])[0] @ np.array(self.coefficients))

    def bounds(self, size: float) -> tuple[float, float]:
        """The smallest and the largest figure that any sum of these laws gives there.

        The sums are those that miss no count by more than twice this fit's misfit and a tenth of
        the tolerance.
        """
        low, high = self._range(self._relative([size])[0])
        return self.figures[-1] * low, self.figures[-1] * high

    def exponent(self) -> tuple[float, float, float]:
        """The local power of N at the largest size: of this fit, smallest and largest."""
        last, step = self.sizes[-1], 1e-4
        below, at, above = self._relative([last * (1 - step), last, last * (1 + step)])
        slopes, own = (above - below) / (2 * step), np.array(self.coefficients)
        return float(slopes @ own / (at @ own)), *self._range(slopes)

    def _relative(self, sizes: Sequence[float]) -> Vector:
        """The terms at these sizes, each relative to itself at the largest; [sizes, terms]."""
        terms: Vector = _terms(self.laws, np.array(sizes, dtype=float))
        terms /= _terms_at(self.laws, self.sizes[-1])
        return terms

    def matrix(self) -> Vector:
        """What each term contributes to each count, relative to it; [sizes, terms]."""
        relative: Vector = self.figures[-1] / np.array(self.figures)[:, None]
        return self._relative(self.sizes) * relative

    def _range(self, weights: Vector) -> tuple[float, float]:
        """The smallest and the largest weighted sum of coefficients within the slack."""
        slack, matrix = 2 * self.misfit + TOLERANCE / 10, self.matrix()
        scale = float(weights.max()) or 1.0
        allowed = np.repeat([1 + slack, slack - 1], len(self.sizes))
        low, high = (
            weights
            / scale
            @ _minimise(sign * weights / scale, np.vstack([matrix, -matrix]), allowed)
            for sign in (1.0, -1.0)
        )
        return float(low * scale), float(high * scale)


def _minimise(objective: Vector, matrix: Vector, at_most: Vector) -> Vector:
    """The x >= 0 with the smallest objective under matrix x <= at_most."""
    found: Vector | None = linprog(objective, matrix, at_most).x
    assert found is not None, "every programme here has a solution"
    return found


def fit_sum(sizes: Sequence[float], figures: Sequence[float], laws: int) -> CountedFit:
    """The sum of the slowest laws, that many, whose largest relative miss is smallest.

    Args:
        sizes: rising, at least 2 each.
        figures: above 0.
        laws: how many of :data:`~supcr_bench.values.growth_law.LAWS`.
    """
    used = _ORDERED[:laws]
    empty = CountedFit(tuple(sizes), tuple(figures), used, (), 0.0)
    matrix = empty.matrix()
    ones = np.ones((len(sizes), 1))
    # Chebyshev: the smallest t with |sum - 1| <= t at every size.
    *coefficients, misfit = _minimise(
        np.array([0.0] * matrix.shape[1] + [1.0]),
        np.block([[matrix, -ones], [-matrix, -ones]]),
        np.repeat([1.0, -1.0], len(sizes)),
    )
    return replace(empty, coefficients=tuple(coefficients), misfit=float(misfit))


def _slowest(sizes: Sequence[float], figures: Sequence[float], misfit: float) -> CountedFit | None:
    """The fit with the fewest laws that misses no count by more than that; by bisection."""
    few, many = 1, len(_ORDERED)
    best = fit_sum(sizes, figures, many)
    if best.misfit > misfit:
        return None
    while few < many:
        middle = (few + many) // 2
        tried = fit_sum(sizes, figures, middle)
        if tried.misfit <= misfit:
            best, many = tried, middle
        else:
            few = middle + 1
    return best


@lru_cache(maxsize=4096)
def fit_counted(sizes: tuple[float, ...], figures: tuple[float, ...]) -> CountedFit | None:
    """The slowest law that explains counted figures, with slower ones beside it.

    Args:
        sizes: rising, at least 2 each.
        figures: above 0, without noise.

    Returns:
        ``None`` where no sum of laws fits at least five of the largest sizes.
    """
    # Kept, because a series' bytes are asked for twice: for their law and for the frontier.
    for first in range(len(sizes) - FEWEST_SIZES + 1):
        fit = _slowest(sizes[first:], figures[first:], TOLERANCE)
        if fit is not None:
            return fit
    return None


def judge_counted(sizes: Sequence[float], figures: Sequence[float]) -> GrowthVerdict:
    """The law that counted figures follow; see the module for how.

    Args:
        sizes: rising, at least 2 each.
        figures: above 0, without noise.
    """
    if len(sizes) < FEWEST_SIZES:
        return GrowthVerdict(
            law=None,
            evidence=f"counted at {len(sizes)} sizes; it takes {FEWEST_SIZES} to tell laws apart",
        )
    fit = fit_counted(tuple(sizes), tuple(figures))
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
        curve=fit.predict,
        band=fit.bounds,
    )
    law, count = fit.laws[-1].name, len(fit.laws)
    since = f"from N={fit.sizes[0]:.0f} on" if fit.sizes[0] != sizes[0] else "at every size"
    slower = fit_sum(fit.sizes, fit.figures, count - 1) if count > 1 else None
    if slower is None or slower.misfit > REFUTED:
        evidence = f"meets the counts {_miss(fit.misfit)} {since}"
        if slower is not None:
            evidence += f"; {slower.laws[-1].name} misses by {_share(slower.misfit)}"
        return replace(known, law=law, evidence=evidence, candidates=(law,))
    needed = _deciding_size(fit)
    rival = slower.laws[-1].name
    until = f"needs N up to about {needed}" if needed else "no size in reach would tell"
    return replace(
        known,
        evidence=f"{rival} or {law}: {rival} misses by {_share(slower.misfit)} only; {until}",
        candidates=(rival, law),
        needs_size=needed,
    )


def _deciding_size(fit: CountedFit) -> int | None:
    """Up to which size one would have to count to refute the next slower law."""
    sizes, figures = list(fit.sizes), list(fit.figures)
    for _ in range(2 * MOST_DOUBLINGS):
        sizes.append(math.ceil(sizes[-1] * math.sqrt(2)))
        figures.append(fit.predict(sizes[-1]))
        if fit_sum(sizes, figures, len(fit.laws) - 1).misfit > REFUTED:
            return round(sizes[-1])
    return None


def _miss(fraction: float) -> str:
    """A relative distance in words."""
    if fraction < 1e-6:
        return "exactly"
    return f"to {fraction:.2%}" if fraction >= 1e-4 else "to 0.01%"


def _share(fraction: float) -> str:
    return f"{fraction:.0%}" if fraction >= 0.095 else f"{fraction:.1%}"
