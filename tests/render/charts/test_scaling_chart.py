"""Charts of time and memory against batch size."""

import itertools
import math
import re
import struct

import pytest

from supcr_bench.analysis.findings import find
from supcr_bench.render.charts import charts_of
from supcr_bench.render.charts.drawing import Chart, Drawing
from supcr_bench.render.palette import DARK
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series
from tests.render.charts.reading import SVG, labels, of_class, parsed, points, texts

SIZES = [16, 32, 64, 128, 256, 512]
MANY = [16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512]
HOSTILE = '<script>alert("1")</script>'


def squared(n: int) -> float:
    """Seconds that grow as N^2, to a few hundredths."""
    return 1e-6 * n**2 * (1 + 0.03 * math.sin(7 * n))


def results(slow: str = "slow", quick: str = "quick") -> list[Result]:
    """Two that cross near N=100, and bounds of every kind."""
    found = make_series(slow, MANY, squared, session="s")
    found += make_series(
        quick, SIZES[:4], lambda n: 1e-8 * n**3, lambda n: 64.0 * n**3, session="s"
    )
    found += [
        make_result(quick, n=256, status=Status.OUT_OF_MEMORY, reason="", memory_limit_bytes=2**30),
        make_result("late", n=16, status=Status.TIMED_OUT, reason="", time_limit_s=10.0),
        make_result(
            "last", n=16, status=Status.SKIPPED, reason="", time_limit_s=9.0, predicted_s=50.0
        ),
    ]
    return found


def paired(name: str, unit: float, small: float, large: float) -> list[Result]:
    """Timed in the same rounds at N=16 plainly, at N=32 with noise of a half."""
    noise = [1, 1.5, 0.7, 1.2, 0.6, 1.4, 0.9, 1.1]
    swung = [large * unit * (f if name == "one" else 1 / f) for f in noise]
    return [
        make_result(name, n=16, times=[small * unit] * 8, session="s"),
        make_result(name, n=32, times=swung, session="s"),
    ]


def chart(found: list[Result], name: str) -> Chart:
    drawn = {c.name: c for c in charts_of(find(found, {}))}
    return drawn[name]


def test_time_shows_measured_figures_laws_and_bounds() -> None:
    drawn = chart(results(), "time-forward-1")
    assert labels(drawn.svg, "slow") == ["slow", "N²"]
    assert points(drawn.svg, "slow")[0] == "slow, N=16: 249 µs, 95 % interval 249 to 249 µs"
    assert len(points(drawn.svg, "slow")) == len(MANY)
    assert points(drawn.svg, "late") == ["late, N=16: timed out, limit 10.0 s"]
    assert points(drawn.svg, "last") == ["last, N=16: skipped, about 50.0 s a call predicted"]
    for words in ("time per call", "batch size N", "1 ms", "64", "timed out: above this"):
        assert words in texts(drawn.svg)
    assert "out of memory: above this" not in texts(drawn.svg)


def test_memory_shows_the_limit_that_was_met_and_the_memories_of_gpus_near_by() -> None:
    drawn = chart(results(), "memory-forward-1")
    assert points(drawn.svg, "quick")[-1] == "quick, N=256: out of memory, limit 1 GiB"
    for words in ("limit 1 GiB", "8 GiB", "80 GiB", "out of memory: above this"):
        assert words in texts(drawn.svg)


def test_memories_of_gpus_far_beyond_are_left_out() -> None:
    small = make_series("quick", SIZES, lambda n: 1e-6 * n)
    assert not [t for t in texts(chart(small, "memory-forward-1").svg) if "GiB" in t]


def test_a_crossover_is_marked_with_its_size_and_interval() -> None:
    drawn = chart(results(), "time-forward-1")
    (crossing, *_) = of_class(drawn.svg, "crossing")
    assert {crossing.get("data-one"), crossing.get("data-other")} == {"slow", "quick"}
    said = crossing.findtext(f"{SVG}title") or ""
    found = re.fullmatch(r"slow overtakes quick at N=(\d+), 95 % interval (\d+) to (\d+)", said)
    assert found and 95 <= int(found[1]) <= 105
    assert f"N={found[1]}" in texts(drawn.svg)
    assert drawn.title == f"slow overtakes quick at N={found[1]} in forward"


def test_bounds_stand_at_the_limit() -> None:
    drawn = chart(results(), "time-forward-1")
    heights = {
        e.get("aria-label", "").split(":")[0]: float(use.get("y", ""))
        for e in of_class(drawn.svg, "point")
        for use in e.iter(f"{SVG}use")
    }
    # Ten seconds, and a ninth of nine seconds: a decade apart.
    decade = (heights["slow, N=16"] - heights["slow, N=512"]) / math.log10(
        squared(512) / squared(16)
    )
    assert heights["last, N=16"] - heights["late, N=16"] == pytest.approx(decade, rel=0.02)


