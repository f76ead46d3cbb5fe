"""Which implementation to use at a batch size, from the results of one run.

The answer is the fastest implementation that is correct and fits the memory, or those that tie.
Time and bytes are interpolated linearly in log-log between measured batch sizes N and between
measured numbers of label dimensions D; between NaN densities, their logarithm is linear in the
density. Up to eight times beyond the measured sizes, both are extrapolated by their growth laws (a
time without a law, by its local power of N); beyond the measured D, by their local power of D. The
answer names what was extrapolated. A NaN density outside the measured range gets no answer.
"""

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from supcr_bench.analysis.frontier import byte_fit, input_bytes
from supcr_bench.analysis.growth import growth_in, series_of, size_of
from supcr_bench.analysis.statistics import APART, faster_in, ratio_of
from supcr_bench.analysis.summary import setting_of
from supcr_bench.values.axes import WORKLOAD_AXES, get_axis
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.machine import by_machine
from supcr_bench.values.metrics import MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.units import format_bytes, format_limit_bytes

CLOSE = 1.25
"""Tied implementations are as fast as each other if the interval's ends are this close."""
Place = tuple[float, float, float]
"""Batch size, label dimensions and NaN density."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The case to run, and a limit for inputs and peak together; ``None`` sets no condition."""

    batch_size: int
    dims: int = 1
    nan_density: float = 0.0
    device: str = "cpu"
    pass_: Pass = "training"
    memory_bytes: int | None = None
    definition: str | None = None

    @property
    def place(self) -> Place:
        return self.batch_size, self.dims, self.nan_density


class Source(StrEnum):
    """How a time or a peak was obtained, the most reliable way first."""

    MEASURED = "measured"
    INTERPOLATED = "interpolated"
    EXTRAPOLATED = "extrapolated"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A time or a peak for the question, how it was obtained, and its bounds if extrapolated."""

    value: float
    source: Source
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An implementation's time in seconds and peak, if known; and why it is ruled out, if it is."""

    implementation: str
    time: Estimate | None = None
    peak_bytes: Estimate | None = None
    ruled_out: str | None = None


def same_density(case: Case, question: Question) -> bool:
    """Whether the case has the question's NaN density; a labels file matches any."""
    if case.nan_density is None:
        return True
    n = case.batch_size
    return round(case.nan_density * n) == round(question.nan_density * n)


def places(results: Sequence[Result], question: Question) -> dict[str, dict[Place, Result]]:
    found: dict[str, dict[Place, Result]] = {}
    for r in results:
        density = question.nan_density if same_density(r.case, question) else r.case.nan_density
        if r.time_samples_s and density is not None:
            place = (r.case.batch_size, r.case.dims, density)
            found.setdefault(r.implementation, {})[place] = r
    return found


def faster_at(
    results: Sequence[Result], question: Question
) -> Callable[[Candidate, Candidate], bool]:
    """Whether one candidate is faster, judged at every measured size next to the question's.

    Beyond the measured batch sizes the bands of their growth laws must lie apart too. Without laws,
    and beyond the measured dimensions, the times must differ by a factor of ``APART``, times the
    factor by which the batch exceeds the measured ones.
    """
    at, faster = places(results, question), faster_in(results)

    def decide(one: Candidate, other: Candidate) -> bool:
        own, others = at.get(one.implementation, {}), at.get(other.implementation, {})
        near = own.keys() & others.keys()
        for axis, value in enumerate(question.place):
            below = max((p[axis] for p in near if p[axis] <= value), default=None)
            above = min((p[axis] for p in near if p[axis] >= value), default=None)
            near = {p for p in near if p[axis] in (below, above)}
        if not near or not all(faster(own[p], others[p]) for p in near) or one is other:
            return False
        if not one.time or not other.time:
            return False
        if Source.EXTRAPOLATED not in (one.time.source, other.time.source):
            return True
        high, low = one.time.high, other.time.low
        if high is not None and low is not None:
            return high < low
        beyond = question.batch_size / max(p[0] for p in near)
        return max(APART, beyond) * one.time.value < other.time.value

    return decide


def alike(tied: Sequence[Candidate], results: Sequence[Result], question: Question) -> bool:
    """Whether tied candidates take about as long, by the intervals of their ratios."""
    at = places(results, question)
    found = [at.get(c.implementation, {}).get(question.place) for c in tied]
    best, *others = found or [None]
    ratios = [ratio_of(other, best) if best and other else None for other in others]
    return bool(ratios) and all(r and r.high and r.low and r.high < CLOSE * r.low for r in ratios)


