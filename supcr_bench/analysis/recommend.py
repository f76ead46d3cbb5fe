"""Which implementation to use at a batch size, from the results of one run.

The answer is the fastest implementation that is correct and fits the memory. Time and bytes are
interpolated linearly in log-log between measured batch sizes N and between measured numbers of
label dimensions D; between NaN densities, their logarithm is linear in the density. Up to eight
times beyond the measured sizes, time follows its local power of N, and bytes follow their growth
law; beyond the measured D, time and bytes follow their local power of D. The answer names what was
extrapolated. A NaN density outside the measured range gets no answer.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from supcr_bench.analysis.frontier import byte_fit, input_bytes
from supcr_bench.analysis.growth import series_of, size_of
from supcr_bench.analysis.noise import paired_ratio
from supcr_bench.values.axes import WORKLOAD_AXES
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.machine import by_machine
from supcr_bench.values.metrics import TIME
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s, format_limit_bytes

_ASKED = ("batch_size", "dims", "nan_density", "device", "ranks")
_OTHER_AXES = tuple(axis for axis in WORKLOAD_AXES if axis.name not in _ASKED)
"""The axes that a question does not fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The case to run, and the memory limit, if any, for its inputs and peak."""

    batch_size: int
    dims: int = 1
    nan_density: float = 0.0
    device: str = "cpu"
    pass_: Pass = "training"
    memory_bytes: int | None = None


class Source(StrEnum):
    """How a time or a peak was obtained, the most reliable way first."""

    MEASURED = "measured"
    INTERPOLATED = "interpolated"
    EXTRAPOLATED = "extrapolated"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A time or a peak for the question, and how it was obtained."""

    value: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An implementation's time in seconds and peak, if known; and why it is ruled out, if it is."""

    implementation: str
    time: Estimate | None = None
    peak_bytes: Estimate | None = None
    ruled_out: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The recommended implementation, or ``None``; and all candidates, the fastest first."""

    question: Question
    implementation: str | None
    explanation: str
    candidates: tuple[Candidate, ...]


def recommend(results: Sequence[Result], question: Question) -> Recommendation:
    """Answer a question by the results of one run on one kind of machine, ``question.device``."""
    results = by_machine(results)
    asked = [
        r
        for r in results
        if r.case.device == question.device and r.case.pass_ == question.pass_ and r.case.ranks == 1
    ]
    if not asked:
        known = sorted({f"{r.case.pass_} on {r.case.device}" for r in results})
        said = (
            f"This run has no results for {question.pass_} on {question.device}. "
            f"It has {', '.join(known) or 'no results'}."
        )
        return Recommendation(
            question=question, implementation=None, explanation=said, candidates=()
        )
    alike = most_alike(asked)
    # Errors on any labels and sizes count: one that is wrong on ties is never recommended.
    like = alike[0].case.shared
    wrong = [
        r
        for r in asked
        if r.status is Status.WRONG
        and (r.case.dtype, r.case.shared.temperature) == (like.dtype, like.temperature)
    ]
    candidates = [
        _candidate(
            [r for r in alike if r.implementation == name],
            [r for r in wrong if r.implementation == name],
            question,
        )
        for name in dict.fromkeys(r.implementation for r in alike)
    ]
    candidates.sort(key=lambda c: (c.ruled_out is not None, c.time.value if c.time else math.inf))
    usable = [c for c in candidates if c.ruled_out is None]
    return Recommendation(
        question=question,
        implementation=usable[0].implementation if usable else None,
        explanation=_explanation(question, candidates, usable, alike),
        candidates=tuple(candidates),
    )


def most_alike(results: Sequence[Result]) -> list[Result]:
    """The results with the most usual values on the axes that are not asked for."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for r in results:
        shared = r.case.shared
        key = (*(axis.of(shared) for axis in _OTHER_AXES), shared.seed)
        groups.setdefault(key, []).append(r)

    def rank(key: tuple[object, ...]) -> tuple[int, int]:
        usual = sum(v in axis.usual for axis, v in zip(_OTHER_AXES, key, strict=False))
        return usual, len(groups[key])

    return groups[max(groups, key=rank)]


