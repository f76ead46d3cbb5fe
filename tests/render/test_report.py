"""The page of a run: what it says, and that it keeps to itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from supcr_bench.analysis.findings import find
from supcr_bench.render.grids import all_grids
from supcr_bench.render.headline import headline
from supcr_bench.render.report import render_report
from supcr_bench.render.sections import Figure, Verified
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series
from tests.outline import outline

INFO: dict[str, Any] = {
    "id": "20260101T000000Z-<i>x</i>",
    "started_at": "2026-01-01T00:00:00+00:00",
    "version": "1.0",
    "command": "supcr-bench run",
    "suite": {"name": "quick", "purpose": "To <see>."},
    "environment": {"cpu": "a <processor>", "memory_bytes": 2**34, "devices": ["cpu"]},
    "budget": {"time_limit_s": 10.0, "memory_limit_bytes": 2**32, "precision": 0.02},
}
HOSTILE = "<script>alert(1)</script>"


def page(
    results: Sequence[Result],
    charts: Mapping[str, Sequence[Figure]] | None = None,
    verified: Sequence[Verified] = (),
    environments: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    findings = find(results, {"rowsort": {"time": "N^2 log N", "memory": "N^2"}}, "torchcell")
    return render_report(
        INFO,
        findings,
        environments=environments,
        grids=all_grids(findings),
        sentences=headline(findings, [v.verdict for v in verified]),
        charts=charts or {},
        verified=verified,
        environment_line="a machine",
        data_address="data:application/gzip;base64,AAAA",
    )


def usual() -> list[Result]:
    results = []
    for pass_ in PASSES:
        for n in (16, 24, 32, 48, 64, 256):
            results += make_series(
                "broadcast", [n], lambda n: 1e-9 * n**3, lambda n: 8.0 * n**3, pass_
            )
            results += make_series("rowsort", [n], lambda n: 1e-7 * n**2, pass_=pass_)
    return results


def test_names_and_errors_with_markup_in_them_show_as_text() -> None:
    results = make_series(HOSTILE, [8, 16], lambda n: n * 1e-6)
    results.append(make_result(HOSTILE, n=32, status=Status.FAILED, reason=HOSTILE))
    text = page(results, verified=[Verified(implementation=HOSTILE, verdict=HOSTILE)])
    # The page's own: its facets as data, and what it does.
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
    environments = {name: {"cpu": f"a processor, {name}"} for name in ("quick1", "slow22")}
    text = page(results, environments=environments)
    found = outline(text)
    assert len(set(found.ids)) == len(found.ids)
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
    for name in environments:
        assert f"cpu@{name}" in text
        assert f"a processor, {name}" in text
        assert f"cpu, {name}" in text
    alone = [r for r in results if r.machine == "quick1"]
    one = page(alone, environments={"quick1": INFO["environment"]})
    assert one == page([replace(r, machine=None) for r in alone])


def test_the_first_screen_answers() -> None:
    text = page(usual())
    first = text[text.index('id="answer"') : text.index('id="agreement"')]
    assert "broadcast and rowsort agree with the definition (torchcell) in all 24 answers" in first
    assert "What to use in training" in first
    assert "rowsort takes less memory than broadcast." in first
    assert "a machine" in first


def test_the_same_run_makes_the_same_page() -> None:
    assert page(usual()) == page(usual())


def test_a_run_in_which_everything_failed_has_a_page() -> None:
    text = page([make_result("mine", status=Status.FAILED, reason="it broke")])
    assert "Nothing could be measured." in text
    assert "it broke" in text
    assert "none: failed" in text


def test_a_single_cell_and_a_single_implementation_have_a_page() -> None:
    single = page(make_series("mine", [8], lambda n: 1e-3))
    assert "mine agrees with the definition" in single
    alone = page(make_series("mine", [8, 16, 32], lambda n: 1e-6 * n))
    assert "No two implementations that are right were timed together" in alone


def test_verification_shows_its_findings_its_diagnosis_and_its_snippet() -> None:
    text = page(
        usual(),
        verified=[
            Verified(
                implementation="rowsort",
                verdict="rowsort is not right.",
                findings=(("permutation", "the loss changes by 0.1"),),
                diagnosis="The inequality is reversed.",
                snippet="print(1 < 2)",
            )
        ],
    )
    for words in (
        "the loss changes by 0.1",
        "The inequality is reversed.",
        "print(1 &lt; 2)",
    ):
        assert words in text


def test_a_chart_stands_in_its_section_with_its_figures_behind_it() -> None:
    chart = Figure(
        name="time-1",
        title="rowsort overtakes <broadcast>",
        subtitle="Time per call.",
        description="Two lines.",
        drawing=Markup("<svg><title>x</title></svg>"),
        facets={"pass": "training"},
        data=None,
    )
    text = page(usual(), charts={"time": [chart]})
    section = text[text.index('id="time"') : text.index('id="memory"')]
    assert "<figcaption" in section
    assert "rowsort overtakes &lt;broadcast&gt;" in section
    assert "Two lines." in section
    assert "<svg><title>" in section


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
    first = text[text.index("What to use in training") : text.index("What to use in forward")]
    assert "rowsort wrong" in first
    assert ">rowsort<" not in first


def test_what_failed_is_said_where_agreement_is() -> None:
    failed = make_result("rowsort", n=512, status=Status.FAILED, reason="no graph")
    text = page([*usual(), failed])
    section = text[text.index('id="agreement"') : text.index('id="time"')]
    assert "rowsort failed, first in forward at N=512" in section