def test_no_legend_names_an_implementation_twice() -> None:
    for drawn in charts_of(find(results(), {})):
        assert texts(drawn.svg).count("slow") == 1


def test_names_with_markup_show_as_text() -> None:
    for drawn in charts_of(find(results(HOSTILE, "$x^2$ & <b>"), {})):
        assert "<script" not in drawn.svg and "<b>" not in drawn.svg
        assert not {"script", "b"} & {e.tag.removeprefix(SVG) for e in parsed(drawn.svg).iter()}
        assert points(drawn.svg, HOSTILE)[0].startswith(f"{HOSTILE}, N=16: ")
        assert "$x^2$ & <b>" in texts(drawn.svg)
        assert not parsed(drawn.standalone_svg).findall(f".//{SVG}script")


def test_names_that_no_font_or_no_xml_takes_are_drawn_all_the_same() -> None:
    drawn = chart(make_series("损失\x01\n", SIZES, lambda n: 1e-6 * n), "time-forward-1")
    assert drawn.png().startswith(b"\x89PNG")
    assert labels(drawn.svg, "损失\ufffd\ufffd")[0] == "损失\ufffd\ufffd"


def test_a_long_name_keeps_its_end() -> None:
    name = "a/long/path/to/my_loss.py:MyLoss"
    drawn = chart(make_series(name, SIZES, lambda n: 1e-6 * n), "time-forward-1")
    assert labels(drawn.svg, name)[0] == "…_loss.py:MyLoss"


def test_the_keyboard_reaches_the_first_point_of_each_implementation() -> None:
    drawn = chart(results(), "time-forward-1")
    reached = [
        (e.get("data-implementation"), e.get("tabindex")) for e in of_class(drawn.svg, "point")
    ]
    for _, group in itertools.groupby(reached, key=lambda r: r[0]):
        indices = [index for _, index in group]
        assert indices == ["0"] + ["-1"] * (len(indices) - 1)
    for e in of_class(drawn.svg, "point"):
        assert e.get("role") == "img"
        assert e.get("aria-label") == e.findtext(f"{SVG}title")


def test_a_page_gives_colours_and_size_and_a_file_has_its_own() -> None:
    drawn = chart(results(), "time-forward-1")
    assert "var(--series-" in drawn.svg and "currentColor" in drawn.svg
    assert not re.findall(r"#[0-9a-f]{6}\b", drawn.svg)
    assert "width" not in parsed(drawn.svg).attrib
    assert "font-family" not in drawn.svg and "<style" not in drawn.svg
    assert drawn.title not in texts(drawn.svg)
    assert drawn.title in texts(drawn.standalone_svg)
    assert "#ffffff" in drawn.standalone_svg
    width, height = struct.unpack(">II", drawn.png()[16:24])
    assert width > height > 800


