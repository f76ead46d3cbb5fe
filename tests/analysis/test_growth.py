import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.analysis.growth import TREND_SIZES, Growth, growth_of, slope
from supcr_bench.values.case import Pass
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result
from tests.examples import measured

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=50)
SIZES = (16, 32, 64, 128, 256)


def growth(results: list[Result]) -> list[Growth]:
    """Growth of the first sample."""
    figures = {r.key: r.time_samples_s[0] for r in results if r.time_samples_s}
    return growth_of(results, figures)


@given(
    st.floats(0.5, 4),
    st.floats(1e-9, 1e3),
    st.lists(st.integers(2, 4096), min_size=2, max_size=6, unique=True),
)
@EXAMPLES
def test_a_power_law_has_its_exponent_as_slope(
    exponent: float, constant: float, sizes: list[int]
) -> None:
    costs = [constant * n**exponent for n in sizes]
    assert slope(sizes, costs) == pytest.approx(exponent, abs=1e-8)


def test_a_single_size_has_no_slope() -> None:
    assert slope([64], [1.0]) is None
    assert slope([], []) is None


def test_the_slope_is_the_least_squares_one() -> None:
    assert slope([1, 2, 4], [1.0, 4.0, 2.0]) == pytest.approx(0.5)


def test_the_exponent_is_read_off_the_largest_sizes() -> None:
    """Fixed overhead at small sizes must not pull the law of the large ones down."""
    costs = [1.0, 1.0, 64.0**3, 128.0**3, 256.0**3]
    (found,) = growth([measured(n, c) for n, c in zip(SIZES, costs, strict=True)])
    assert TREND_SIZES == 3
    assert found.exponent == pytest.approx(3)
    assert found.last_exponent == pytest.approx(3)
    assert found.sizes == SIZES
    assert found.costs == tuple(costs)


def test_an_overhead_shows_in_the_exponent_and_less_in_the_last_one() -> None:
    (found,) = growth([measured(n, 1e6 + n**3) for n in SIZES])
    assert found.exponent is not None
    assert found.last_exponent is not None
    assert found.exponent < found.last_exponent < 3


@pytest.mark.parametrize("name", LAWS)
def test_the_local_exponent_of_a_law_is_its_power_and_little_more(name: str) -> None:
    (found,) = growth([measured(n, LAWS[name].of(n)) for n in SIZES])
    power = {"N": 1, "N log N": 1, "N^2": 2, "N^2 log N": 2, "N^3": 3, "N^4": 4}[name]
    assert found.last_exponent is not None
    assert power - 1e-9 <= found.last_exponent <= power + 1 / math.log(64)


def test_each_implementation_pass_and_series_grows_on_its_own() -> None:
    series: list[tuple[str, Pass, int, int]] = [
        ("a", "forward", 1, 1),
        ("a", "training", 1, 2),
        ("a", "forward", 2, 3),
        ("b", "forward", 1, 4),
    ]
    results = [
        measured(n, float(n) ** power, implementation=name, pass_=pass_, dims=dims)
        for name, pass_, dims, power in series
        for n in (64, 32)
    ]
    found = growth(results)
    assert [(g.implementation, g.case.pass_, g.case.dims) for g in found] == [
        ("a", "forward", 1),
        ("a", "training", 1),
        ("a", "forward", 2),
        ("b", "forward", 1),
    ]
    assert [round(g.exponent or 0) for g in found] == [1, 2, 3, 4]
    assert all(g.sizes == (32, 64) and g.case.batch_size == 64 for g in found)


def test_one_size_has_costs_and_no_exponent() -> None:
    (found,) = growth([measured(64, 2.0)])
    assert (found.sizes, found.costs) == ((64,), (2.0,))
    assert found.exponent is None
    assert found.last_exponent is None


def test_results_without_a_figure_are_left_out() -> None:
    whole = [measured(n, float(n)) for n in SIZES]
    holed = [*whole[:2], replace(whole[2], time_samples_s=None), *whole[3:]]
    (found,) = growth(holed)
    assert found.sizes == (16, 32, 128, 256)
    assert growth_of(whole, {}) == []
