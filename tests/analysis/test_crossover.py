"""Crossovers of made-up sweeps. Whether the interval covers the truth is held by simulated ones."""

import math
from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.analysis.crossover import crossings, crossovers
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result

SIZES = (32, 64, 128, 256, 512)
SPREAD = (-0.03, 0.01, 0.02, -0.01, 0.0, 0.03, -0.02)


def timed(name: str, n: int, seconds: float, session: str = "s", **fields: Any) -> Result:
    samples = [seconds * math.exp(e if name == "cubic" else 0.0) for e in SPREAD]
    return make_result(name, n=n, times=samples, session=f"{session} {n}", **fields)


def pair(cubic: float = 1e-9) -> list[Result]:
    results = []
    for n in SIZES:
        results.append(timed("cubic", n, cubic * n**3))
        results.append(timed("square", n, 2.5e-7 * n**2))
    return results


def test_the_size_at_which_both_take_as_long_lies_in_the_interval() -> None:
    (found,) = crossovers(pair())
    assert (found.one, found.other) == ("cubic", "square")
    assert (found.small, found.large) == ("cubic", "square")
    assert found.size == pytest.approx(250, rel=0.03)
    assert found.low is not None
    assert found.high is not None
    assert 200 < found.low < 250 < found.high < 310


def test_none_in_the_measured_range_names_the_faster_one() -> None:
    (found,) = crossovers(pair(cubic=1e-5))
    assert found.size is None
    assert found.small == found.large == "square"


def test_equal_times_cannot_be_told() -> None:
    results = [timed(name, n, 1e-3) for n in SIZES for name in ("cubic", "square")]
    (found,) = crossovers(results)
    assert (found.size, found.small, found.large) == (None, None, None)


def test_two_crossings_are_two_rows() -> None:
    results = []
    for n, ratio in zip(SIZES, (0.2, 5.0, 5.0, 5.0, 0.2), strict=True):
        results += [timed("cubic", n, ratio * 1e-3), timed("square", n, 1e-3)]
    assert [r.small for r in crossovers(results)] == ["cubic", "square"]


def test_a_cubic_that_swings_between_far_sizes_is_no_crossing() -> None:
    results = []
    for n, ratio in zip((64, 256, 1024), (1.09, 1.15, 4.8), strict=True):
        results += [timed("cubic", n, ratio * 1e-3), timed("square", n, 1e-3)]
    (found,) = crossovers(results)
    assert (found.size, found.small, found.large) == (None, "square", "square")


def test_only_right_results_of_one_session_are_paired() -> None:
    apart = [timed("cubic", n, 1e-9 * n**3, session="other") for n in SIZES]
    assert crossovers([*apart, *(r for r in pair() if r.implementation == "square")]) == []
    wrong = [timed("cubic", n, 1e-9 * n**3, status=Status.WRONG) for n in SIZES]
    assert crossovers([*wrong, *(r for r in pair() if r.implementation == "square")]) == []


def test_losses_of_two_definitions_have_no_crossover() -> None:
    other = [
        replace(r, case=replace(r.case, definition="no-self")) if r.implementation == "cubic" else r
        for r in pair()
    ]
    assert crossovers(pair())
    assert crossovers(other) == []


def test_noise_makes_the_interval_wider() -> None:
    def width(deviation: float) -> float:
        logs = [[math.log(n / 250) + deviation * e for e in (-2, -1, 0, 0, 1, 2)] for n in SIZES]
        ((_, _, low, high),), ends = crossings(SIZES, logs)
        assert ends == (-1, 1)
        return high / low

    assert 1 < width(0.01) < width(0.1)
