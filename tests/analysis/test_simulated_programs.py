"""Laws and predictions of peak memory, held against random programs whose truth is known."""

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from supcr_bench.analysis.frontier import CAPACITIES_BYTES, another_path, frontier, input_bytes
from supcr_bench.analysis.growth import growth_in, growth_of
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Budget
from supcr_bench.values.metrics import MEMORY
from supcr_bench.values.result import Result
from tests.analysis.simulated_programs import Program, drawn_program
from tests.made_results import make_result

PROGRAMS = int(os.environ.get("SUPCR_BENCH_SWEEPS", "300"))
SIZES = (
    (16, 24, 32, 48, 64, 96, 128, 256, 512, 1024),
    (16, 24, 32, 48, 64, 128, 256),
    (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256),
    (32, 64, 128, 256, 512, 1024, 2048),
)


def labelled(n: int, nan_density: float) -> int:
    return n - round(nan_density * n)


def measured(program: Program, sizes: tuple[int, ...], nan_density: float) -> list[Result]:
    """What a run counts of a program, with the peaks that it predicts on its way."""
    forecast, results = Forecast(Budget()), []
    for n in sizes:
        m = labelled(n, nan_density)
        counted = make_result(
            "program",
            n=n,
            case={"nan_density": nan_density},
            peak_bytes=program.peak(n, m),
            dispatched_ops=program.dispatched(m),
            elements_processed=program.elements(n, m),
        )
        predicted: dict[str, Any] = dict(forecast.peak("program", counted.case))
        result = replace(counted, **predicted)
        forecast.observe(result)
        results.append(result)
    return results


def largest_batch(program: Program, case: Case, capacity_bytes: int) -> int:
    """The true largest batch with the share of labelled rows of a case."""
    low, high = 2, 2**40
    while high - low > 1:
        n = (low + high) // 2
        total = program.peak(n, round(n * case.labelled_rows / case.batch_size)) + input_bytes(
            case, n
        )
        low, high = (n, high) if total <= capacity_bytes else (low, n)
    return low


@pytest.fixture(scope="module")
def found() -> Counter[str]:
    random, counts = np.random.default_rng(20261126), Counter[str]()
    for k in range(PROGRAMS):
        program, density = drawn_program(random), float(random.choice([0.0, 0.2]))
        sizes = SIZES[k % len(SIZES)]
        results = measured(program, sizes, density)
        rows = [labelled(n, density) for n in sizes]
        if not program.changes(rows[0], 2**40) and k % 3 == 0:
            memory = growth_in(results, MEMORY, {})
            assert memory is not None
            counts["laws"] += 1
            counts["named"] += memory.verdict.law is not None
            counts["wrong"] += memory.verdict.law not in (None, program.law)
        for r in (r for r in results if r.predicted_peak_bytes):
            low, high = r.predicted_peak_low_bytes or 0.0, r.predicted_peak_high_bytes or 0.0
            covered = low * (1 - 1e-9) <= (r.peak_bytes or 0) <= high * (1 + 1e-9)
            known = labelled(r.predicted_peak_from or 0, density)
            if program.changes(known, r.case.labelled_rows):
                counts["across"] += not covered
                counts["across, said"] += (
                    not covered and another_path(r, growth_of(results, {})) is not None
                )
                continue
            counts["same path"] += 1
            counts["same path, covered"] += covered
            counts["same path, narrow"] += high <= 1.1 * low
            if k % 5 == 0:
                counts["said to be another"] += another_path(r, growth_of(results, {})) is not None
        for row in frontier(results):
            if program.changes(rows[-1], 2**40) or row.capacity_bytes not in CAPACITIES_BYTES[::4]:
                continue
            true = largest_batch(program, row.case, row.capacity_bytes)
            counts["frontier, narrow"] += row.high <= 1.03 * row.low
            counts["frontier"] += 1
            counts["frontier, covered"] += row.low - 1 <= true <= row.high + 1
    return counts


def test_no_law_of_a_peak_is_named_against_the_truth(found: Counter[str]) -> None:
    assert found["named"] >= 0.6 * found["laws"]
    assert found["wrong"] <= 0.01 * found["laws"]


def test_a_peaks_interval_covers_it_in_93_percent_and_is_narrow(found: Counter[str]) -> None:
    assert found["same path"] >= 0.5 * PROGRAMS
    assert found["same path, covered"] >= 0.93 * found["same path"]
    assert found["same path, narrow"] >= 0.6 * found["same path"]


def test_a_prediction_that_another_path_spoilt_is_told(found: Counter[str]) -> None:
    assert found["across"] >= 0.01 * PROGRAMS
    assert found["across, said"] >= 0.9 * found["across"]
    assert found["said to be another"] == 0


def test_the_largest_batchs_interval_covers_it_and_is_narrow(found: Counter[str]) -> None:
    assert found["frontier"] >= 0.6 * PROGRAMS
    assert found["frontier, covered"] >= 0.93 * found["frontier"]
    assert found["frontier, narrow"] >= 0.5 * found["frontier"]
