"""Charts along NaN density and dimensions."""

from collections.abc import Callable

from supcr_bench.analysis.findings import find
from supcr_bench.render.charts import charts_of
from supcr_bench.render.charts.drawing import Chart
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series
from tests.render.charts.reading import labels, points, texts


def power(factor: float, exponent: int) -> Callable[[int], float]:
    """Seconds that grow as a power of N."""
    return lambda n: factor * n**exponent


def along_nan() -> list[Result]:
    """Quick at two sizes, slow at one only."""
    found: list[Result] = []
    for density in (0.0, 0.5, 0.9):
        case = {"nan_density": density}
        found += make_series("quick", [64, 256], power(1e-6 * (1 - density), 1), case=case)
        found += make_series("slow", [64], power(1e-6 * (1 - density) ** 2, 2), case=case)
        found.append(make_result("slow", n=256, status=Status.SKIPPED, reason="", case=case))
    return found


def axis_chart(found: list[Result], section: str) -> Chart:
    (drawn,) = (c for c in charts_of(find(found, {})) if c.section == section)
    return drawn


def test_each_implementation_stands_at_its_largest_size_with_every_value() -> None:
    drawn = axis_chart(along_nan(), "nan-density")
    assert drawn.name == "nan-density-forward"
    assert labels(drawn.svg, "quick") == ["quick", "N=256"]
    assert labels(drawn.svg, "slow") == ["slow", "N=64"]
    assert points(drawn.svg, "slow") == [
        "slow, NaN=0%, N=64: 4.10 ms",
        "slow, NaN=50%, N=64: 1.02 ms, 0.25 times the time of NaN=0%",
        "slow, NaN=90%, N=64: 41.0 µs, 0.010 times the time of NaN=0%",
    ]
    title = "NaN=90% takes 0.010 (slow) to 0.10 (quick) times the time of NaN=0% in forward"
    assert drawn.title == title
    for words in (
        "missing labels",
        "time per call, relative to NaN=0%",
        "50%",
        "0.1\u00d7",
    ):
        assert words in texts(drawn.svg)


def test_the_axis_itself_is_no_filter() -> None:
    drawn = axis_chart(along_nan(), "nan-density")
    assert drawn.filters == {
        "device": "cpu",
        "pass": "forward",
        "dims": "1",
        "labels": "continuous",
        "ranks": "1",
    }


def test_dimensions_that_cost_the_same_everywhere_are_said_once() -> None:
    found: list[Result] = []
    for dims in (1, 2, 4):
        for name in ("one", "two"):
            found += make_series(name, [64], power(1e-6 * dims, 1), case={"dims": dims})
    drawn = axis_chart(found, "dims")
    assert drawn.title == "D=4 takes 4.00 (one and two) times the time of D=1 in forward"
    assert labels(drawn.svg, "one") == ["one"]
    assert "N=64" in drawn.subtitle
    assert "two, N=64: 2.00 times at 2, 4.00 times at 4." in drawn.description


def test_dimensions_that_cost_nothing_are_said_to() -> None:
    found: list[Result] = []
    for dims in (1, 2):
        found += make_series("one", [64], power(1e-6, 1), case={"dims": dims})
    drawn = axis_chart(found, "dims")
    assert drawn.title == "D=2 takes the same time as D=1 in forward: one"


def test_a_run_along_no_axis_has_no_such_chart() -> None:
    found = make_series("one", [16, 32], lambda n: 1e-6 * n)
    sections = {c.section for c in charts_of(find(found, {}))}
    assert sections == {"time", "memory"}


def test_any_axis_of_numbers_has_a_chart() -> None:
    found: list[Result] = []
    for tau in (0.05, 0.1):
        case = {"temperature": tau}
        found += make_series("one", [64], power(1e-6 * tau, 1), case=case)
    drawn = axis_chart(found, "temperature")
    assert drawn.title == "tau=0.1 takes 2.00 (one) times the time of tau=0.05 in forward"