def test_ids_are_unique_on_a_page_and_used_where_they_are() -> None:
    drawn = charts_of(find(results(), {}))
    ids = [e.get("id", "") for c in drawn for e in parsed(c.svg).iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for c in drawn:
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', c.svg))
        assert used == {e.get("id") for e in parsed(c.svg).iter() if e.get("id")}
        assert all(name.startswith(f"{c.name}-") for name in used)


def test_the_same_results_make_the_same_bytes() -> None:
    one, other = (charts_of(find(results(), {})) for _ in range(2))
    assert one == other
    assert one[0].png() == other[0].png()


def test_the_description_says_ranges_laws_crossovers_and_what_is_missing() -> None:
    said = chart(results(), "time-forward-1").description
    for words in (
        "Time per call, forward; D=1, NaN 0%, continuous labels, d=64, cpu",
        "slow: N=16 to 512, 249 µs to 266 ms, grows as N^2.",
        "slow overtakes quick at N=",
        "quick: out of memory at N=256.",
        "late: timed out at N=16.",
    ):
        assert words in said


def test_a_law_that_is_not_told_leaves_its_points_and_says_so() -> None:
    few = make_series("quick", SIZES[:3], lambda n: 1e-6 * n)
    drawn = chart(few, "time-forward-1")
    assert labels(drawn.svg, "quick") == ["quick"]
    open_ = make_series("quick", SIZES[:5], lambda n: 1e-3 + 1e-9 * n)
    assert labels(chart(open_, "time-forward-1").svg, "quick") == ["quick", "growth not decided"]


def test_a_wrong_result_is_hollow() -> None:
    found = make_series("quick", SIZES, lambda n: 1e-6 * n)
    found[1] = make_result(
        "quick", n=32, status=Status.WRONG, times=[3.2e-5] * 8, reason="", peak_bytes=8192
    )
    drawn = chart(found, "time-forward-1")
    wrong = next(e for e in of_class(drawn.svg, "point") if "wrong" in e.get("aria-label", ""))
    assert wrong.get("aria-label", "").startswith("quick, N=32: 32.0 µs")
    assert "fill:var(--paper" in "".join(e.get("style", "") for e in wrong.iter())
    assert "wrong result" in texts(drawn.svg)


def test_a_series_in_which_nothing_was_measured_still_draws_its_bounds() -> None:
    ended = [
        make_result("late", n=n, status=Status.TIMED_OUT, reason="", time_limit_s=2.0)
        for n in (8, 16)
    ]
    (drawn,) = charts_of(find(ended, {}))
    assert drawn.title == "Nothing could be measured in forward"
    assert "timed out: above this" in texts(drawn.svg)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (
            make_series("one", MANY, squared),
            "The time of one grows as N^2 in forward",
        ),
        (make_series("one", SIZES[:3], lambda n: 1e-6 * n), "one takes 64.0 µs at N=64 in forward"),
        (
            make_series("one", SIZES[:3], lambda n: 1e-6 * n)
            + make_series("two", SIZES[:3], lambda n: 2e-6 * n),
            "one is the fastest in forward from N=16 to 64",
        ),
        (
            make_series("one", SIZES[:3], lambda n: 1e-6 * n)
            + make_series("two", SIZES[:3], lambda n: 2e-8 * n**2),
            "two is the fastest in forward up to N=32, one from N=64 on",
        ),
        (
            make_series("one", SIZES[:2], lambda n: 1e-6 * n)
            + make_series("two", SIZES[3:5], lambda n: 1e-6 * n),
            "Time of one and two in forward",
        ),
        (
            make_series("one", SIZES[:3], lambda n: 3e-6 if n == 32 else 1e-6)
            + make_series("two", SIZES[:3], lambda n: 2e-6),
            "one and two are close in forward: which is the fastest changes with N",
        ),
        (
            paired("one", 1e-3, 2.0, 1.0) + paired("two", 1e-3, 1.0, 1.1),
            "two is the fastest in forward up to N=16, one and two tie from N=32 on",
        ),
    ],
)
def test_the_title_says_what_is_seen(found: list[Result], title: str) -> None:
    assert chart(found, "time-forward-1").title == title


def test_memory_that_was_never_measured_at_one_size_is_not_compared() -> None:
    apart = make_series("one", SIZES[:2], lambda n: 1e-6 * n)
    apart += make_series("two", SIZES[3:5], lambda n: 1e-6 * n)
    assert chart(apart, "memory-forward-1").title == "Peak memory of one and two in forward"


def test_the_title_of_memory_holds_the_most_against_the_least() -> None:
    assert (
        chart(results(), "memory-forward-1").title
        == "quick takes 1,024 times the memory of slow at N=128 in forward"
    )


def test_each_definition_is_named_where_implementations_compute_several() -> None:
    found = make_series("one", SIZES[:3], lambda n: 1e-6 * n)
    drawn = chart(found, "time-forward-1")
    assert labels(drawn.svg, "one") == ["one"]
    assert drawn.subtitle.endswith("; definition torchcell")
    other = {"definition": "rank-n-contrast"}
    found += make_series("two", SIZES[:3], lambda n: 2e-6 * n, case=other)
    drawn = chart(found, "time-forward-1")
    assert labels(drawn.svg, "one") == ["one", "torchcell"]
    assert labels(drawn.svg, "two") == ["two", "rank-n-contrast"]
    assert drawn.subtitle.endswith("; definitions as in the legend")


def test_the_legend_is_in_the_order_in_which_the_lines_end() -> None:
    found: list[Result] = []
    for name, factor in (("low", 1e-6), ("high", 9e-6), ("middle", 3e-6)):
        found += make_series(name, SIZES[:3], lambda n, factor=factor: factor * n)  # type: ignore[misc]
    written = texts(chart(found, "time-forward-1").svg)
    names = [text for text in written if text in ("low", "high", "middle")]
    assert names == ["high", "middle", "low"]


def test_a_file_is_dark_where_a_reader_prefers_that() -> None:
    drawn = chart(results(), "time-forward-1").standalone_svg
    for light, dark in DARK.items():
        assert f'[style*="fill: {light}"] {{ fill: {dark} !important }}' in drawn


def test_sizes_of_crossovers_near_each_other_stand_in_different_rows() -> None:
    drawing = Drawing(("one", "two"), (10, 1000), (1, 10))
    for at in (100.0, 104.0, 700.0):
        drawing.crossing(("one", "two"), at, (at, at + 1), "")
    drawing.chart("x", "x", "x", "x", "time", {}, ("N", "s"))
    boxes = [
        text.get_window_extent() for text in drawing.axes.texts if text.get_text().startswith("N=")
    ]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
