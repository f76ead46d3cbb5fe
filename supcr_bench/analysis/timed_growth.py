"""Growth of times, which have noise.

The model is ``c0 * h(N) + c1 * f(N)`` with coefficients that are not negative, where f is a growth
law and h the overhead: the counted number of dispatched operations, divided by that at the largest
size, or 1 if unknown.

Noise is relative: the machine's drift multiplies all times of a batch size. So distances are taken
in logarithms, and the noise is estimated from the residuals of the fit, because the spread of one
size's samples does not contain the drift. A size that could not be measured gives a lower bound:
only a model that lies below the bound is penalised.

The exponent is p in ``c0 h + c1 N^p``. The interval of p holds every p whose sum of squares is not
significantly larger than the smallest (Seber and Wild, "Nonlinear Regression", section 5.2).

Every law whose sum of squares is not significantly larger, at the level of 0.5 %, is a candidate. A
law is named if it is the only candidate. Where few sizes happen to follow a power more closely than
their noise, all laws are far from it; so a law has to be significantly nearer than the others, too,
and is not named if it misses any time by half.

If neighbouring residuals are more alike (by the von Neumann ratio) than those of simulated noise,
which has a fixed seed, the curve has another shape than the laws.
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
    """

    sizes: tuple[float, ...]
    seconds: tuple[float, ...]
    overhead: tuple[float, ...]
    bound_sizes: tuple[float, ...] = ()
    bound_seconds: tuple[float, ...] = ()

    def overhead_at(self, size: float) -> float:
        """Dispatched operations relative to the last size, interpolated linearly in log-log."""
        x, y = np.log(self.sizes), np.log(self.overhead)
        if size <= self.sizes[-1]:
            return float(np.exp(np.interp(math.log(size), x, y)))
        slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
        return float((size / self.sizes[-1]) ** slope)


@dataclass(frozen=True, slots=True)
class _Model:
    """The model ``exp(log_scale) * ((1 - mixture) h + mixture f)`` with one law f, fitted."""

    series: TimedSeries
    law: GrowthLaw
    squares: float
    mixture: float
    log_scale: float

    def seconds(self, size: float) -> float:
        grown = self.law.ratio(self.series.sizes[-1], size)
        mixed = (1 - self.mixture) * self.series.overhead_at(size) + self.mixture * grown
        return math.exp(self.log_scale) * mixed


def _fit(series: TimedSeries, laws: Sequence[GrowthLaw]) -> list[_Model]:
    """The fit of each law by least squares; laws and overhead are relative to the largest size.

    The scale follows from the mean of the logarithms; the mixture w is searched on a grid over its
    logit, refined four times.
    """
    grown, bound_grown = (
        np.array([[law.ratio(series.sizes[-1], n) for law in laws] for n in sizes])
        for sizes in (series.sizes, series.bound_sizes)
    )
    y, bound = (np.log(s)[:, None, None] for s in (series.seconds, series.bound_seconds))
    h = np.array(series.overhead)[:, None, None]
    bound_h = np.array([*map(series.overhead_at, series.bound_sizes)])[:, None, None]
    low, high = np.full(len(laws), -25.0), np.full(len(laws), 25.0)
    for _ in range(4):
        step = (high - low) / 20
        logits = np.linspace(low, high, 21)
        w = 1 / (1 + np.exp(-logits))
        distance = y - np.log((1 - w) * h + w * grown[:, None])
        scale = distance.sum(axis=0) / len(y)
        squares = ((distance - scale) ** 2).sum(axis=0)
        if len(bound):
            below = bound - scale - np.log((1 - w) * bound_h + w * bound_grown[:, None])
            squares += (np.maximum(below, 0.0) ** 2).sum(axis=0)
        best = squares.argmin(axis=0), np.arange(len(laws))
        found = logits[best]
        low, high = found - 1.2 * step, found + 1.2 * step
    columns = squares[best], w[best], scale[best]
    return [
        _Model(series, law, *map(float, fitted))
        for law, *fitted in zip(laws, *columns, strict=True)
    ]


def _power(exponent: float) -> GrowthLaw:
    return GrowthLaw(f"N^{exponent:.2f}", lambda n: n**exponent)


@dataclass(frozen=True, slots=True)
class PowerFit:
    """The power p that fits best in ``c0 h + c1 N^p``, and its interval."""

    exponent: float
    low: float
    high: float
    model: _Model


