"""The memory frontier: the largest batch that fits a device, and the error of such predictions.

Peak bytes are counted without noise, so a sum of growth laws that fits them exactly can be
extrapolated; where none does, nothing is predicted. How far it can be trusted is tested in every
run, which predicts peaks before it measures them (``supcr_bench/sweep/forecast.py``).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from supcr_bench.analysis.counted_growth import CountedFit, fit_counted
from supcr_bench.analysis.growth import Growth, counts_of, rising, series_of
from supcr_bench.values.case import ITEM_BYTES, Case
from supcr_bench.values.metrics import DISPATCHED_OPS, ELEMENTS_PROCESSED, MEMORY
from supcr_bench.values.result import Result

CAPACITIES_BYTES = tuple(gib * 2**30 for gib in (4, 8, 16, 24, 40, 80))
"""Memory capacities of common devices, in bytes."""
CHANGED = 0.1
"""A peak this far from its prediction shows that memory follows another law at larger sizes."""


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """The largest batch whose inputs and peak fit a memory, if no other path follows ``case``."""

    implementation: str
    case: Case
    capacity_bytes: int
    batch_size: int
    low: int
    high: int
    law: str


def input_bytes(case: Case, batch_size: float) -> float:
    return batch_size / case.ranks * (2 * case.embedding_size + case.dims) * ITEM_BYTES[case.dtype]


def byte_fit(members: Sequence[Result]) -> CountedFit | None:
    """The fit of the peaks of one series by rising size; ``None`` if it could not predict."""
    fit = fit_counted(*counts_of(rising(members, MEMORY)))
    return fit if fit and fit.is_firm else None


def largest_batch(case: Case, capacity_bytes: float, peak: Callable[[float], float]) -> int:
    """The largest batch whose inputs fit beside the peak, a function of the batch size."""
    most = int(capacity_bytes / input_bytes(case, 1))

    def total(n: int) -> float:
        return input_bytes(case, n) + peak(n)

    n = bisect_right(range(most + 1), capacity_bytes, lo=2, key=total) - 1
    return n if n >= 2 else 0


def frontier(results: Sequence[Result]) -> list[FrontierRow]:
    """The largest batches of each series with a law whose last peak was near its prediction."""
    rows = list[FrontierRow]()
    for members in series_of(results):
        fit, tested = byte_fit(members), predicted_peaks(members)
        if fit and len(fit.laws) > 1 and all(abs(prediction_error(r)) <= CHANGED for r in tested):
            rows += _rows([r for r in members if r.peak_bytes][-1], fit)
    return rows


def _rows(last: Result, fit: CountedFit) -> Iterator[FrontierRow]:
    for size in CAPACITIES_BYTES:
        yield FrontierRow(
            implementation=last.implementation,
            case=last.case,
            capacity_bytes=size,
            batch_size=largest_batch(last.case, size, lambda n: fit.predict(fit.at(n))),
            low=largest_batch(last.case, size, lambda n: fit.bounds(fit.at(n))[1]),
            high=largest_batch(last.case, size, lambda n: fit.bounds(fit.at(n))[0]),
            law=fit.laws[-1].name,
        )


def predicted_peaks(results: Sequence[Result]) -> list[Result]:
    """For each series, the result at the largest size with a peak predicted before measuring."""
    tested = (
        [r for r in members if r.peak_bytes and r.predicted_peak_bytes]
        for members in series_of(results)
    )
    return [members[-1] for members in tested if members]


def prediction_error(result: Result) -> float:
    return (result.predicted_peak_bytes or 0) / result.peak_bytes - 1 if result.peak_bytes else 0.0


def another_path(predicted: Result, growth: Sequence[Growth]) -> int | None:
    """The size from which another path is taken, if the prediction of a peak had to cross it.

    Counts show it where they leave their law; a peak only where it is lower than its law predicts.
    """
    shown_by = [ELEMENTS_PROCESSED, DISPATCHED_OPS]
    if prediction_error(predicted) > CHANGED:
        shown_by.append(MEMORY)
    own = (g for g in growth if g.metric in shown_by and g.series == predicted.series)
    first, last = predicted.predicted_peak_from or 0, predicted.case.batch_size
    found = (g.verdict.changes_at for g in own)
    return min((n for n in found if n and first < n <= last), default=None)
