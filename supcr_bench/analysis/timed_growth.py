"""Growth of times, which have noise.

The model is ``c0 * h(N) + c1 * f(N)`` with coefficients that are not negative, where h is the
overhead and f a growth law. Each dispatched operation adds overhead, so h is the counted number of
operations, divided by that at the largest size; where the number does not grow, h is 1 and c0 a
plain constant.

Noise is relative: the machine's drift multiplies all times of a batch size. So distances are taken
in logarithms, and the noise is estimated from the residuals of the fit, because the spread of one
size's samples does not contain the drift. A size that could not be measured gives a lower bound:
only a model that lies below the bound is penalised.

The exponent is p in ``c0 h + c1 N^p``. The interval of p holds every p whose sum of squares is not
significantly larger than the smallest (Seber and Wild, "Nonlinear Regression", section 5.2: the
likelihood-ratio interval, which unlike one from curvature needs no linear model).

Every law whose sum of squares is not significantly larger, at the level of 0.5 %, is a candidate. A
law is named if it is the only candidate. The true law is thereby dropped in 0.5 % of sweeps. Where
few sizes happen to follow a power more closely than their noise, all laws are far from it; so a law
has to be significantly nearer than the others, too, and is not named if it misses any time by half.

If neighbouring sizes have similar residuals, the curve has another shape than the laws. The
similarity of neighbouring residuals is measured by the von Neumann ratio and compared with that of
simulated noise, which has a fixed seed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import fdtri, stdtrit

from supcr_bench.analysis.counted_growth import FEWEST_SIZES, MOST_DOUBLINGS, Vector
from supcr_bench.analysis.statistics import CONFIDENCE
from supcr_bench.values.growth_law import CONSTANT, LAWS, GrowthLaw, GrowthVerdict, what_would_tell

TRUE_LAW_DROPPED = 0.005
"""Probability that the true law is dropped from the candidates."""
SECOND_BEST = 0.025
"""Probability that noise alone makes another law fit so much worse than the best one."""
FARTHEST = 1.5
"""A law does not fit if a time is this many times what it gives, or its inverse."""
NOISE_LOOKS_SYSTEMATIC = 0.01
"""Probability that the residuals of noise alone are judged to be systematic."""
_GROWING = tuple(law for law in LAWS.values() if law is not CONSTANT)
_POWERS = np.linspace(0.1, 6.0, 119)
_STEPS = np.delete(np.linspace(-0.045, 0.045, 19), 9)
"""Powers between two of the others, to fit around the best of them."""
_PARAMETERS = 3
_POWER_TO_TELL = 17.0
"""Noncentrality at which a wrong law is dropped in nine of ten sweeps: (2.81 + 1.28)^2."""


@dataclass(frozen=True, slots=True)
class TimedSeries:
    """Median times of one implementation at rising batch sizes, in seconds.

    Attributes:
        overhead: operations dispatched at each size, relative to the last; ones if unknown.
        bound_sizes, bound_seconds: sizes that could not be timed, and lower bounds on their times.
        bound_overhead: operations at these sizes, relative to the last measured size.
    """

    sizes: tuple[float, ...]
    seconds: tuple[float, ...]
    overhead: tuple[float, ...]
    bound_sizes: tuple[float, ...] = ()
    bound_seconds: tuple[float, ...] = ()
    bound_overhead: tuple[float, ...] = ()


def _profile(
    series: TimedSeries, shapes: Vector, bound_shapes: Vector
) -> tuple[Vector, Vector, Vector]:
    """Least squares over scale and mixture, for every shape at once.

    The model is ``exp(scale) * ((1 - w) h + w f)``. The scale follows from the mean of the
    logarithms; w is searched on a grid over its logit, refined four times. Shapes are f relative to
    the largest size, [shapes, sizes], at the measured sizes and at those of the bounds.

    Returns:
        for each shape the sum of squares, the mixture w, and the logarithm of the scale.
    """
    y, bound = np.log(series.seconds), np.log(np.array(series.bound_seconds))
    h, bound_h = np.array(series.overhead), np.array(series.bound_overhead)
    rows = np.arange(len(shapes))
    low, high = np.full(len(shapes), -25.0), np.full(len(shapes), 25.0)
    for _ in range(4):
        logits = np.linspace(low, high, 21, axis=1)
        w = 1 / (1 + np.exp(-logits))[..., None]
        distance = y - np.log((1 - w) * h + w * shapes[:, None, :])
        scale = distance.mean(-1, keepdims=True)
        squares = ((distance - scale) ** 2).sum(-1)
        if len(bound):
            below = bound - scale - np.log((1 - w) * bound_h + w * bound_shapes[:, None, :])
            squares += (np.maximum(below, 0.0) ** 2).sum(-1)
        best = squares.argmin(axis=1)
        found, step = logits[rows, best], (high - low) / 20
        low, high = found - 1.2 * step, found + 1.2 * step
    return squares[rows, best], 1 / (1 + np.exp(-found)), scale[rows, best, 0]


def _law_shapes(series: TimedSeries, laws: Sequence[GrowthLaw]) -> tuple[Vector, Vector]:
    last = series.sizes[-1]

    def at(sizes: Sequence[float]) -> Vector:
        return np.array([[law.ratio(last, n) for n in sizes] for law in laws])

    return at(series.sizes), at(series.bound_sizes)


def _fit_powers(series: TimedSeries, powers: Vector) -> tuple[Vector, Vector, Vector]:
    last = series.sizes[-1]
    shapes, bounds = (
        (np.array(sizes) / last)[None, :] ** powers[:, None]
        for sizes in (series.sizes, series.bound_sizes)
    )
    return _profile(series, shapes, bounds)


@dataclass(frozen=True, slots=True)
class PowerFit:
    """The fit of the power p in ``c0 h + c1 N^p``, with its interval and share of the time."""

    exponent: float
    low: float
    high: float
    squares: float
    mixture: float


def fit_power(series: TimedSeries) -> PowerFit:
    """The exponent and its interval; the series has at least five sizes."""
    coarse, _, _ = _fit_powers(series, _POWERS)
    nearest = _POWERS[coarse.argmin()] + _STEPS
    nearest = nearest[(nearest > _POWERS[0]) & (nearest < _POWERS[-1])]
    powers = np.concatenate([_POWERS, nearest])
    at_powers = np.concatenate([coarse, _fit_powers(series, nearest)[0]])
    # The smallest is one that was fitted: where the squares have a kink, a spline falls below them.
    smallest, best = float(at_powers.min()), float(powers[at_powers.argmin()])
    order = powers.argsort()
    fine = np.linspace(_POWERS[0], _POWERS[-1], 5901)
    squares = CubicSpline(powers[order], at_powers[order])(fine)
    inside = fine[squares <= smallest * _allowed(len(series.sizes), 1, 1 - CONFIDENCE) + 1e-15]
    mixture = float(_fit_powers(series, np.array([best]))[1][0])
    return PowerFit(best, float(inside.min()), float(inside.max()), smallest, mixture)


@cache
def _allowed(sizes: int, restrictions: int, alpha: float) -> float:
    """The largest ratio of a sum of squares to the smallest one that noise alone explains."""
    freedom = sizes - _PARAMETERS
    quantile = float(fdtri(restrictions, freedom, 1 - alpha))
    return 1 + restrictions * quantile / freedom


@lru_cache(maxsize=1024)
def judge_timed(series: TimedSeries) -> GrowthVerdict:
    """The law that times follow; cached, as each question on a run asks for the same series."""
    count = len(series.sizes)
    if count < FEWEST_SIZES:
        return GrowthVerdict(
            law=None,
            evidence=f"timed at {count} sizes; it takes {FEWEST_SIZES} to tell laws from noise",
        )
    power = fit_power(series)
    squares, mixtures, log_scales = _profile(series, *_law_shapes(series, _GROWING))
    best = int(squares.argmin())
    found = _Model(series, _GROWING[best], float(mixtures[best]), float(log_scales[best]))
    smallest = min(power.squares, float(squares[best]))
    noise = math.sqrt(smallest / (count - _PARAMETERS))
    said = f"the noise between sizes is {noise:.0%}"
    bounded = power.low > _POWERS[0] and power.high < _POWERS[-1]
    known = GrowthVerdict(
        law=None,
        evidence=f"the growth lies between two laws; {said}",
        exponent=power.exponent if bounded else None,
        exponent_low=power.low if bounded else None,
        exponent_high=power.high if bounded else None,
        curve=found.seconds,
        band=found.band(power),
    )
    overhead, bound = np.array([series.overhead]), np.array([series.bound_overhead])
    overhead_alone = float(_profile(series, overhead, bound)[0][0])
    if overhead_alone <= smallest * _allowed(count, 2, TRUE_LAW_DROPPED):
        evidence = f"the cost of dispatching operations explains all times so far; {said}"
        return replace(known, evidence=evidence, candidates=tuple(LAWS))
    if _is_systematic(series, power, found, by_law=bool(squares[best] <= power.squares)):
        evidence = f"no growth law has the shape of these times; {said}"
        return replace(known, evidence=evidence, curve=None, band=None)
    allowed = smallest * _allowed(count, 1, TRUE_LAW_DROPPED)
    if squares[best] > allowed:
        return known
    allowed = max(allowed, squares[best] * _allowed(count, 1, SECOND_BEST))
    candidates = [i for i, own in enumerate(squares) if own <= allowed]
    names = tuple(_GROWING[i].name for i in candidates)
    times = zip(series.sizes, series.seconds, strict=True)
    off, size = max((abs(math.log(s / found.seconds(n))), n) for n, s in times)
    if len(names) == 1 and (far := math.exp(off)) > FARTHEST:
        evidence = (
            f"{names[0]} is nearest, and misses the time at N={size:.0f} by x{far:.1f}; {said}"
        )
        return replace(known, evidence=evidence, candidates=names)
    if len(names) == 1:
        rival = min((s, i) for i, s in enumerate(squares) if i != best)[1]
        worse = math.sqrt(squares[rival] / max(squares[best], 1e-30))
        evidence = f"{_GROWING[rival].name} fits {worse:.1f} times worse; {said}"
        return replace(known, law=names[0], evidence=evidence, candidates=names)
    needed = _deciding_size(found, [_GROWING[i] for i in candidates if i != best], noise)
    evidence = f"{' or '.join(names)}; {what_would_tell(needed)}; {said}"
    return replace(known, evidence=evidence, candidates=names, needs_size=needed)


@dataclass(frozen=True, slots=True)
class _Model:
    """A fitted model: its series, its law, and its two parameters."""

    series: TimedSeries
    law: GrowthLaw
    mixture: float
    log_scale: float

    def overhead(self, size: float) -> float:
        """Dispatched operations relative to the last size, interpolated linearly in log-log."""
        x, y = np.log(self.series.sizes), np.log(self.series.overhead)
        if size <= self.series.sizes[-1]:
            return float(np.exp(np.interp(math.log(size), x, y)))
        slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
        return float((size / self.series.sizes[-1]) ** slope)

    def seconds(self, size: float) -> float:
        grown = self.law.ratio(self.series.sizes[-1], size)
        mixed = (1 - self.mixture) * self.overhead(size) + self.mixture * grown
        return math.exp(self.log_scale) * mixed

    def band(self, power: PowerFit) -> Callable[[float], tuple[float, float]]:
        """The interval of the next time measured at a size, from the law and the power's interval.

        In logarithms, the squares of two distances are added: how far the powers lie from the law
        there, and the noise of one more size.
        """
        powers, count = np.linspace(power.low, power.high, 25), len(self.series.sizes)
        freedom = count - _PARAMETERS
        noise = math.sqrt(power.squares / freedom * (1 + 1 / count))
        noise *= float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))
        _, mixture, log_scale = _fit_powers(self.series, powers)

        def at(size: float) -> tuple[float, float]:
            grown = (size / self.series.sizes[-1]) ** powers
            mixed = (1 - mixture) * self.overhead(size) + mixture * grown
            by = np.exp(log_scale) * mixed / self.seconds(size)
            below, above = math.log(min(*by, 1.0)), math.log(max(*by, 1.0))
            low, high = -math.hypot(below, noise), math.hypot(above, noise)
            return self.seconds(size) * math.exp(low), self.seconds(size) * math.exp(high)

        return at


def _is_systematic(series: TimedSeries, power: PowerFit, law: _Model, *, by_law: bool) -> bool:
    """Whether neighbouring residuals of the best model are more alike than noise explains."""
    x = np.log(np.array(series.sizes) / series.sizes[-1])
    shape = _law_shapes(series, [law.law])[0][0] if by_law else np.exp(power.exponent * x)
    mixture = law.mixture if by_law else power.mixture
    model = (1 - mixture) * np.array(series.overhead) + mixture * shape
    distance = np.log(series.seconds) - np.log(model)
    # Near the fit, residuals are the noise minus the part that scale, mixture and power absorb.
    fitted = [np.ones_like(x), shape / model, *([] if by_law else [shape * x / model])]
    taken, _ = np.linalg.qr(np.stack(fitted, axis=1))
    noise = np.random.default_rng(0).standard_normal((2000, len(x)))
    left = noise - (noise @ taken) @ taken.T
    own = _von_neumann((distance - distance.mean())[None, :])[0]
    return bool(np.mean(_von_neumann(left) <= own) < NOISE_LOOKS_SYSTEMATIC)


def _von_neumann(distances: Vector) -> Vector:
    """Squared differences of neighbours divided by squares: small where neighbours are alike."""
    squares = (distances**2).sum(axis=1)
    ratio: Vector = (np.diff(distances, axis=1) ** 2).sum(axis=1) / np.maximum(squares, 1e-300)
    return ratio


def _deciding_size(found: _Model, rivals: Sequence[GrowthLaw], noise: float) -> int | None:
    """The size up to which to time, so that 9 of 10 sweeps exclude all wrong laws."""
    series = found.series
    sizes = list(series.sizes)
    for _ in range(2 * MOST_DOUBLINGS):
        sizes.append(sizes[-1] * math.sqrt(2))
        longer = TimedSeries(
            tuple(sizes),
            tuple(map(found.seconds, sizes)),
            tuple(found.overhead(n) / found.overhead(sizes[-1]) for n in sizes),
        )
        squares, _, _ = _profile(longer, *_law_shapes(longer, rivals))
        if float(squares.min()) > _POWER_TO_TELL * noise**2:
            return round(sizes[-1])
    return None
