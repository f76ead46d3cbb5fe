"""How many charts a run has, and how large they are."""

from collections.abc import Callable
from importlib import resources

from supcr_bench.analysis.findings import Findings, find
from supcr_bench.render.charts import charts_of
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result
from tests.made_results import make_series

SIZES = [16, 32, 64, 128, 256, 512]


def squared(factor: float) -> Callable[[int], float]:
    """Seconds that grow as N^2."""
    return lambda n: factor * n**2


def many(implementations: int, sizes: list[int], settings: int) -> list[Result]:
    """Of every pass; the last settings have two sizes more than the others."""
    found: list[Result] = []
    for setting in range(settings):
        own = sizes if setting >= settings - 2 else sizes[:-2]
        for pass_ in PASSES:
            for i in range(implementations):
                found += make_series(
                    f"implementation {i}",
                    own,
                    squared(1e-6 * (i + 1)),
                    pass_=pass_,
                    case={"dims": 1 + setting % 10, "nan_density": setting // 10 / 20},
                )
    return found


def without_laws(results: list[Result]) -> Findings:
    """Findings in which growth is not judged: that takes long, and is not what is looked at."""
    return Findings(
        results=results,
        growth=(),
        crossovers=(),
        frontier=(),
        predictions=(),
        noise=None,
        claims=(),
    )


def test_the_series_with_the_most_sizes_come_first_and_there_are_few() -> None:
    drawn = charts_of(without_laws(many(1, SIZES, 12)), at_most=3)
    time = [c for c in drawn if c.section == "time"]
    assert len(time) == len([c for c in drawn if c.section == "memory"]) == 3 * len(PASSES)
    assert [c.filters["dims"] for c in time[::2]] == ["1", "2", "1"]
    assert [c.filters["nan-density"] for c in time[::2]] == ["5%", "5%", "0%"]
    assert [c.name for c in time[:3]] == ["time-forward-1", "time-training-1", "time-forward-2"]


def test_a_run_of_five_thousand_results_has_charts_for_one_page() -> None:
    results = many(4, [*SIZES, 1024, 2048], 104)
    assert len(results) >= 4_900
    drawn = charts_of(without_laws(results))
    assert len(drawn) == 20
    assert sum(len(c.svg) for c in drawn) < 600_000


def test_a_chart_with_laws_is_small() -> None:
    sizes = [round(16 * 2 ** (i / 2)) for i in range(15)]
    drawn = charts_of(find(many(3, sizes, 1), {}))
    assert len(drawn) == 4
    assert max(len(c.svg) for c in drawn) < 50_000


def test_of_many_points_some_are_drawn_with_the_first_and_the_last() -> None:
    sizes = list(range(16, 1016))
    drawn = charts_of(without_laws(make_series("one", sizes, lambda n: 1e-6 * n)))[0]
    assert len(drawn.svg) < 100_000
    assert "one, N=16:" in drawn.svg and "one, N=1015:" in drawn.svg


def test_a_series_with_one_size_has_no_chart() -> None:
    assert charts_of(without_laws(make_series("one", [32], lambda n: n))) == []


def test_a_page_needs_no_address_for_its_charts() -> None:
    css = resources.files("supcr_bench.render").joinpath("report.css").read_text("utf-8")
    assert ".chart .point" in css and "url(" not in css and "@import" not in css
