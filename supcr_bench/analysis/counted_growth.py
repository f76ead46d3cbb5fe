"""Growth of counted figures (operations, elements, bytes), which have no noise.

The model of a count is a sum of growth laws with coefficients that are not negative. Its law is the
slowest that, together with slower laws, fits as well as all laws do. A law is named if two
conditions hold: slower laws alone fit ten times worse, and faster laws can have only a negligible
share of the count at the largest size. Otherwise the law is undecided.

A loop over pairs i != j costs N(N - 1), so the terms of a law are f(N) and f(N)(1 - 1/N). Code
often takes other paths at small sizes: the smallest sizes are left out if the others, at least
five, then fit exactly. If no sizes fit exactly, a sum that misses by up to a thousandth is
accepted, else one that misses by up to 3 %. With few sizes, a count that is not a sum of these
laws, such as N^2.1, can look like one.

A peak is the largest of the sums at all points of a program, and at a larger size another point may
be the largest. So the interval of a prediction grows with the distance, and shrinks with the number
of fitted sizes; how wide it has to be is known from random programs
(``tests/analysis/simulated_programs.py``). The interval holds only while the program stays on its
path: nothing shows beforehand that it will take another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog, nnls

from supcr_bench.values.growth_law import CONSTANT, LAWS, GrowthLaw, GrowthVerdict, what_would_tell

EXACT = 2e-5
"""Relative errors up to this are rounding: the count of a sort is n log2 n, rounded."""
TOLERANCES = (EXACT, 1e-3, 0.03)
"""Tolerances: the first within which a sum of laws meets all counts decides."""
AS_GOOD = 3
"""A sum of fewer laws is as good if its error is at most this many times the error of all laws."""
REFUTED = 10
"""A law is refuted if every sum of it and slower laws has an error this many times larger."""
NEGLIGIBLE_SHARE = 0.05
"""Faster laws with at most this share of the count at the largest size are ignored."""
LEAST_SHARE = 0.4
"""A peak whose fastest law has a smaller share is taken as the peaks of two points of a call."""
SPARE_SIZES = 2
"""A sum of k laws is fitted to at least k + this many sizes; it could fit fewer by accident."""
NO_SHARE = 3e-5
FALL = 0.5
"""A fall of the power of N by this much between neighbouring sizes is not due to rounding."""
FALLS_FOR_GOOD = 0.35
"""A fall of the power of N, from all sizes before to all after, by so much is not rounding."""
FEWEST_SIZES = 5
"""The fewest sizes to fit: fewer counts would fit too many sums of laws."""
MOST_DOUBLINGS = 10
"""A size that would decide between two laws is sought up to this many times the largest size."""
BELOW_AND_ABOVE = {5: (0.005, 0.01), 6: (0.005, 0.02), 7: (0.002, 0.015), 8: (0.001, 0.002)}
"""Powers of the distance, as a ratio of sizes, by which a count may lie below and above its
prediction, for each number of sizes that were fitted; the last holds for more sizes too. The powers
were chosen on 3,446 peaks of random programs and cover 96.1 %; of 3,302 others 96.5 %."""

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


@dataclass(frozen=True)
class CountedFit:
    """A sum of growth laws fitted to counts at rising sizes, and its largest relative error."""

    sizes: tuple[Size, ...]
    figures: tuple[float, ...]
    laws: tuple[GrowthLaw, ...]
    coefficients: tuple[float, ...]
    misfit: float

    @property
    def share(self) -> float:
        """The share of its fastest law in the count at the largest size."""
        slower = len(_terms(self.laws[:-1], self.sizes[-1], self._apart))
        return float(sum(self.coefficients[slower:]) / sum(self.coefficients))

    @property
    def is_determined(self) -> bool:
        """Whether the sizes are too many for so few terms to fit them by accident.

        If they are not, its fastest law must have a large share, twice as large for five sizes.
        """
        terms = sum(c > NO_SHARE for c in self.coefficients)
        least = LEAST_SHARE if len(self.sizes) > FEWEST_SIZES else 2 * LEAST_SHARE
        return terms + SPARE_SIZES <= len(self.sizes) or self.share >= least

    @property
    def is_firm(self) -> bool:
        return self.misfit <= EXACT and self.share >= LEAST_SHARE and self.is_determined

    @cached_property
    def _apart(self) -> bool:
        return any(size.rows != size.labelled for size in self.sizes)

    @cached_property
    def _largest(self) -> Vector:
        return np.array(_terms(self.laws, self.sizes[-1], self._apart))

    def at(self, rows: float) -> Size:
        return self.sizes[-1].at(rows)

    def predict(self, size: Size) -> float:
        return self.figures[-1] * float(self._relative([size])[0] @ self.coefficients)

    def bounds(self, size: Size) -> tuple[float, float]:
        """The interval of the count at a size, for 95 % of programs that take no other path."""
        predicted, off = self.predict(size), 1 + 2 * self.misfit + EXACT
        ratio = size.labelled / self.sizes[-1].labelled
        if ratio <= 1:
            return predicted / off, predicted * off
        below, above = BELOW_AND_ABOVE[min(len(self.sizes), max(BELOW_AND_ABOVE))]
        # The logarithm of a largest sum is convex in log N, so its slope does not fall.
        slope = _power(self.sizes, self.figures, -2, -1)
        low = max(predicted * ratio**-below, self.figures[-1] * ratio**slope)
        steepest = max(self.laws[-1].degree, 2)
        high = min(predicted * ratio**above, self.figures[-1] * ratio**steepest)
        return min(low, predicted) / off, max(high, predicted) * off

    def share_of_faster(self) -> float:
        """The largest share that faster laws can have at the largest size."""
        if len(self.laws) == len(_ORDERED):
            return 0.0
        own, matrix = len(self.coefficients), replace(self, laws=_ORDERED).matrix()
        faster = np.repeat([0.0, 1.0], [own, matrix.shape[1] - own])
        # A sum may differ from its count, scaled to 1, by at most the slack.
        scale, slack = matrix.max(axis=0), 2 * self.misfit + EXACT
        found = linprog(
            -faster / scale / (faster / scale).max(),
            np.vstack([matrix, -matrix]) / scale,
            np.repeat([1 + slack, slack - 1], len(matrix)),
        ).x
        return 0.0 if found is None else float(faster @ (found / scale))

    def exponent(self) -> tuple[float, float, float]:
        """The local power of N at the largest size, and its range over the sums that fit."""
        fits = (fit_sum(self.sizes, self.figures, n) for n in range(1, len(_ORDERED) + 1))
        good = [fit for fit in fits if fit.misfit <= 2 * self.misfit + 1e-4]
        powers = [fit.local_power() for fit in (self, *good)]
        before, last = self.sizes[-2:]
        off = 2 * (self.misfit + EXACT) / math.log(last.labelled / before.labelled)
        return powers[0], min(powers) - off, max(powers) + off

    def local_power(self) -> float:
        last, step = self.sizes[-1].rows, 1e-4
        terms = self._relative([self.at(last * by) for by in (1 - step, 1.0, 1 + step)])
        below, at, above = terms @ self.coefficients
        return float((above - below) / (2 * step) / at)

    def matrix(self) -> Vector:
        """Each term divided by each count; [sizes, terms]."""
        relative: Vector = self.figures[-1] / np.array(self.figures)[:, None]
        return self._relative(self.sizes) * relative

    def _relative(self, sizes: Sequence[Size]) -> Vector:
        """The terms at these sizes, each divided by its value at the largest; [sizes, terms]."""
        at = np.array([_terms(self.laws, size, self._apart) for size in sizes])
        terms: Vector = at / self._largest
        return terms


def _power(sizes: Sequence[Size], figures: Sequence[float], one: int, other: int) -> float:
    step = math.log(sizes[other].labelled / sizes[one].labelled)
    return math.log(figures[other] / figures[one]) / step


@lru_cache(maxsize=4096)  # each tolerance, and each question on a verdict, asks for the same sums
def fit_sum(sizes: tuple[Size, ...], figures: tuple[float, ...], laws: int) -> CountedFit:
    """Fit a sum of the slowest ``laws`` of all, with the least squares of relative errors."""
    empty = CountedFit(sizes, figures, _ORDERED[:laws], (), math.inf)
    matrix = empty.matrix()
    coefficients, _ = nnls(matrix, np.ones(len(sizes)), maxiter=100 * matrix.shape[1])
    misfit = float(np.abs(matrix @ coefficients - 1).max())
    return replace(empty, coefficients=tuple(coefficients), misfit=misfit)


def _slowest(
    sizes: tuple[Size, ...], figures: tuple[float, ...], tolerance: float
) -> CountedFit | None:
    """The fit with the fewest laws that is as good as the fit with all laws."""
    best = fit_sum(sizes, figures, len(_ORDERED))
    if best.misfit > tolerance:
        return None
    enough = max(AS_GOOD * max(best.misfit, EXACT), tolerance)
    fits = (fit_sum(sizes, figures, laws) for laws in range(1, len(_ORDERED)))
    found = next((fit for fit in fits if fit.misfit <= enough), best)
    return found if found.is_determined else None


@lru_cache(maxsize=4096)
def fit_counted(sizes: tuple[Size, ...], figures: tuple[float, ...]) -> CountedFit | None:
    """The fit by the fewest laws to the most sizes, at least five; ``None`` if none is close."""
    for tolerance in TOLERANCES:
        for first in range(len(sizes) - FEWEST_SIZES + 1):
            fit = _slowest(sizes[first:], figures[first:], tolerance)
            if fit is not None:
                return fit
    return None


def _longest_path(sizes: tuple[Size, ...], figures: tuple[float, ...]) -> CountedFit | None:
    """The exact fit to the longest run of sizes that ends before the last one, at least four sizes.

    The code takes another path at the size after that run, which no sum of the same laws meets too.
    """
    for count in range(len(sizes) - 1, FEWEST_SIZES - 2, -1):
        for stop in range(count, len(sizes)):
            first = stop - count
            fit = _slowest(sizes[first:stop], figures[first:stop], EXACT)
            if fit is None:
                continue
            longer = fit_sum(sizes[first : stop + 1], figures[first : stop + 1], len(fit.laws))
            if longer.misfit > EXACT:
                return fit
    return None


@lru_cache(maxsize=4096)
def judge_counted(
    sizes: tuple[Size, ...], figures: tuple[float, ...], *, peak: bool = False
) -> GrowthVerdict:
    """The law that counted figures follow; cached, as many workloads have equal counts.

    A ``peak`` is the largest of several sums, so it follows a law only if a firm fit does.
    """
    if len(sizes) < FEWEST_SIZES:
        said = f"counted at {len(sizes)} sizes; it takes {FEWEST_SIZES} to tell laws apart"
        return GrowthVerdict(law=None, evidence=said)
    fit = fit_counted(sizes, figures)
    if fit is None:
        return _without_law(sizes, figures, peak=peak)
    own, low, high = fit.exponent()
    known = GrowthVerdict(
        law=None,
        evidence="",
        exponent=own,
        exponent_low=low,
        exponent_high=high,
        curve=lambda n: fit.predict(fit.at(n)),
    )
    if peak and not fit.is_firm:
        off = _share(max(fit.misfit, EXACT))
        said = f"no law leads: the nearest sum, up to {fit.laws[-1].name}, misses by {off}"
        return replace(known, evidence=said)
    law, count = fit.laws[-1].name, len(fit.laws)
    slower = fit_sum(fit.sizes, fit.figures, count - 1) if count > 1 else None
    nearest, reasons = fit, []
    candidates: tuple[str, ...] = (law,)
    if slower is not None and not _refuted(slower, fit):
        candidates = slower.laws[-1].name, law
        reasons.append(f"{candidates[0]} misses the counts by only {_share(slower.misfit)}")
    if fit.misfit > AS_GOOD * EXACT >= fit_sum(fit.sizes, fit.figures, len(_ORDERED)).misfit:
        longer = (fit_sum(fit.sizes, fit.figures, n) for n in range(count + 1, len(_ORDERED) + 1))
        nearest = next(other for other in longer if other.misfit <= AS_GOOD * EXACT)
        candidates += tuple(faster.name for faster in nearest.laws[count:])
        off = _share(fit.misfit)
        reasons.append(f"{law} misses the counts by {off}, and sums of more laws by nothing")
    elif (
        not reasons
        and count < len(_ORDERED)
        and (share := fit.share_of_faster()) > NEGLIGIBLE_SHARE
    ):
        candidates = law, _ORDERED[count].name
        where = f"at N={fit.sizes[-1].rows:.0f}"
        reasons.append(f"a share of {candidates[1]} up to {share:.0%} {where} would not show")
    if not reasons:
        first = fit.sizes[0]
        meets = "exactly" if fit.misfit < EXACT else f"to {_share(fit.misfit)}"
        said = f"meets the counts {meets} "
        said += f"from N={first.rows:.0f} on" if first != sizes[0] else "at every size"
        if slower is not None:
            said += f"; {slower.laws[-1].name} misses by {_share(slower.misfit)}"
        before = _longest_path(sizes, figures) if first in sizes[FEWEST_SIZES:] else None
        if before and before.sizes[-1].rows < first.rows and before.laws[-1].name != law:
            known = replace(known, law_before=before.laws[-1].name, changes_at=int(first.rows))
        return replace(known, law=law, evidence=said, candidates=candidates)
    needed = _deciding_size(nearest)
    evidence = f"{' or '.join(candidates)}: {'; '.join([*reasons, what_would_tell(needed)])}"
    return replace(known, evidence=evidence, candidates=candidates, needs_size=needed)


def _without_law(
    sizes: tuple[Size, ...], figures: tuple[float, ...], *, peak: bool
) -> GrowthVerdict:
    """The verdict on counts that no sum fits: their powers of N, and where another path begins."""
    power, last = partial(_power, sizes, figures), len(sizes) - 1
    slopes = [power(i, i + 1) for i in range(last)]
    path = _longest_path(sizes, figures)
    end = slice(-FEWEST_SIZES, None)
    evidence = f"no sum of growth laws comes within {TOLERANCES[-1]:.0%} of the counts"
    if fit_sum(sizes[end], figures[end], len(_ORDERED)).misfit <= TOLERANCES[-1]:
        evidence = f"{len(sizes)} sizes do not tell which sum of growth laws the counts follow"
    before, first, path_begins = None, 0, True
    if path is not None:
        before, first = path.laws[-1].name, sizes.index(path.sizes[-1]) + 1
        off = figures[first] / path.predict(sizes[first]) - 1
        evidence = (
            f"{before} exactly from N={path.sizes[0].rows:.0f} to {path.sizes[-1].rows:.0f}, and "
            f"{_share(abs(off))} {'less' if off < 0 else 'more'} at N={sizes[first].rows:.0f}"
        )
        # Another point of the same path can only raise a peak; a lower peak means another path.
        path_begins = off < 0 or not peak
    # The power of the largest of several sums does not fall, so where it does is another path.
    falls = [i for i in range(3, last) if slopes[i] < slopes[i - 1] - FALL] if peak else []
    if path is None and falls and power(falls[0], last) < power(0, falls[0]) - FALLS_FOR_GOOD:
        first = falls[0] + 1
        before = f"N^{power(0, first - 1):.1f}"
        evidence = f"the power of N falls by {slopes[first - 2] - slopes[first - 1]:.1f}"
    several = first + 1 < last
    return GrowthVerdict(
        law=None,
        evidence=f"{evidence}, where it takes another path" if before and path_begins else evidence,
        exponent=power(first, last) if several else None,
        exponent_low=min(slopes[first:]) if several else None,
        exponent_high=max(slopes[first:]) if several else None,
        law_before=before,
        changes_at=int(sizes[first].rows) if before else None,
    )


def _refuted(slower: CountedFit, fit: CountedFit) -> bool:
    return slower.misfit > REFUTED * max(fit.misfit, EXACT)


def _deciding_size(fit: CountedFit) -> int | None:
    sizes, figures = list(fit.sizes), list(fit.figures)
    for _ in range(2 * MOST_DOUBLINGS):
        sizes.append(sizes[-1].at(math.ceil(sizes[-1].rows * math.sqrt(2))))
        figures.append(fit.predict(sizes[-1]))
        longer = replace(fit, sizes=tuple(sizes), figures=tuple(figures))
        slower = len(fit.laws) - 1
        told = slower == 0 or _refuted(fit_sum(longer.sizes, longer.figures, slower), fit)
        if told and longer.share_of_faster() <= NEGLIGIBLE_SHARE:
            return round(sizes[-1].rows)
    return None


def _share(fraction: float) -> str:
    digits = 0 if fraction >= 0.095 else 1 if fraction >= 0.0095 else 2 if fraction >= 9.5e-4 else 3
    return f"{fraction:.{digits}%}"
