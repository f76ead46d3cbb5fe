"""What README and docs/method.md say of the run on a GPU, by its stored results."""

from pathlib import Path

import pytest

from supcr_bench.store.run import load_run
from supcr_bench.values.metrics import TIME
from supcr_bench.values.result import Result, Status

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results() -> list[Result]:
    found = load_run(ROOT / "results" / "gpu").results
    return [r for r in found if r.peak_bytes is not None]


def test_every_answer_is_right(results: list[Result]) -> None:
    assert {r.status for r in results} == {Status.MEASURED}


def test_the_predicted_peaks_are_near_those_that_the_allocator_counted(
    results: list[Result],
) -> None:
    for r in results:
        if r.predicted_cuda_peak_bytes is None:
            continue
        assert r.peak_bytes is not None
        excess = r.predicted_cuda_peak_bytes / r.peak_bytes - 1
        if (r.implementation, r.case.pass_) == ("rowsort", "training"):
            assert 0.005 < excess < 0.064
        else:
            assert abs(excess) < 0.011


def test_the_row_sort_takes_8_to_116_times_as_long_as_the_broadcast(results: list[Result]) -> None:
    times = {(r.implementation, r.case): TIME.get(r) for r in results}
    ratios = [
        own / other
        for (name, case), own in times.items()
        if name == "rowsort" and own and (other := times.get(("broadcast", case)))
    ]
    assert 8 < min(ratios) < 9
    assert 114 < max(ratios) < 116


def test_a_cpu_predicts_the_same_peaks(results: list[Result]) -> None:
    def case_of(r: Result) -> tuple[object, ...]:
        case = r.case
        return (r.implementation, case.pass_, case.batch_size, case.dims, case.labels)

    here = {
        case_of(r): r.predicted_cuda_peak_bytes
        for r in load_run(ROOT / "results" / "reference").results
    }
    both = [
        (r.predicted_cuda_peak_bytes, here[case_of(r)])
        for r in results
        if r.predicted_cuda_peak_bytes is not None and here.get(case_of(r)) is not None
    ]
    assert len(both) >= 30
    assert all(there == own for there, own in both)
