"""Which implementation to use at a batch size, from the results of one run.

The fastest of those that are right and fit the memory. Between measured sizes time and bytes are
interpolated, straight in log-log; so they are between measured numbers of label dimensions, and
between NaN densities straight in the density. Beyond what was measured they follow the growth law,
and that is said.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from supcr_bench.analysis.frontier import byte_fit, input_bytes
from supcr_bench.analysis.growth import exact_size, median_s, series_of
from supcr_bench.analysis.noise import paired_ratio
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s, format_limit_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be run.

    Attributes:
        batch_size: N.
        dims: D.
        nan_density: share of labels missing.
        device: where.
        pass_: forward or training.
        memory_bytes: what inputs and peak have to fit in; ``None`` for no limit.
    """

    batch_size: int
    dims: int = 1
    nan_density: float = 0.0
    device: str = "cpu"
    pass_: Pass = "training"
    memory_bytes: int | None = None


class Source(StrEnum):
    """Where a figure comes from, the surest first."""

    MEASURED = "measured"
    INTERPOLATED = "interpolated"
    EXTRAPOLATED = "extrapolated"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure at the size in question, and where it comes from."""

    value: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One implementation at the size in question.

    Attributes:
        implementation: its name.
        time: seconds per call, if anything is known of it.
        peak_bytes: above the inputs, likewise.
        ruled_out: why it is not to be used, if so.
    """

    implementation: str
    time: Estimate | None = None
    peak_bytes: Estimate | None = None
    ruled_out: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The answer.

    Attributes:
        question: what was asked.
        implementation: the one to use; ``None`` where the run does not tell.
        explanation: in two sentences.
        candidates: all implementations, the fastest first, then those ruled out.
    """

    question: Question
    implementation: str | None
    explanation: str
    candidates: tuple[Candidate, ...]


def recommend(results: Sequence[Result], question: Question) -> Recommendation:
    """Answer a question from the results of one run."""
    asked = [
        r for r in results if r.case.device == question.device and r.case.pass_ == question.pass_
    ]
    if not asked:
        known = sorted({f"{r.case.pass_} on {r.case.device}" for r in results})
        return Recommendation(
            question=question,
            implementation=None,
            explanation=(
                f"This run holds nothing for {question.pass_} on {question.device}. "
                f"It holds {', '.join(known) or 'no results'}."
            ),
            candidates=(),
        )
    alike = most_alike(asked)
    # Labels, sizes and the rest may differ: what is wrong on ties is not right.
    like = (alike[0].case.dtype, alike[0].case.temperature)
    wrong = [
        r for r in asked if r.status is Status.WRONG and (r.case.dtype, r.case.temperature) == like
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
    return _answer(question, candidates, alike)


def most_alike(results: Sequence[Result]) -> list[Result]:
    """The results that differ in size, dimensions and NaN density only: the largest such group."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for r in results:
        c = r.case
        key = (c.embedding_size, c.dtype, c.temperature, c.labels, c.seed)
        groups.setdefault(key, []).append(r)
    return max(groups.values(), key=len)


def _candidate(own: Sequence[Result], wrong: Sequence[Result], question: Question) -> Candidate:
    name = own[0].implementation
    if wrong:
        said = f"wrong at {wrong[0].case.describe()}: {wrong[0].reason}"
        return Candidate(implementation=name, ruled_out=said)
    time = _estimate(own, question, median_s, _time_beyond)
    peak = _estimate(own, question, lambda r: r.peak_bytes, _bytes_beyond)
    found = Candidate(implementation=name, time=time, peak_bytes=peak)
    if time is None:
        ended = max(own, key=lambda r: r.case.batch_size)
        reason = ended.reason or "no figures"
        return replace(found, ruled_out=f"not timed: {reason}")
    if question.memory_bytes is not None:
        if peak is None:
            return replace(found, ruled_out="its memory was not measured")
        needed = peak.value + input_bytes(_case_of(own[0].case, question), question.batch_size)
        if needed > question.memory_bytes:
            limit = format_limit_bytes(question.memory_bytes)
            return replace(found, ruled_out=f"needs {format_bytes(needed)}, more than {limit}")
    return found


def _case_of(like: Case, question: Question) -> Case:
    return replace(like, batch_size=question.batch_size, dims=question.dims)


# --- estimates ---

Figure = Callable[[Result], float | None]
Beyond = Callable[[Sequence[Result], float], float | None]


