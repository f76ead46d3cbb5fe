"""Decides which implementations are the fastest at one size, measured or in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from supcr_bench.analysis.statistics import APART, faster_in, ratio_of
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result

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