_ASKED = ("batch_size", "dims", "nan_density", "device", "ranks")
_OTHER_AXES = tuple(axis for axis in WORKLOAD_AXES if axis.name not in _ASKED)
"""The axes that a question does not fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The recommended implementation, or ``None``; those that tie with it; and all candidates.

    Attributes:
        candidates: the fastest first; several that tie include the recommended one.
        results: those that decided it, which are most alike on the axes that were not asked for.
        available: what the run has instead, if there are no such results.
    """

    question: Question
    implementation: str | None = None
    candidates: tuple[Candidate, ...] = ()
    tied: tuple[str, ...] = ()
    results: tuple[Result, ...] = ()
    available: tuple[str, ...] = ()


def recommend(
    results: Sequence[Result], question: Question, refuted: Collection[str] = ()
) -> Recommendation:
    """The answer by the results of one run; verification found the ``refuted`` ones wrong."""
    results = by_machine(results)
    wanted = (question.device, question.pass_, 1)
    definition = question.definition
    asked = [
        r
        for r in results
        if (r.case.device, r.case.pass_, r.case.ranks) == wanted
        and definition in (None, r.case.definition)
    ]
    if not asked:
        known = sorted({f"{r.case.pass_} on {r.case.device}" for r in results})
        known += sorted({r.case.definition for r in results}) if definition else []
        return Recommendation(question=question, available=tuple(known))
    own_axes = most_alike(asked)
    candidates = []
    for name, own in grouped(own_axes, lambda r: r.implementation).items():
        time, peak = (_estimate(own, question, metric) for metric in (TIME, MEMORY))
        why_not = _why_wrong(own[0], [*asked, *results])
        if name in refuted:
            why_not = "verification found it wrong"
        why_not = why_not or _why_not(own, question, time, peak)
        candidates.append(Candidate(name, time, peak, why_not))
    candidates.sort(key=lambda c: (c.ruled_out is not None, c.time.value if c.time else math.inf))
    usable = [c for c in candidates if c.ruled_out is None]
    faster = faster_at(own_axes, question)
    tied = [c for c in usable if not any(faster(other, c) for other in usable)] or usable
    alone = len(tied) == 1 or alike(tied, own_axes, question)
    return Recommendation(
        question=question,
        implementation=tied[0].implementation if tied and alone else None,
        candidates=tuple(candidates),
        tied=tuple(c.implementation for c in tied),
        results=tuple(own_axes),
    )


def measured_place(
    results: Sequence[Result], batch_size: int, dims: int | None, nan_density: float | None
) -> tuple[int, float]:
    """The given ``dims`` and ``nan_density``; for ``None``, a value measured at this batch size."""
    largest: dict[tuple[int, float], int] = {}
    for r in results:
        key = r.case.dims, r.case.nan_density or 0.0
        largest[key] = max(r.case.batch_size if r.time_samples_s else 0, largest.get(key, 0))

    def rank(key: tuple[int, float]) -> tuple[object, ...]:
        fits = dims in (None, key[0]), nan_density in (None, key[1])
        return *fits, largest[key] >= batch_size, key == (1, 0.0), largest[key]

    place = max(largest, key=rank, default=(1, 0.0))
    return dims or place[0], place[1] if nan_density is None else nan_density


def most_alike(results: Sequence[Result]) -> list[Result]:
    """The results with the most usual values on the axes that are not asked for."""

    def others(r: Result) -> tuple[object, ...]:
        shared = r.case.shared
        return (*(axis.of(shared) for axis in _OTHER_AXES), shared.seed)

    groups = grouped(results, others)

    def rank(key: tuple[object, ...]) -> tuple[int, int]:
        usual = sum(v in axis.usual for axis, v in zip(_OTHER_AXES, key, strict=False))
        return usual, len(groups[key])

    return groups[max(groups, key=rank)]


def _why_wrong(own: Result, known: Sequence[Result]) -> str | None:
    """Where an implementation is wrong at its dtype and temperature, in any pass, on any device."""
    wrong = (r for r in known if r.status is Status.WRONG and setting_of(r) == setting_of(own))
    bad = next(wrong, None)
    if bad is None:
        return None
    where = f"in {bad.case.pass_} " if bad.case.pass_ != own.case.pass_ else ""
    where += f"on {bad.case.device} " if bad.case.device != own.case.device else ""
    return f"wrong {where}at {bad.case.describe()}: {bad.reason}"


def _why_not(
    own: Sequence[Result], question: Question, time: Estimate | None, peak: Estimate | None
) -> str | None:
    """Why an implementation that is right cannot be used; ``None`` if it can."""
    measured, asked = time is not None and time.source is Source.MEASURED, question.batch_size
    ended = [
        r
        for r in own
        if not r.status.has_figures
        and (r.case.batch_size == asked or r.status is not Status.SKIPPED)
        and r.case.batch_size <= asked
        and r.case.dims <= question.dims
        and same_density(r.case, question)
    ]
    if ended and not measured:
        first = min(ended, key=lambda r: r.case.batch_size)
        return f"{first.status.words} at {first.case.describe()}: {first.reason}"
    if time is None:
        return _why_unknown(own, question)
    if question.memory_bytes is None:
        return None
    if peak is None:
        known = any(r.peak_bytes is not None for r in own)
        return "too few sizes to predict its memory" if known else "its memory was not measured"
    case = replace(own[0].case, dims=question.dims)
    inputs = input_bytes(case, question.batch_size)
    least, most = (inputs + (end or peak.value) for end in (peak.low, peak.high))
    if most <= question.memory_bytes:
        return None
    limit = format_limit_bytes(question.memory_bytes)
    if least <= question.memory_bytes:
        return f"may need up to {format_bytes(most)} ({peak.source}), more than {limit}"
    return f"needs {format_bytes(least)} ({peak.source}), more than {limit}"


