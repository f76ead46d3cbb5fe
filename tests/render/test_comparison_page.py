"""The page of a comparison."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from supcr_bench.analysis.compare import compare_results
from supcr_bench.render.comparison import figures_table, runs_table
from supcr_bench.render.report import render_comparison
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.machine import environment_differences
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series
from tests.made_runs import ENVIRONMENT, make_run
from tests.outline import outline
from tests.table_marks import toned

HOSTILE = "<script>alert(1)</script>"


def results(name: str = "rowsort", seconds: float = 1e-3) -> list[Result]:
    return make_series(name, [8, 16, 32], lambda n: seconds * n, pass_="training")


def side(own: Sequence[Result], run_id: str = "one", **env: Any) -> Run:
    return make_run(own, run_id, environment=ENVIRONMENT | env)


def page(first: Run, second: Run, reports: Sequence[str | None] = (None, None)) -> str:
    differences = environment_differences(first.environment, second.environment)
    comparison = compare_results(first.results, second.results, differences)
    return render_comparison(first, second, comparison, reports)


def test_the_verdict_is_read_first_and_said_once() -> None:
    text = page(side(results()), side(results(), "two"))
    verdict = "Nothing got worse, as far as these runs can tell."
    assert text.count(verdict) == 1
    assert text.index(verdict) < text.index("3 results in both runs.") < text.index("The two runs")


def test_what_got_worse_is_the_verdict() -> None:
    broken = [replace(r, status=Status.WRONG, reason="off") for r in results()]
    text = page(side(results()), side(broken, "two"))
    assert ">3 results got worse in outcome.</p>" in text
    assert "became wrong: off" in text


def test_both_runs_are_named_and_linked_where_they_have_a_report() -> None:
    text = page(side(results()), side(results(), "two"), ("../one/index.html", None))
    assert 'First: <a href="../one/index.html">one</a>, suite quick' in text
    assert "Second: two, suite quick" in text


def test_what_is_the_same_in_both_environments_steps_back() -> None:
    table = runs_table(side(results()), side(results(), "two", torch="2.7", driver="1"))
    names = [row[0] for row in table.texts]
    assert table.texts[names.index("torch")] == ("torch", "2.6", "2.7")
    assert table.texts[names.index("driver")] == ("driver", "-", "1")
    assert table.texts[names.index("memory")][1:] == ("16 GiB", "16 GiB")
    assert (names.index("cpu"), 1) in toned(table, "quiet")
    assert not {(names.index(n), 1) for n in ("run", "torch", "driver")} & toned(table, "quiet")


def test_every_case_has_its_figures_of_both_runs_side_by_side() -> None:
    first, second = results(), results(seconds=2e-3)[1:]
    second.append(make_result("rowsort", n=64, pass_="training", status=Status.SKIPPED))
    comparison = compare_results(first, second)
    table = figures_table(side(first), side(second, "two"), comparison, "training")
    assert [row[3:5] for row in table.texts] == [
        ("8", "8.00 ms ±0% (8)"),
        ("16", "16.0 ms ±0% (8)"),
        ("32", "32.0 ms ±0% (8)"),
        ("64", "absent"),
    ]
    assert [row[5] for row in table.texts] == [
        "absent",
        "32.0 ms ±0% (8)",
        "64.0 ms ±0% (8)",
        "skipped",
    ]
    assert table.texts[1][6:] == ("undecided", "2.05 kB", "2.05 kB")
    assert not figures_table(side(first), side(second), comparison, "forward").texts


def test_names_with_markup_in_them_show_as_text() -> None:
    own = [*results(HOSTILE), make_result(HOSTILE, n=64, status=Status.FAILED, reason=HOSTILE)]
    text = page(side(own, HOSTILE), side(own, HOSTILE), (HOSTILE, None))
    assert HOSTILE not in text
    assert outline(text).tags.count("script") == 1  # what the page does
    assert "a &lt;processor&gt;" in text


def test_landmarks_headings_and_ids_are_in_order() -> None:
    found = outline(page(side(results()), side(results(), "two")))
    for once in ("main", "h1", "header", "footer", "nav"):
        assert found.tags.count(once) == 1
    assert len(set(found.ids)) == len(found.ids)
    assert found.headings == [1] + [2] * (len(found.headings) - 1)
    assert {a[1:] for a in found.addresses} <= set(found.ids)


def test_the_same_runs_make_the_same_page() -> None:
    sides = side(results()), side(results(seconds=2e-3), "two")
    assert page(*sides) == page(*sides)
