"""Scaling plots."""

import struct

from supcr_bench.render.plots import scaling_plots
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series


def results() -> list[Result]:
    found = make_series("rowsort", [32, 64, 128], lambda n: 1e-6 * n**2)
    found += make_series("rowsort", [32, 64, 128], lambda n: 3e-6 * n**3, pass_="training")
    found += make_series("broadcast", [32, 64], lambda n: 1e-7 * n**3, lambda n: 8.0 * n**3)
    found += [
        make_result(
            "broadcast", n=128, status=Status.OUT_OF_MEMORY, reason="", memory_limit_bytes=2**30
        ),
        make_result("loopy", n=64, status=Status.TIMED_OUT, reason="", time_limit_s=10.0),
        make_result("loopy", n=128, status=Status.SKIPPED, reason="", predicted_s=50.0),
    ]
    return found


def test_a_plot_shows_laws_limits_and_what_was_not_measured() -> None:
    (plot,) = scaling_plots(results())
    for words in (
        "time per call, forward",
        "time per call, training",
        "peak memory above the inputs, forward",
        "N³",
        "N² log N",
        "budget: 1.11 s a call",
        "limit 1 GiB",
        "out of memory, at the limit",
        "timed out, at the limit",
        "skipped, at the predicted time",
        "rowsort",
    ):
        assert words in plot.svg
    width, height = struct.unpack(">II", plot.png[16:24])
    assert plot.png.startswith(b"\x89PNG")
    assert width > height > 800


def test_the_same_results_draw_the_same_svg() -> None:
    assert scaling_plots(results())[0].svg == scaling_plots(results())[0].svg


def test_a_series_with_one_size_has_no_scaling_plot() -> None:
    assert scaling_plots(make_series("rowsort", [32], lambda n: n)) == []


def test_a_series_in_which_nothing_was_measured_still_draws_its_bounds() -> None:
    ended = [
        make_result("loopy", n=n, status=Status.TIMED_OUT, reason="", time_limit_s=2.0)
        for n in (8, 16)
    ]
    (plot,) = scaling_plots(ended)
    assert "timed out, at the limit" in plot.svg


def test_each_series_has_a_plot_of_its_own() -> None:
    found = make_series("rowsort", [8, 16], lambda n: n * 1e-6)
    found += make_series("rowsort", [8, 16], lambda n: n * 1e-6, case={"dims": 3})
    assert [p.name for p in scaling_plots(found)] == ["scaling-1", "scaling-2"]
    assert "D=3" in scaling_plots(found)[1].title