def _why_unknown(own: Sequence[Result], question: Question) -> str:
    timed = [r for r in own if r.time_samples_s]
    if not timed:
        if any(r.untimed for r in own):
            return "not timed: its calls were only counted"
        largest = max(own, key=lambda r: r.case.batch_size)
        return f"not timed: {largest.reason or 'no reason is known'}"
    for name in ("nan_density", "dims", "batch_size"):
        axis, asked = get_axis(name), getattr(question, name)
        values = sorted({v for r in timed if (v := axis.of(r.case)) is not None})
        inside = values and values[0] <= asked <= values[-1]
        if values and not (inside or (name == "batch_size" and asked <= FURTHEST * values[-1])):
            span = " to ".join(dict.fromkeys(axis.text(v) for v in (values[0], values[-1])))
            return (
                f"timed at {axis.short} {span}, too far from {axis.text(asked)}; "
                f"choose --{axis.id} in that range"
            )
    places = ", ".join(dict.fromkeys(r.case.describe() for r in timed))
    return f"timed only at {places}: too few cases to predict its time"


# --- estimates ---

FURTHEST = 8
"""Times are extrapolated up to this many times the largest batch that was timed."""


def _estimate(own: Sequence[Result], question: Question, metric: Metric) -> Estimate | None:
    by_dims: dict[float, dict[float, Estimate]] = {}
    for members in series_of(own):
        found = _at_size(members, question.batch_size, metric)
        case = members[0].case
        if found is not None:
            same = all(same_density(r.case, question) for r in members)
            density = question.nan_density if same else case.nan_density or 0.0
            by_dims.setdefault(case.dims, {})[density] = found
    known = {
        dims: estimate
        for dims, by_density in by_dims.items()
        if (estimate := _along(by_density, question.nan_density, float))
    }
    return _along(known, question.dims, math.log) or _by_power(known, question.dims)


def _at_size(members: Sequence[Result], n: int, metric: Metric) -> Estimate | None:
    # A measured peak may be 0 bytes, which has no logarithm, so 1 byte is used instead.
    least = 1.0 if metric is MEMORY else 0.0
    figures = [(r, max(float(f), least)) for r in members if (f := metric.get(r)) is not None]
    known = {float(r.case.batch_size): Estimate(f, Source.MEASURED) for r, f in figures if f}
    inside = _along(known, n, math.log)
    if inside or not known or n > FURTHEST * max(known):
        return inside
    if metric is MEMORY:
        if (fit := byte_fit(members)) is None:
            return None
        size = size_of(replace(members[0].case, batch_size=n))
        return Estimate(fit.predict(size), Source.EXTRAPOLATED, *fit.bounds(size))
    found, growth = _by_power(known, n, least=0.0), growth_in([r for r, _ in figures], TIME, {})
    if found and growth and growth.verdict.curve and growth.verdict.band:
        low, high = growth.verdict.band(n)
        return Estimate(growth.verdict.curve(n), Source.EXTRAPOLATED, low, high)
    return found


def _by_power(
    known: Mapping[float, Estimate], at: float, least: float = -math.inf
) -> Estimate | None:
    """Extrapolate to ``at`` with the power of the two nearest figures, but at least ``least``."""
    if len(known) < 2:
        return None
    ordered = sorted(known)
    a, b = ordered[-2:] if at > ordered[-1] else ordered[:2]
    near = b if at > b else a
    power = max(least, math.log(known[b].value / known[a].value) / math.log(b / a))
    return Estimate(float(known[near].value * (at / near) ** power), Source.EXTRAPOLATED)


def _along(
    known: Mapping[float, Estimate], at: float, scale: Callable[[float], float]
) -> Estimate | None:
    """The figure at a value of an axis, measured there or interpolated between two values."""
    if at in known:
        return known[at]
    for a, b in itertools.pairwise(sorted(known)):
        if a <= at <= b:
            share = (scale(at) - scale(a)) / (scale(b) - scale(a))
            one, other = known[a], known[b]
            value = math.exp((1 - share) * math.log(one.value) + share * math.log(other.value))
            surest_first = list(Source).index
            source = max(one.source, other.source, Source.INTERPOLATED, key=surest_first)
            return Estimate(value, source)
    return None