def _candidate(own: Sequence[Result], wrong: Sequence[Result], question: Question) -> Candidate:
    name = own[0].implementation
    if wrong:
        said = f"wrong at {wrong[0].case.describe()}: {wrong[0].reason}"
        return Candidate(implementation=name, ruled_out=said)
    ended = [
        r
        for r in own
        if r.status in (Status.FAILED, Status.OUT_OF_MEMORY, Status.TIMED_OUT)
        and r.case.batch_size <= question.batch_size
        and r.case.dims <= question.dims
        and _same_density(r.case, question)
    ]
    if ended:
        first = min(ended, key=lambda r: r.case.batch_size)
        said = f"{first.status.replace('_', ' ')} at {first.case.describe()}: {first.reason}"
        return Candidate(implementation=name, ruled_out=said)
    time = _estimate(own, question, TIME.get, _time_beyond)
    peak = _estimate(own, question, _peak, _bytes_beyond)
    found = Candidate(implementation=name, time=time, peak_bytes=peak)
    if time is None:
        return replace(found, ruled_out=_why_unknown(own))
    if question.memory_bytes is not None:
        if peak is None:
            return replace(found, ruled_out="too few sizes to extrapolate its memory that far")
        case = replace(own[0].case, dims=question.dims)
        needed = peak.value + input_bytes(case, question.batch_size)
        if needed > question.memory_bytes:
            limit = format_limit_bytes(question.memory_bytes)
            said = f"needs {format_bytes(needed)} ({peak.source}), more than {limit}"
            return replace(found, ruled_out=said)
    return found


def _peak(result: Result) -> float | None:
    # A measured peak may be 0 bytes, which has no logarithm, so 1 byte stands for it.
    return None if result.peak_bytes is None else max(float(result.peak_bytes), 1.0)


def _same_density(case: Case, question: Question) -> bool:
    """Whether the case has the question's NaN density; a labels file matches any."""
    if case.nan_density is None:
        return True
    n = case.batch_size
    return round(case.nan_density * n) == round(question.nan_density * n)


def _why_unknown(own: Sequence[Result]) -> str:
    timed = [r for r in own if r.time_samples_s]
    if not timed:
        if any(r.untimed for r in own):
            return "not timed: its calls were only counted"
        largest = max(own, key=lambda r: r.case.batch_size)
        return f"not timed: {largest.reason or 'no reason is known'}"
    places = dict.fromkeys(r.case.describe_series() for r in timed)
    sizes = sorted({r.case.batch_size for r in timed})
    span = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"timed only at N={span} with {', '.join(places)}, too far from the case asked for"


# --- estimates ---

Figure = Callable[[Result], float | None]
Beyond = Callable[[Sequence[Result], float], float | None]
FURTHEST = 8
"""Times are extrapolated up to this many times the largest batch that was timed."""


def _estimate(
    own: Sequence[Result], question: Question, figure: Figure, beyond: Beyond
) -> Estimate | None:
    by_dims: dict[float, dict[float, Estimate]] = {}
    for members in series_of(own):
        found = _at_size(members, question.batch_size, figure, beyond)
        case = members[0].case
        if found is not None:
            same = all(_same_density(r.case, question) for r in members)
            density = question.nan_density if same else case.nan_density or 0.0
            by_dims.setdefault(case.dims, {})[density] = found
    known = {
        dims: estimate
        for dims, by_density in by_dims.items()
        if (estimate := _along(by_density, question.nan_density, float))
    }
    inside = _along(known, question.dims, math.log)
    return inside or _beyond_dims(known, question.dims)


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


def _beyond_dims(known: Mapping[float, Estimate], dims: int) -> Estimate | None:
    """Extrapolate by the local power of D between the two nearest numbers of dimensions."""
    if len(known) < 2:
        return None
    ordered = sorted(known)
    a, b = ordered[-2:] if dims > ordered[-1] else ordered[:2]
    near = b if dims > b else a
    power = math.log(known[b].value / known[a].value) / math.log(b / a)
    return Estimate(known[near].value * (dims / near) ** power, Source.EXTRAPOLATED)


