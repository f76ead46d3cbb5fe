"""How each cost grows with the batch size, in every series (workloads equal but for that size).

Time is noisy and judged by :mod:`~supcr_bench.analysis.timed_growth`; counts and bytes have no
noise and are judged by :mod:`~supcr_bench.analysis.counted_growth`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from supcr_bench.analysis.counted_growth import Size, judge_counted
from supcr_bench.analysis.timed_growth import TimedSeries, judge_timed
from supcr_bench.values.case import Case
from supcr_bench.values.cell import FEWEST_CALLS
from supcr_bench.values.growth_law import LAWS, GrowthVerdict
from supcr_bench.values.metrics import COSTS, ELEMENTS_PROCESSED, MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Series, Status, grouped
from supcr_bench.values.units import format_bytes, format_limit_bytes

RECORDED = ("memory", "work")
"""Stages of a measurement that record each call, which slows it down."""
OF_TENSORS = 0.5
"""Running out of memory contradicts a law that predicts less than this share of the limit."""

Claims = Mapping[str, str | None]
"""The growth laws that an implementation claims, under the keys ``time`` and ``memory``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Growth of one metric of one implementation in a series, of which ``case`` is the largest."""

    implementation: str
    metric: Metric
    case: Case
    sizes: tuple[int, ...]
    bounds: tuple[int, ...]
    claimed: str | None
    last_exponent: float
    verdict: GrowthVerdict

    @property
    def series(self) -> Series:
        return self.implementation, self.case.pass_, self.case.series()


def size_of(case: Case) -> Size:
    return Size(case.batch_size, case.labelled_rows)


def unrounded_size(case: Case) -> float:
    """The N with exactly this number of labelled rows: 16.25 for 13 labelled rows at 20 % NaN."""
    density = case.nan_density or 0.0
    return case.batch_size if density == 1 else case.labelled_rows / (1 - density)


Points = Sequence[tuple[Result, float]]
"""Results with their value of a metric, by rising size."""


def rising(members: Sequence[Result], metric: Metric) -> Points:
    """The results with that metric, and with at least two and ever more labelled rows."""
    kept: list[tuple[Result, float]] = []
    for result in members:
        # Below two rows, log N is 0 or undefined.
        more = result.case.labelled_rows > (kept[-1][0].case.labelled_rows if kept else 1)
        if more and (figure := metric.get(result)):
            kept.append((result, float(figure)))
    return kept


def counts_of(points: Points) -> tuple[tuple[Size, ...], tuple[float, ...]]:
    return tuple(size_of(r.case) for r, _ in points), tuple(figure for _, figure in points)


def series_of(results: Sequence[Result]) -> list[list[Result]]:
    """Groups of results that differ only in the batch size, by rising size."""
    groups = grouped(results, lambda r: r.series).values()
    return [sorted(members, key=lambda r: r.case.batch_size) for members in groups]


def growth_of(results: Sequence[Result], claims: Mapping[str, Claims]) -> list[Growth]:
    series = series_of(results)
    return [
        growth
        for metric in COSTS
        for members in series
        if (growth := growth_in(members, metric, claims.get(members[0].implementation, {})))
    ]


def growth_in(members: Sequence[Result], metric: Metric, claims: Claims) -> Growth | None:
    points = rising(members, metric)
    if len(points) < 2:
        return None
    bounds: Points = ()
    if metric is TIME:
        bounds = time_bounds(members)
        verdict = _beside_counts(judge_timed(_timed_series(points, bounds)), points)
    else:
        verdict = judge_counted(*counts_of(points), peak=metric is MEMORY)
    if metric is MEMORY:
        verdict = _contradicted(verdict, members)
    (before, small), (last, large) = points[-2:]
    step = math.log(last.case.batch_size / before.case.batch_size)
    return Growth(
        implementation=last.implementation,
        metric=metric,
        case=last.case,
        sizes=tuple(r.case.batch_size for r, _ in points),
        bounds=tuple(r.case.batch_size for r, _ in bounds),
        claimed=claims.get((TIME if metric is ELEMENTS_PROCESSED else metric).name),
        last_exponent=math.log(large / small) / step,
        verdict=verdict,
    )


def _beside_counts(verdict: GrowthVerdict, points: Points) -> GrowthVerdict:
    """The verdict on time; its growth law is dropped if the counted elements contradict it.

    Time at these sizes may follow another law than the work does, because of caches, dispatching,
    or work that the counter does not see; such a law does not hold for other sizes.
    """
    if verdict.law is None:
        return verdict
    low, high = verdict.exponent_low, verdict.exponent_high
    first, last = (unrounded_size(points[i][0].case) for i in (0, -1))
    within = [
        law.name
        for law in LAWS.values()
        if low and high and low <= math.log(law.ratio(first, last)) / math.log(last / first) <= high
    ]
    if len(within) > 1:
        said = f"the power's interval spans {' and '.join(within)}; {verdict.evidence}"
        return replace(verdict, law=None, candidates=tuple(within), evidence=said)
    counted = rising([r for r, _ in points], ELEMENTS_PROCESSED)
    work = judge_counted(*counts_of(counted)).candidates
    if not work or verdict.law in work:
        return verdict
    said = (
        f"the times fit {verdict.law} and the elements processed {' or '.join(work)}, so the times "
        f"of these sizes do not decide the law; {verdict.evidence}"
    )
    return replace(verdict, law=None, candidates=(), evidence=said)


def time_bounds(members: Sequence[Result]) -> Points:
    """The results without a time, with a lower bound on it."""
    bounds, timed_out = [], False
    for r in members:
        if r.stage in RECORDED:
            continue  # a recorded call is slower, so its time limit bounds no plain call
        timed_out |= r.status is Status.TIMED_OUT
        if r.time_limit_s is None or r.time_samples_s:
            continue
        if r.status is Status.TIMED_OUT or (r.status is Status.SKIPPED and timed_out):
            bounds.append((r, r.time_limit_s))
        elif r.status is Status.SKIPPED and r.predicted_s is not None:
            # The forecast only says that this number of calls would exceed the limit together.
            bounds.append((r, r.time_limit_s / FEWEST_CALLS))
    return bounds


def _timed_series(points: Points, bounds: Points) -> TimedSeries:
    launches = [float(r.dispatched_ops or 0) for r, _ in points]
    return TimedSeries(
        sizes=tuple(unrounded_size(r.case) for r, _ in points),
        seconds=tuple(y for _, y in points),
        overhead=tuple(n / launches[-1] if all(launches) else 1.0 for n in launches),
        bound_sizes=tuple(unrounded_size(r.case) for r, _ in bounds),
        bound_seconds=tuple(y for _, y in bounds),
    )


def _contradicted(verdict: GrowthVerdict, members: Sequence[Result]) -> GrowthVerdict:
    """The verdict on memory, with a note if a size ran out of memory that should have fitted."""
    for r in members:
        limit, n = r.memory_limit_bytes or 0, r.case.batch_size
        if r.status is Status.OUT_OF_MEMORY and verdict.curve:
            predicted = verdict.curve(n)
            if predicted < OF_TENSORS * limit:
                said = (
                    f"{verdict.evidence}; yet it ran out of {format_limit_bytes(limit)} at N={n}, "
                    f"where its tensors take only {format_bytes(predicted)}"
                )
                return replace(verdict, evidence=said)
    return verdict
