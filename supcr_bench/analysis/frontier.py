"""The memory frontier: the largest batch that fits a device, and the error of such predictions.

Peak bytes are counted without noise, so the sum of growth laws through them reaches far beyond
the measured sizes. How far it can be trusted is tested in every run: before a size is measured, its
peak is predicted from the sizes up to a quarter of it; the prediction is stored with the result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from scipy.optimize import brentq

from supcr_bench.analysis.counted_growth import CountedFit, fit_counted
from supcr_bench.analysis.growth import rising, series_of, size_of
from supcr_bench.values.case import ITEM_BYTES, Case
from supcr_bench.values.result import Result

CAPACITIES_BYTES = tuple(gib * 2**30 for gib in (4, 8, 16, 24, 40, 80))
"""Memory capacities of common devices, in bytes."""
MOST_ROWS = 2**40
CHANGED = 0.1
"""A peak this far from its prediction shows that memory follows another law at larger sizes."""


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """The largest batch whose inputs and peak fit a memory, with its interval."""

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
    points = rising([(r, float(r.peak_bytes)) for r in members if r.peak_bytes])
    return fit_counted(tuple(size_of(r.case) for r, _ in points), tuple(y for _, y in points))


def largest_batch(fit: CountedFit, case: Case, capacity_bytes: float) -> int:

    def total(n: float) -> float:
        return input_bytes(case, n) + fit.predict(fit.sizes[-1].at(n))

    if total(MOST_ROWS) <= capacity_bytes:
        return MOST_ROWS
    if total(2) > capacity_bytes:
        return 0
    # In log-log the bytes are nearly a straight line, so a few steps suffice for the root.
    root = brentq(
        lambda x: math.log(total(math.exp(x)) / capacity_bytes),
        math.log(2),
        math.log(MOST_ROWS),
        xtol=1e-9,
    )
    n = round(math.exp(root))
    return n if total(n) <= capacity_bytes else n - 1


@lru_cache(maxsize=4096)
def batch_interval(fit: CountedFit, batch_size: int) -> tuple[int, int]:
    """The interval of the largest batch, from all sums of growth laws that fit; cached."""
    if batch_size < 2:
        return batch_size, batch_size
    # Near the frontier bytes follow a power of N; its exponent turns their interval into one of N.
    at, beside = (fit.sizes[-1].at(by * batch_size) for by in (1, 1.01))
    predicted, (low, high) = fit.predict(at), fit.bounds(at)
    power = math.log(fit.predict(beside) / predicted) / math.log(1.01)
    if power <= 0:
        return batch_size, batch_size
    fewest, most = (round(batch_size * (predicted / bound) ** (1 / power)) for bound in (high, low))
    return min(fewest, batch_size), max(most, batch_size)


def frontier(results: Sequence[Result]) -> list[FrontierRow]:
    """The largest batch for each capacity, of every series (all sizes of a workload) with a law.

    A series whose last peak was far from its prediction has none.
    """
    rows = []
    for members in series_of(results):
        measured = [r for r in members if r.peak_bytes]
        fit = byte_fit(measured) if measured else None
        tested = [r for r in measured if r.predicted_peak_bytes][-1:]
        changed = any(abs(prediction_error(r)) > CHANGED for r in tested)
        if fit is None or len(fit.laws) == 1 or changed:
            continue
        case = measured[-1].case
        for capacity in CAPACITIES_BYTES:
            batch_size = largest_batch(fit, case, capacity)
            low, high = batch_interval(fit, batch_size)
            name, law = measured[-1].implementation, fit.laws[-1].name
            rows.append(FrontierRow(name, case, capacity, batch_size, low=low, high=high, law=law))
    return rows


def predicted_peaks(results: Sequence[Result]) -> list[Result]:
    """For each series, the result at the largest size with a peak predicted before measuring."""
    tested = [
        [r for r in members if r.peak_bytes and r.predicted_peak_bytes]
        for members in series_of(results)
    ]
    return [members[-1] for members in tested if members]


def prediction_error(result: Result) -> float:
    """The relative error of the predicted peak; 0 without a prediction."""
    return (result.predicted_peak_bytes or 0) / result.peak_bytes - 1 if result.peak_bytes else 0.0