def fit_power(series: TimedSeries) -> PowerFit:
    """The exponent and its interval; the series has at least five sizes."""

    def fitted(powers: Vector) -> dict[float, _Model]:
        laws = [*map(_power, powers.tolist())]
        return dict(zip(powers.tolist(), _fit(series, laws), strict=True))

    found = fitted(_POWERS)
    nearest = min(found, key=lambda power: found[power].squares) + _STEPS
    found |= fitted(nearest[(nearest > _POWERS[0]) & (nearest < _POWERS[-1])])
    # The best is one that was fitted: where the squares have a kink, a spline falls below them.
    power, model = min(found.items(), key=lambda fit: fit[1].squares)
    powers = sorted(found)
    squares = CubicSpline(powers, [found[p].squares for p in powers])
    fine = np.linspace(_POWERS[0], _POWERS[-1], 5901)
    allowed = model.squares * _allowed(len(series.sizes), 1, 1 - CONFIDENCE) + 1e-15
    inside = fine[squares(fine) <= allowed]
    return PowerFit(power, float(inside.min()), float(inside.max()), model)


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
        said = f"timed at {count} sizes; it takes {FEWEST_SIZES} to tell laws from noise"
        return GrowthVerdict(law=None, evidence=said)
    power = fit_power(series)
    *models, overhead_alone = _fit(series, [*_GROWING, GrowthLaw("overhead", series.overhead_at)])
    found, second = sorted(models, key=lambda model: model.squares)[:2]
    smallest = min(power.model.squares, found.squares)
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
        band=_band(found, power),
    )
    if overhead_alone.squares <= smallest * _allowed(count, 2, TRUE_LAW_DROPPED):
        evidence = f"the cost of dispatching operations explains all times so far; {said}"
        return replace(known, evidence=evidence, candidates=tuple(LAWS))
    if _is_systematic(found, power):
        evidence = f"no growth law has the shape of these times; {said}"
        return replace(known, evidence=evidence, curve=None, band=None)
    allowed = smallest * _allowed(count, 1, TRUE_LAW_DROPPED)
    if found.squares > allowed:
        return known
    allowed = max(allowed, found.squares * _allowed(count, 1, SECOND_BEST))
    candidates = [model.law for model in models if model.squares <= allowed]
    known = replace(known, candidates=tuple(law.name for law in candidates))
    if len(candidates) > 1:
        needed = _deciding_size(found, [law for law in candidates if law != found.law], noise)
        evidence = f"{' or '.join(known.candidates)}; {what_would_tell(needed)}; {said}"
        return replace(known, evidence=evidence, needs_size=needed)
    times = zip(series.sizes, series.seconds, strict=True)
    far = math.exp(max(abs(math.log(s / found.seconds(n))) for n, s in times))
    if far > FARTHEST:
        evidence = f"{found.law.name} is nearest, and misses a time by a factor of {far:.1f}"
        return replace(known, evidence=f"{evidence}; {said}")
    worse = math.sqrt(second.squares / max(found.squares, 1e-30))
    evidence = f"{second.law.name} fits {worse:.1f} times worse; {said}"
    return replace(known, law=found.law.name, evidence=evidence)


def _band(found: _Model, power: PowerFit) -> Callable[[float], tuple[float, float]]:
    """The interval of the next time measured at a size, from the law and the power's interval.

    In logarithms, squares add up: of the powers' distance from the law, and of one size's noise.
    """
    count = len(found.series.sizes)
    freedom = count - _PARAMETERS
    noise = math.sqrt(power.model.squares / freedom * (1 + 1 / count))
    noise *= float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))

    @cache
    def powers() -> list[_Model]:
        return _fit(found.series, [*map(_power, np.linspace(power.low, power.high, 25))])

    def at(size: float) -> tuple[float, float]:
        seconds = found.seconds(size)
        by = [1.0, *(model.seconds(size) / seconds for model in powers())]
        below, above = math.hypot(math.log(min(by)), noise), math.hypot(math.log(max(by)), noise)
        return seconds * math.exp(-below), seconds * math.exp(above)

    return at


def _is_systematic(found: _Model, power: PowerFit) -> bool:
    """Whether neighbouring residuals of the best model are more alike than noise explains."""
    by_law = found.squares <= power.model.squares
    model = found if by_law else power.model
    series, last = model.series, model.series.sizes[-1]
    x = np.log(np.array(series.sizes) / last)
    grown = np.array([model.law.ratio(last, n) for n in series.sizes])
    mixed = (1 - model.mixture) * np.array(series.overhead) + model.mixture * grown
    distance = np.log(series.seconds) - np.log(mixed)
    # Near the fit, residuals are the noise minus the part that scale, mixture and power absorb.
    fitted = [np.ones_like(x), grown / mixed, *([] if by_law else [grown * x / mixed])]
    taken, _ = np.linalg.qr(np.stack(fitted, axis=1))
    noise = _simulated_noise(len(x))
    left = noise - (noise @ taken) @ taken.T
    residuals = np.vstack([distance - distance.mean(), left])
    # Squared differences of neighbours divided by squares: small where neighbours are alike.
    squares = np.maximum((residuals**2).sum(axis=1), 1e-300)
    ratios = (np.diff(residuals, axis=1) ** 2).sum(axis=1) / squares
    return bool(np.mean(ratios[1:] <= ratios[0]) < NOISE_LOOKS_SYSTEMATIC)


@lru_cache(maxsize=16)
def _simulated_noise(count: int) -> Vector:
    return np.random.default_rng(0).standard_normal((2000, count))


def _deciding_size(found: _Model, rivals: Sequence[GrowthLaw], noise: float) -> int | None:
    """The size up to which to time, so that 9 of 10 sweeps exclude all wrong laws."""
    sizes = list(found.series.sizes)
    seconds: list[float] = []
    overhead: list[float] = []
    for _ in range(2 * MOST_DOUBLINGS):
        sizes.append(sizes[-1] * math.sqrt(2))
        added = sizes[len(seconds) :]
        seconds += map(found.seconds, added)
        overhead += map(found.series.overhead_at, added)
        relative = tuple(own / overhead[-1] for own in overhead)
        longer = TimedSeries(tuple(sizes), tuple(seconds), relative)
        if min(model.squares for model in _fit(longer, rivals)) > _POWER_TO_TELL * noise**2:
            return round(sizes[-1])
    return None