def _at_size(members: Sequence[Result], n: int, figure: Figure, beyond: Beyond) -> Estimate | None:
    known = {
        float(r.case.batch_size): Estimate(value, Source.MEASURED)
        for r in members
        if (value := figure(r))
    }
    inside = _along(known, n, math.log)
    if inside or not known or n > FURTHEST * max(known):
        return inside
    value_beyond = beyond([r for r in members if figure(r)], n)
    return None if value_beyond is None else Estimate(value_beyond, Source.EXTRAPOLATED)


def _time_beyond(members: Sequence[Result], n: float) -> float | None:
    """Extrapolate by the local power of N between the two nearest sizes."""
    if len(members) < 2:
        return None
    one, other = members[-2:] if n > members[-1].case.batch_size else members[:2]
    x, y = TIME.get(one) or 0.0, TIME.get(other) or 0.0
    a, b = one.case.batch_size, other.case.batch_size
    power = max(0.0, math.log(y / x) / math.log(b / a))
    return float(y * (n / b) ** power)


def _bytes_beyond(members: Sequence[Result], n: float) -> float | None:
    fit = byte_fit(members)
    like = members[-1].case
    return fit.predict(size_of(replace(like, batch_size=int(n)))) if fit else None


# --- the answer ---


def _explanation(
    question: Question,
    candidates: Sequence[Candidate],
    usable: Sequence[Candidate],
    results: Sequence[Result],
) -> str:
    case = results[0].case
    density = "own" if case.nan_density is None else f"{100 * question.nan_density:.3g}%"
    names: dict[float, list[str]] = {}
    for name, tau in dict.fromkeys((r.implementation, r.case.temperature) for r in results):
        names.setdefault(tau, []).append(name)
    taus = "; ".join(
        f"tau={tau:g}" + (f" of {', '.join(own)}" if len(names) > 1 else "")
        for tau, own in names.items()
    )
    where = (
        f"N={question.batch_size}, D={question.dims}, {density} NaN, {question.pass_} on "
        f"{question.device} ({case.dtype}, {taus}, d={case.embedding_size})"
    )
    if not usable:
        reasons = "; ".join(f"{c.implementation}: {c.ruled_out}" for c in candidates)
        return f"At {where} none can be recommended. {reasons}."
    best, *others = usable
    assert best.time is not None
    first = f"about {format_duration_s(best.time.value)} a call ({best.time.source})"
    if best.peak_bytes:
        first += f", {format_bytes(best.peak_bytes.value)} above the inputs"
    rest = [_compared(best, other, results, question) for other in others]
    rest += [f"not {c.implementation}: {c.ruled_out}" for c in candidates if c.ruled_out]
    if Source.EXTRAPOLATED in (c.time.source for c in usable if c.time):
        rest.append("extrapolated figures were not measured")
    second = "; ".join(rest) or "it is the only one in this run"
    return f"At {where}, use {best.implementation}: {first}. {second[0].upper()}{second[1:]}."


def _times(ratio: float) -> str:
    """A ratio in words, as in ``4.4 times``, ``490 times``; ``about`` if it rounds to 1."""
    if ratio < 1.05:
        return "about"
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def _compared(
    best: Candidate, other: Candidate, results: Iterable[Result], question: Question
) -> str:
    assert best.time is not None
    assert other.time is not None
    ratio = other.time.value / best.time.value
    said = f"{other.implementation} takes {_times(ratio)} as long ({other.time.source})"
    met = {
        r.implementation: r
        for r in results
        if (r.case.batch_size, r.case.dims) == (question.batch_size, question.dims)
        and _same_density(r.case, question)
    }
    one, two = met.get(best.implementation), met.get(other.implementation)
    if one and two and one.session == two.session and one.time_samples_s and two.time_samples_s:
        paired = paired_ratio(two.time_samples_s, one.time_samples_s)
        if paired.covers(1):
            return f"{other.implementation} is as fast within the noise"
    return said