def _estimate(
    own: Sequence[Result], question: Question, figure: Figure, beyond: Beyond
) -> Estimate | None:
    """A figure of one implementation at the size, dimensions and density in question."""
    by_place: dict[tuple[float, float], Estimate] = {}
    for members in series_of(own):
        found = _at_size(members, question.batch_size, figure, beyond)
        density = members[0].case.nan_density
        if found is not None and density is not None:
            by_place[members[0].case.dims, density] = found
    exact = by_place.get((question.dims, question.nan_density))
    if exact is not None or not by_place:
        return exact
    along_dims = {d: e for (d, x), e in by_place.items() if x == question.nan_density}
    along_density = {x: e for (d, x), e in by_place.items() if d == question.dims}
    for known, at, scale in (
        (along_dims, float(question.dims), math.log),
        (along_density, question.nan_density, float),
    ):
        between = _between(sorted(known), at)
        if between:
            (a, b), (one, other) = between, (known[p] for p in between)
            share = (scale(at) - scale(a)) / (scale(b) - scale(a))
            value = math.exp((1 - share) * math.log(one.value) + share * math.log(other.value))
            return Estimate(value, _least_sure(one.source, other.source, Source.INTERPOLATED))
    nearest = min(
        by_place,
        key=lambda p: (abs(math.log(p[0] / question.dims)), abs(p[1] - question.nan_density)),
    )
    return Estimate(by_place[nearest].value, Source.EXTRAPOLATED)


def _at_size(members: Sequence[Result], n: int, figure: Figure, beyond: Beyond) -> Estimate | None:
    """A figure of one series at a batch size."""
    points = {float(r.case.batch_size): value for r in members if (value := figure(r))}
    if n in points:
        return Estimate(points[n], Source.MEASURED)
    between = _between(sorted(points), n)
    if between:
        a, b = between
        share = math.log(n / a) / math.log(b / a)
        value = math.exp((1 - share) * math.log(points[a]) + share * math.log(points[b]))
        return Estimate(value, Source.INTERPOLATED)
    value_beyond = beyond([r for r in members if figure(r)], n) if points else None
    return None if value_beyond is None else Estimate(value_beyond, Source.EXTRAPOLATED)


def _between(known: Sequence[float], at: float) -> tuple[float, float] | None:
    """The two neighbours that a place lies between."""
    return next(((a, b) for a, b in itertools.pairwise(known) if a <= at <= b), None)


def _least_sure(*sources: Source) -> Source:
    return max(sources, key=list(Source).index)


def _time_beyond(members: Sequence[Result], n: float) -> float | None:
    """By the local power of N between the two nearest sizes: an overhead or a law, as measured."""
    if len(members) < 2:
        return None
    ends = members[-2:] if n > members[-1].case.batch_size else members[:2]
    one, other = ends
    x, y = median_s(one) or 0.0, median_s(other) or 0.0
    a, b = one.case.batch_size, other.case.batch_size
    power = max(0.0, math.log(y / x) / math.log(b / a))
    return float(y * (n / b) ** power)


def _bytes_beyond(members: Sequence[Result], n: float) -> float | None:
    """By the byte law."""
    fit = byte_fit(members)
    like = members[-1].case
    return fit.predict(exact_size(replace(like, batch_size=int(n)))) if fit else None


# --- the answer ---


def _answer(
    question: Question, candidates: Sequence[Candidate], results: Sequence[Result]
) -> Recommendation:
    left = [c for c in candidates if c.ruled_out is None]
    where = (
        f"N={question.batch_size}, D={question.dims}, {question.nan_density:.0%} NaN, "
        f"{question.pass_} on {question.device}"
    )
    if not left:
        reasons = "; ".join(f"{c.implementation}: {c.ruled_out}" for c in candidates)
        return Recommendation(
            question=question,
            implementation=None,
            explanation=f"At {where} none can be recommended. {reasons}.",
            candidates=tuple(candidates),
        )
    best, *others = left
    assert best.time is not None
    parts = [f"about {format_duration_s(best.time.value)} a call ({best.time.source})"]
    if best.peak_bytes:
        parts.append(f"{format_bytes(best.peak_bytes.value)} above the inputs")
    first = f"At {where}, use {best.implementation}: {', '.join(parts)}."
    rest = [_compared(best, other, results, question) for other in others]
    rest += [f"{c.implementation} is out: {c.ruled_out}" for c in candidates if c.ruled_out]
    if Source.EXTRAPOLATED in (c.time.source for c in left if c.time):
        rest.append("what is extrapolated was not measured, and lies beyond what was")
    second = "; ".join(rest) or "it is the only one in this run"
    return Recommendation(
        question=question,
        implementation=best.implementation,
        explanation=f"{first} {second[0].upper() + second[1:]}.",
        candidates=tuple(candidates),
    )


def _compared(
    best: Candidate, other: Candidate, results: Iterable[Result], question: Question
) -> str:
    assert best.time is not None
    assert other.time is not None
    ratio = other.time.value / best.time.value
    said = f"{other.implementation} takes {ratio:.2g} times as long ({other.time.source})"
    met = {
        r.implementation: r
        for r in results
        if r.case.batch_size == question.batch_size
        and (r.case.dims, r.case.nan_density) == (question.dims, question.nan_density)
    }
    one, two = met.get(best.implementation), met.get(other.implementation)
    if one and two and one.session == two.session and one.time_samples_s and two.time_samples_s:
        paired = paired_ratio(two.time_samples_s, one.time_samples_s)
        if paired.covers_one:
            return f"{other.implementation} is as fast within the noise"
    return said
