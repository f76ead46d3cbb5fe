"""The charts of runs: what they show, and that nothing in them covers anything else."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.text import Text

from supcr_bench.analysis.findings import find
from supcr_bench.render.charts import LEVEL_LAW, charts_of
from supcr_bench.render.drawing import Chart
from supcr_bench.render.palette import SERIES
from supcr_bench.store.run import load_run
from supcr_bench.sweep.plan import make_plan
from supcr_bench.sweep.suite import load_suite
from supcr_bench.values.case import PASSES
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series
from tests.render.chart_propositions import legends_hold
from tests.render.falsehoods import still_holds

ROOT = Path(__file__).parents[2]
Box = tuple[float, float, float, float]
OTHERS = {"default", "gpu", "compile"}
"""Of two there are stored runs, and the third has four of the sizes of ``rank-n-contrast``."""
SUITES = sorted({path.stem for path in (ROOT / "suites").glob("*.toml")} - OTHERS)
ALONG_AXES = {"dimensions", "nan", "ranks"}
"""Their three sizes are among those of another suite, and few sizes are in the stored runs."""
NAMES = ("loopy", "broadcast", "rowsort", "batched", "scan", "tiled")


def stored(run: str) -> list[Result]:
    return list(load_run(ROOT / run).results)


def of_suite(name: str) -> list[Result]:
    """Results of a suite as a small machine would give them: near each other where N is small."""
    random = np.random.default_rng(17)
    laws = dict(zip(NAMES, ("N^4", "N^3", "N^3", "N^2 log N", "N^2", "N^2"), strict=True))
    found = []
    for cell in make_plan(load_suite(name), NAMES):
        for arm in cell.arms:
            case, law = cell.case(arm), LAWS[laws[arm.implementation]]
            seconds = 3e-4 + law.of(case.batch_size) * 1e-9 * case.dims
            timed_out = seconds > 2
            found.append(
                Result(
                    implementation=arm.implementation,
                    case=case,
                    status=Status.TIMED_OUT if timed_out else Status.MEASURED,
                    session=case.describe(),
                    time_limit_s=2.0,
                    time_samples_s=None
                    if timed_out
                    else tuple(seconds * random.lognormal(0, 0.1, 8)),
                    peak_bytes=None if timed_out else round(60_000 + law.of(case.batch_size)),
                )
            )
    return found


RUNS = {
    "results/reference": stored,
    "results/gpu": stored,
    "tests/golden/quick": stored,
    **dict.fromkeys(SUITES, of_suite),
}


@pytest.fixture(scope="module", params=RUNS)
def charts(request: pytest.FixtureRequest) -> list[Chart]:
    """Of a made-up run, the first series alone: the others have as many sizes or fewer."""
    results = RUNS[request.param](request.param)
    made = charts_of(find(results, {}), at_most=1 if request.param in SUITES else 3)
    along = request.param in ALONG_AXES
    return [c for c in made if not (along and c.section in ("time", "memory"))]


def marks_in(axes: Axes) -> Iterator[tuple[Line2D, np.ndarray]]:
    """The lines that are marks alone, with the x and y of each mark."""
    for line in axes.lines:
        if line.get_linestyle() == "None":
            yield line, np.column_stack((xs_of(line), ys_of(line)))


def xs_of(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xdata(), dtype=float)


def ys_of(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=float)


def marks_of(chart: Chart) -> Iterator[list[Box]]:
    """The boxes of the marks of each panel."""
    for axes in chart.figure.axes:
        boxes = []
        for line, marks in marks_in(axes):
            half = (line.get_markersize() + line.get_markeredgewidth()) / 2
            for x, y in axes.transData.transform(marks):
                boxes.append((x - half, y - half, x + half, y + half))
        yield boxes


def texts_of(chart: Chart) -> list[tuple[str, Box]]:
    """The boxes of all texts that are drawn."""
    canvas = FigureCanvasAgg(chart.figure)
    chart.figure.draw_without_rendering()
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    # Ticks beyond the ends of an axis are not drawn.
    beyond = {
        tick.label1
        for axes in chart.figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    found = []
    for text in set(chart.figure.findobj(Text)) - beyond:
        assert isinstance(text, Text)
        if not text.get_text().strip() or not text.get_visible():
            continue
        x0, y0, x1, y1 = text.get_window_extent(renderer).extents
        if x1 > max(x0, 0) and y1 > 0 and x0 < canvas.figure.bbox.width:
            found.append((text.get_text(), (x0, y0, x1, y1)))
    return found


def cover(one: Box, other: Box) -> bool:
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > 0.3
        and min(one[3], other[3]) - max(one[1], other[1]) > 0.3
    )


def test_no_two_marks_or_texts_of_a_run_cover_each_other(charts: list[Chart]) -> None:
    for chart in charts:
        texts = texts_of(chart)
        covered = [
            (one[0], other[0])
            for one, other in itertools.combinations(texts, 2)
            if cover(one[1], other[1])
        ]
        assert covered == [], chart.name
        width, height = chart.figure.bbox.width, chart.figure.bbox.height
        for text, (x0, y0, x1, y1) in texts:
            assert x0 >= -0.5 and y0 >= -0.5 and x1 <= width + 0.5 and y1 <= height + 0.5, text
        for marks in marks_of(chart):
            assert not any(cover(a, b) for a, b in itertools.combinations(marks, 2)), chart.name
            assert not any(cover(mark, box) for mark in marks for _, box in texts), chart.name


def test_both_guide_curves_are_drawn_and_named_on_every_chart_against_n(
    charts: list[Chart],
) -> None:
    for chart in charts:
        for axes in chart.figure.axes if chart.section in ("time", "memory") else ():
            labels = [str(line.get_label()) for line in axes.lines]
            drawn = {label for label in labels if label.startswith("guide")}
            if chart.view == "as multiples of the floor":
                assert not drawn
            else:
                assert {"guide: N³", "guide: N² log N"} <= drawn
                legend = axes.get_legend()
                assert legend is not None
                assert drawn <= {text.get_text() for text in legend.get_texts()}


def test_each_legend_names_exactly_what_is_drawn_in_the_order_in_which_the_lines_end(
    charts: list[Chart],
) -> None:
    for chart in charts:
        assert legends_hold(chart), chart.name
    for chart in charts[:1]:
        for legend in (*chart.figure.legends, chart.figure.axes[0].get_legend()):
            texts = legend.get_texts() if legend else []
            for text, other in itertools.pairwise([*texts, *texts[:1]]):
                true = text.get_text()
                for false in {f"{true} too", other.get_text()} - {true}:
                    text.set_text(false)
                    assert not still_holds(legends_hold, chart), (chart.name, true, false)
                text.set_text(true)


def usual(names: Sequence[str] = ("broadcast", "rowsort")) -> list[Result]:
    return [
        result
        for pass_ in PASSES
        for name, power in zip(names, (3, 2), strict=False)
        for n in (16, 32, 64, 128, 256)
        for result in make_series(name, [n], lambda n: 1e-9 * n**power, pass_=pass_)  # noqa: B023
    ]


def drawn(results: Sequence[Result]) -> dict[str, Chart]:
    return {chart.name: chart for chart in charts_of(find(results, {}))}


@cache
def usual_charts() -> dict[str, Chart]:
    """Drawn once, for the tests that only look at them."""
    return drawn(usual())


def test_forward_and_training_stand_side_by_side_on_one_y_axis() -> None:
    left, right = usual_charts()["time-1"].figure.axes
    assert (left.get_title("left"), right.get_title("left")) == PASSES
    assert left.get_ylim() == right.get_ylim()
    assert left.get_xlim() == right.get_xlim()
    assert left.get_yscale() == left.get_xscale() == "log"


def test_the_law_of_the_second_view_is_a_level_line() -> None:
    (axes, _) = usual_charts()["time-1-1"].figure.axes
    guides = {str(line.get_label()): line for line in axes.lines}
    level, steep = (ys_of(guides[f"guide: {law}"]) for law in ("N² log N", "N³"))
    assert np.allclose(level, level[0])
    assert steep[-1] > 10 * steep[0]
    highest = max(marks[:, 1].max() for _, marks in marks_in(axes))
    assert highest == pytest.approx(256**3 / LEVEL_LAW.of(256))


def test_the_third_view_shows_multiples_of_the_floor_where_that_was_measured() -> None:
    over = [
        replace(r, floor_s=1e-9 * r.case.batch_size) for r in usual() if r.case.pass_ != "forward"
    ]
    charts = drawn([*over, *(r for r in usual() if r.case.pass_ == "forward")])
    (axes,) = charts["time-1-2"].figure.axes
    heights = np.concatenate([marks[:, 1] for _, marks in marks_in(axes)])
    assert (heights.min(), heights.max()) == (pytest.approx(16), pytest.approx(256**2))
    assert "time-1-2" not in usual_charts()
    assert "memory-1-2" not in charts


def test_a_page_rounds_places_and_no_text() -> None:
    results = [
        result
        for density, seconds in ((0.0, 1e-3), (0.125, 1.2e-3), (0.25, 1.37e-3))
        for result in make_series("mine", [64], lambda _: seconds, case={"nan_density": density})  # noqa: B023
    ]
    svg = drawn(results)["nan-density-time"].inline_svg()
    assert "12.5%" in svg
    assert re.search(r">1\.\d\d\u00d7<", svg)
    assert not re.search(r' d="[^"]*\d\.\d\d', svg)


def test_the_legend_is_ordered_as_the_lines_end_and_names_the_law() -> None:
    (axes, _) = usual_charts()["memory-1"].figure.axes
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    (times, _) = usual_charts()["time-1"].figure.axes
    ordered = times.get_legend()
    assert ordered is not None
    order = [text.get_text().split()[0] for text in ordered.get_texts()[:2]]
    assert order == ["broadcast", "rowsort"]
    assert "broadcast N²" in names


def test_marks_of_equal_size_stand_beside_each_other_at_their_height() -> None:
    same = [r for name in "abcd" for r in make_series(name, [16, 32, 64], lambda n: 1e-6 * n)]
    (axes,) = drawn(same)["time-1"].figure.axes
    at_16 = [marks[0] for _, marks in marks_in(axes)]
    assert len({x for x, _ in at_16}) == 4
    assert len({y for _, y in at_16}) == 1


def test_what_has_only_a_bound_has_a_mark_of_its_own_and_is_explained() -> None:
    full = make_result(
        "broadcast", n=512, status=Status.OUT_OF_MEMORY, memory_limit_bytes=2**30, time_limit_s=1.0
    )
    late = make_result("broadcast", n=512, status=Status.TIMED_OUT, time_limit_s=1.0)
    wrong = make_result("mine", n=64, times=[1.0] * 8, status=Status.WRONG)
    for name, extra, words in (
        ("memory-1", full, "out of memory: above this"),
        ("time-1", late, "timed out: above this"),
        ("time-1", wrong, "wrong result"),
    ):
        chart = drawn([*usual(), extra])[name]
        (key,) = chart.figure.legends
        assert words in [text.get_text() for text in key.get_texts()]


def test_ids_name_the_implementation_and_results_of_each_mark() -> None:
    chart = usual_charts()["time-1"]
    text = chart.inline_svg()
    tree = ET.fromstring(text.replace("xlink:", "").replace('aria-hidden="true"', ""))
    groups = {i: g for g in tree.iter("{http://www.w3.org/2000/svg}g") if (i := g.get("id"))}
    assert set(chart.cases) <= set(groups)
    assert all(i.startswith("time-1.") for i in groups)
    for gid, cases in chart.cases.items():
        uses = list(groups[gid].iter("{http://www.w3.org/2000/svg}use"))
        assert len(uses) == len(cases)
        assert {NAMED[gid.split(".")[1]]} == {r.implementation for r in cases}
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    other = re.findall(r' id="([^"]+)"', usual_charts()["memory-1"].inline_svg())
    assert not set(ids) & set(other)


NAMED = {"0": "broadcast", "1": "rowsort"}


def test_an_implementation_has_its_colour_in_file_and_page() -> None:
    chart = usual_charts()["time-1"]
    for text in (chart.svg, chart.inline_svg()):
        assert SERIES[0] in text
        assert "prefers-color-scheme" not in text


def test_names_are_shown_as_they_are_and_shortened_at_their_start() -> None:
    hostile, long = "a<b>&$x^2$", "path/to/a/module/of/mine.py:MyLoss"
    text = drawn(usual((hostile, long)))["time-1"].svg
    ET.fromstring(text)
    assert "a&lt;b&gt;&amp;$x^2$" in text
    assert "…e/of/mine.py:MyLoss" in text


def test_an_axis_is_drawn_as_ratios_to_its_first_value() -> None:
    results = [
        make_result(name, times=[t * by] * 8, case={"nan_density": x})
        for name, by in (("a", 1.0), ("b", 2.0))
        for x, t in ((0.0, 1.0), (0.5, 0.5), (0.9, 0.1))
    ]
    chart = drawn(results)["nan-density-time"]
    (axes,) = chart.figure.axes
    assert axes.get_yscale() == "log"
    ends = [marks[-1, 1] for _, marks in marks_in(axes)]
    assert ends == pytest.approx([0.1, 0.1])
    assert "nan-density" not in chart.filters


def test_a_value_that_is_no_number_has_no_place_on_an_axis() -> None:
    results = [
        make_result(n=n, times=[1e-3 * n] * 6, case={"embedding_norm": norm})
        for norm in (None, 2.0, 4.0)
        for n in (32, 64)
    ]
    (axes,) = drawn(results)["embedding-norm-time"].figure.axes
    assert [marks[:, 0].tolist() for _, marks in marks_in(axes)] == [pytest.approx([2.0, 4.0])]


def test_one_size_and_no_figures_have_no_chart() -> None:
    assert not drawn(make_series("a", [16], lambda n: 1.0))
    assert not drawn([make_result("a", n=n, status=Status.FAILED) for n in (8, 16, 32)])


def test_the_same_run_makes_the_same_drawing() -> None:
    assert drawn(usual())["time-1"].svg == usual_charts()["time-1"].svg
