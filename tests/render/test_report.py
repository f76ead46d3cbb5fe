"""The page of a run: what it says, and that it keeps to itself."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from supcr_bench.analysis.findings import find
from supcr_bench.render.answer import refuted
from supcr_bench.render.charts import charts_of
from supcr_bench.render.drawing import Chart
from supcr_bench.render.report import main_figures, render_report
from supcr_bench.render.run_tables import run_tables
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification
from tests.made_results import make_result, make_series
from tests.made_runs import ENVIRONMENT, make_run
from tests.made_verifications import DIAGNOSIS, OFF, make_verification
from tests.outline import outline

HOSTILE = "<script>alert(1)</script>"


def page(
    results: Sequence[Result],
    charts: Sequence[Chart] = (),
    verifications: Sequence[Verification] = (),
    **info: Any,
) -> str:
    run = make_run(results, "20260101T000000Z-<i>x</i>", verifications, **info)
    findings = find(
        results, {"rowsort": {"time": "N^2 log N", "memory": "N^2"}}, refuted(run.verification)
    )
    return render_report(run, findings, run_tables(findings), charts)


def usual() -> list[Result]:
    results = []
    for pass_ in PASSES:
        for n in (16, 24, 32, 48, 64, 256):
            results += make_series(
                "broadcast", [n], lambda n: 1e-9 * n**3, lambda n: 8.0 * n**3, pass_
            )
            results += make_series("rowsort", [n], lambda n: 1e-7 * n**2, pass_=pass_)
    return results


@cache
def usual_page() -> str:
    """With its charts."""
    return page(usual(), charts=charts_of(find(usual(), {}), at_most=1))


def test_names_and_errors_with_markup_in_them_show_as_text() -> None:
    results = make_series(HOSTILE, [8, 16], lambda n: n * 1e-6)
    results.append(make_result(HOSTILE, n=32, status=Status.FAILED, reason=HOSTILE))
    text = page(results, verifications=[make_verification(HOSTILE, replace(OFF, finding=HOSTILE))])
    # The page's own: its data, and what it does.
    assert outline(text).tags.count("script") == 2
    assert HOSTILE not in text
    assert "i" not in outline(text).tags
    assert "&lt;script&gt;" in text
    assert "a &lt;processor&gt;" in text


def test_no_address_leads_away_from_the_page() -> None:
    found = outline(page(usual()))
    assert {a.split(":")[0] if a.startswith("data:") else a[0] for a in found.addresses} == {
        "#",
        "data",
    }


def test_landmarks_headings_and_ids_are_in_order() -> None:
    found = outline(page(usual()))
    for once in ("main", "h1", "header", "footer", "nav"):
        assert found.tags.count(once) == 1
    assert len(set(found.ids)) == len(found.ids)
    steps = zip(found.headings, found.headings[1:], strict=False)
    assert all(b - a <= 1 for a, b in steps)
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)


def test_a_page_of_several_machines_keeps_them_apart_by_name() -> None:
    results = [replace(r, machine="quick1") for r in usual()]
    results += [replace(r, machine="slow22", case=replace(r.case, dims=2)) for r in usual()]
    environments = {
        name: ENVIRONMENT | {"cpu": f"a processor, {name}"} for name in ("quick1", "slow22")
    }
    text = page(results, environments=environments)
    found = outline(text)
    assert len(set(found.ids)) == len(found.ids)
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
    for name in environments:
        assert f"cpu@{name}" in text
        assert f"a processor, {name}" in text
        assert f"cpu, {name}" in text
    alone = [r for r in results if r.machine == "quick1"]
    one = page(alone, environments={"quick1": ENVIRONMENT})
    other = page([replace(r, machine=None) for r in alone])
    assert one.split("run-data")[0] == other.split("run-data")[0]


def test_the_first_screen_answers() -> None:
    text = page(usual())
    first = text[text.index('id="answer"') : text.index('id="filters"')]
    assert "Right: broadcast and rowsort, in all 24 answers (torchcell)." in first
    assert "<caption>training, D=1 NaN 0%</caption>" in first
    assert "rowsort takes less memory than broadcast." in first
    assert "Of 16 claims of the note" in first
    assert "a &lt;processor&gt;, 2 CPUs" in first


def test_what_to_use_has_time_memory_and_speed_over_the_baseline_for_each_size() -> None:
    text = page(usual())
    table = text[text.index('data-name="use-0"') :]
    assert '<td>16<td class="word">broadcast<td>4.10 µs<td>32.8 kB<td>6.25' in table
    assert '<td>256<td class="word">rowsort<td>6.55 ms<td>524 kB<td>' in table
    data = json.loads(re.search(r'id="page-data">(.*?)</script>', text)[1])  # type: ignore[index]
    assert data["names"] == ["broadcast", "rowsort"]
    (broadcast, rowsort) = data["uses"][0][0]
    assert broadcast == [0, 16**3 * 1e-9, 32768, [1]]
    assert rowsort[3] == []


def test_each_sentence_table_and_chart_has_the_classes_of_what_it_speaks_of() -> None:
    text = usual_page()
    classes = dict(re.findall(r'value="(\w+)" data-class="(v\d+)"', text))
    assert set(classes) == {"broadcast", "rowsort", "forward", "training"}
    own = re.search(r'<p class="([^"]*)">24 GiB hold the tensors of rowsort', text)
    assert own
    assert {classes["rowsort"], classes["training"]} <= set(own[1].split())
    assert classes["broadcast"] not in own[1].split()
    assert re.search(rf'<th scope="col" class="{classes["rowsort"]}">rowsort', text)
    around = re.search(r'<div class="([^"]*)">\n<div class="scroll"[^>]*"time-training"', text)
    assert around
    assert classes["training"] in around[1].split()
    assert f':root.no-{classes["rowsort"]} :is(.{classes["rowsort"]}, [id*=".1."])' in text


def test_the_main_figures_are_those_of_the_largest_size_in_training() -> None:
    assert main_figures(find(usual(), {})) == {
        "broadcast, training at N=256 D=1 NaN 0%": pytest.approx(1e-9 * 256**3),
        "rowsort, training at N=256 D=1 NaN 0%": pytest.approx(1e-7 * 256**2),
    }
    assert main_figures(find([make_result(status=Status.FAILED)], {})) == {}


def test_the_same_run_makes_the_same_page() -> None:
    assert page(usual()) == page(usual())


def test_a_run_in_which_everything_failed_has_a_page() -> None:
    failed = (make_result(name, status=Status.FAILED, reason="it broke") for name in ("a", "b"))
    text = page(list(failed))
    assert "No answer: a (1 failed)." in text
    assert "it broke" in text
    assert "N=64 (forward, D=1 NaN 0%): none is both timed and right." in text
    assert not any(
        words in text for words in ('data-name="use-0"', "imes as fast", "imes as\nfast")
    )


def test_of_several_devices_and_definitions_titles_name_the_usual_one_too() -> None:
    def titles(**case: str) -> str:
        found = make_series("one", [8, 16], lambda n: 1e-6 * n)
        found += make_series("other", [8, 16], lambda n: 1e-6 * n, case=case)
        charts = charts_of(find(found, {}), at_most=2)
        text = page(found, [chart for chart in charts if chart.title.startswith("Time per call: ")])
        return " ".join(re.findall(r"<(?:caption|figcaption)[^>]*>([^<]*)", text))

    devices = titles(device="cuda")
    for place in ("forward, D=1 NaN 0% ", "Time per call: D=1 NaN 0% "):
        assert {*re.findall(rf"{place}(\w+)", devices)} == {"cpu", "cuda"}
    assert "forward, D=1 NaN 0%, torchcell" in titles(definition="no-self")
    assert not any(name in titles() for name in ("cpu", "forward, D=1 NaN 0%, torchcell"))


def test_a_single_cell_and_a_single_implementation_have_a_page() -> None:
    single = page(make_series("mine", [8], lambda n: 1e-3))
    assert "Right: mine, in the one answer (torchcell)." in single
    alone = page(make_series("mine", [8, 16, 32], lambda n: 1e-6 * n))
    assert "Right: mine, in all 3 answers (torchcell)." in alone


def test_verification_shows_its_findings_its_diagnosis_and_its_snippet() -> None:
    text = page(usual(), verifications=[make_verification("rowsort", OFF, diagnosis=DIAGNOSIS)])
    for words in (
        "rowsort is not right: torchcell, but the wrong sign.",
        "At fault: ties: the loss is off (N=4)",
        "print(1 &lt; 2)",
    ):
        assert words in text


def test_a_chart_stands_in_its_section_without_a_title_of_its_own() -> None:
    text = usual_page()
    section = text[text.index('id="time"') : text.index('id="memory"')]
    assert "<figcaption" in section
    assert "Time per call: D=1 NaN 0%" in section
    assert "<svg " in section


def test_one_that_is_wrong_anywhere_is_not_what_to_use_anywhere() -> None:
    wrong = make_result(
        "rowsort",
        n=16,
        pass_="training",
        case={"labels": "tied"},
        times=[1.0] * 6,
        status=Status.WRONG,
        reason="off",
    )
    text = page([*usual(), wrong])
    table = text[text.index('data-name="use-0"') :].partition("</table>")[0]
    assert "broadcast" in table
    assert "rowsort" not in table


def test_a_single_implementation_has_no_baseline_and_what_is_not_told_is_counted() -> None:
    results = make_series("rowsort", (16, 64), lambda n: 1e-6 * n)
    text = page(results)
    assert 'id="base"' not in text
    assert "This run decides none of the 16 claims of the note." in text
    assert 'class="open">not decided' not in text


def test_what_failed_is_said_in_the_answer() -> None:
    failed = make_result("rowsort", n=512, status=Status.FAILED, reason="no graph")
    text = page([*usual(), failed])
    section = text[text.index('id="answer"') : text.index('id="filters"')]
    assert "rowsort failed, first in forward at N=512" in section


@pytest.mark.parametrize(
    ("info", "said"),
    [({"caches": "flushed before each timed call"}, "flushed before each"), ({}, "not recorded")],
)
def test_it_says_in_which_state_timed_calls_find_the_caches(
    info: dict[str, Any], said: str
) -> None:
    assert re.search(rf"caches(<[^>]*>|\s)*{said}", page(usual(), **info))


def test_what_to_use_of_one_alone_has_no_column_for_others() -> None:
    one, two = (
        page([r for name in names for r in make_series(name, [16, 32], lambda n: 1e-6 * n)])
        for names in (["mine"], ["mine", "theirs"])
    )
    assert "times as\nfast</th>" not in one
    assert "times as\nfast</th>" in two
