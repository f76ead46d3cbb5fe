"""The largest batch that fits, and how far off a predicted peak was."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.analysis.counted_growth import Size
from supcr_bench.analysis.frontier import (
    CAPACITIES_BYTES,
    another_path,
    byte_fit,
    frontier,
    input_bytes,
    largest_batch,
    predicted_peaks,
    prediction_error,
)
from supcr_bench.analysis.growth import growth_of
from supcr_bench.values.case import Case
from tests.made_results import make_result, make_series

SIZES = [16, 32, 64, 128, 256]


def test_the_largest_batch_fits_and_one_more_row_does_not() -> None:
    results = make_series("one", SIZES, lambda n: 1e-3, lambda n: 8 * n**3 + 40 * n**2)
    fit = byte_fit(results)
    assert fit is not None
    case = results[0].case
    n = largest_batch(case, 2**32, lambda size: fit.predict(Size(size, size)))
    row = frontier(results)[0]
    assert (row.batch_size, row.capacity_bytes) == (n, 2**32)

    def total(size: int) -> float:
        return 8 * size**3 + 40 * size**2 + input_bytes(case, size)

    assert total(n) <= 2**32 < total(n + 1)
    assert row.low <= n <= row.high
    assert row.high - row.low < 0.02 * n


def test_inputs_are_two_embeddings_and_the_labels_in_their_dtype() -> None:
    assert input_bytes(Case(batch_size=8, dims=3, embedding_size=64), 10) == 10 * 131 * 4
    assert input_bytes(Case(batch_size=8, dtype="bfloat16"), 10) == 10 * 129 * 2


def test_every_series_has_a_row_for_each_capacity() -> None:
    results = make_series("one", SIZES, lambda n: 1e-3, lambda n: 8.0 * n**2)
    results += make_series("two", SIZES, lambda n: 1e-3, lambda n: 8.0 * n**3)
    rows = frontier(results)
    assert [r.capacity_bytes for r in rows] == [*CAPACITIES_BYTES, *CAPACITIES_BYTES]
    assert {r.implementation: r.law for r in rows} == {"one": "N^2", "two": "N^3"}
    assert all(a.batch_size < b.batch_size for a, b in itertools.pairwise(rows[:6]))


def test_too_few_sizes_and_peaks_that_do_not_grow_have_no_frontier() -> None:
    assert frontier(make_series("one", SIZES[:3], lambda n: 1e-3)) == []
    assert frontier(make_series("one", SIZES, lambda n: 1e-3, lambda n: 4096.0)) == []


def test_a_prediction_is_held_against_the_peak_at_the_largest_size() -> None:
    predicted: dict[str, Any] = {
        "predicted_peak_bytes": 990.0,
        "predicted_peak_low_bytes": 980.0,
        "predicted_peak_high_bytes": 1010.0,
        "predicted_peak_from": 64,
    }
    results = [
        make_result("one", n=128, peak_bytes=500, **predicted),
        make_result("one", n=256, peak_bytes=1000, **predicted),
    ]
    (row,) = predicted_peaks(results)
    assert (row.case.batch_size, row.predicted_peak_from) == (256, 64)
    assert prediction_error(row) == pytest.approx(-0.01)


def test_memory_that_left_its_law_has_no_frontier() -> None:
    results = make_series("one", SIZES, lambda n: 1e-3, lambda n: 8.0 * n**2)
    assert frontier(results)
    results[-1] = replace(results[-1], peak_bytes=4 * SIZES[-1] ** 2)
    assert frontier(results) == []


def test_a_prediction_across_another_path_is_told_from_one_that_is_off() -> None:
    """Blocks that begin at N=128 are seen in the operations; the peak was predicted from N=32."""
    sizes = [8, 12, 16, 24, 32, 128]
    results = [
        make_result(
            "one",
            n=n,
            peak_bytes=8 * min(n, 64) * n,
            dispatched_ops=60 if n < 128 else 110,
            predicted_peak_bytes=8.0 * n**2 if n == 128 else None,
            predicted_peak_from=32 if n == 128 else None,
        )
        for n in sizes
    ]
    (predicted,) = predicted_peaks(results)
    assert another_path(predicted, growth_of(results, {})) == 128
    usual = [replace(r, dispatched_ops=60, peak_bytes=8 * r.case.batch_size**2) for r in results]
    assert another_path(predicted, growth_of(usual, {})) is None
