"""The report as a person meets it: in Chromium, with and without scripts, by keyboard, on paper."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.analysis.findings import find
from supcr_bench.render.charts import charts_of
from supcr_bench.render.report import render_report
from supcr_bench.render.run_tables import run_tables
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result, Status
from tests.browser.conftest import PHONE
from tests.made_results import make_result, make_series
from tests.made_runs import make_run
from tests.made_verifications import DIAGNOSIS, OFF, make_verification

pytestmark = pytest.mark.slow
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


CASES = ({"dims": 1}, {"dims": 2, "nan_density": 0.2}, {"dims": 2})
SIZES = (16, 24, 32, 48, 64, 256)


def results(of_others: Sequence[int] = SIZES) -> list[Result]:
    """Of three cases: the first at all sizes, the others at those given."""
    found: list[Result] = []
    for i, case in enumerate(CASES):
        sizes = of_others if i else SIZES
        for pass_ in PASSES:
            common: dict[str, Any] = {"pass_": pass_, "case": case}
            for n in sizes:
                found += make_series(
                    "broadcast", [n], lambda n: 1e-9 * n**3, lambda n: 8.0 * n**3, **common
                )
                found += make_series("rowsort", [n], lambda n: 1e-7 * n**2, **common)
            found.append(
                make_result(
                    "broadcast",
                    n=512,
                    status=Status.OUT_OF_MEMORY,
                    reason="an allocation of 1 GB failed",
                    memory_limit_bytes=2**30,
                    time_limit_s=10.0,
                    **common,
                )
            )
            found.append(
                make_result(
                    "loopy", n=16, times=[1.0] * 6, status=Status.WRONG, reason="off", **common
                )
            )
    return found


def written(found: list[Result], folder: Path) -> Path:
    """The page of these results."""
    wrong = make_verification("loopy", OFF, diagnosis=DIAGNOSIS)
    run = make_run(found, verifications=[wrong])
    findings = find(run.results, {"rowsort": {"time": "N^2 log N", "memory": "N^2"}})
    path = folder / "index.html"
    charts = charts_of(findings, at_most=1)
    path.write_text(render_report(run, findings, run_tables(findings), charts))
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(results(), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def small_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of every kind of section, chart and table: what is slow to search takes fewer rows."""
    return written(results(SIZES[:1]), tmp_path_factory.mktemp("small-report"))


def opened(page: Any) -> Any:
    """The page with all that is closed at first."""
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    return page


def visible_rows(page: Any, section: str) -> list[str]:
    rows = page.locator(f"section[aria-labelledby={section}] tbody tr:visible")
    return [text.replace("\t", " ") for text in rows.all_inner_texts()]


def test_the_small_report_has_every_kind_of_element_of_the_large_one(
    small_report: Path, report: Path
) -> None:
    def kinds(page: Path) -> set[str]:
        text = page.read_text()
        found = re.findall(r'<section aria-labelledby="([^"]+)"|<([a-z]+)| class="([^"]*)"', text)
        return {name for names in found for name in names}

    assert kinds(report) <= kinds(small_report)


def test_nothing_is_logged_and_no_request_leaves_the_page(report: Path, open_page: Any) -> None:
    shown = open_page(report)
    assert shown.console == []
    assert {url.split(":")[0] for url in shown.requests} <= {"file", "data"}
    assert len([url for url in shown.requests if url.startswith("file")]) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [None, PHONE])
def test_axe_finds_no_violation(
    small_report: Path, open_page: Any, scheme: str, viewport: dict[str, int] | None
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    size = {"viewport": viewport} if viewport else {}
    page = opened(open_page(small_report, color_scheme=scheme, **size).page)
    rules = {"type": "tag", "values": WCAG}
    # Only violations come back: lists of all that is right take most of the time.
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    if viewport:  # a phone has the colours of its theme, which are slow to measure
        options["rules"] = {"color-contrast": {"enabled": False}}
    found = axe.run(page, options=options)
    problems = [
        (v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found.response["violations"]
    ]
    assert problems == []


def test_the_answer_stands_on_the_first_screen(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    for text in ("What to use in training", "claims of the note hold"):
        box = page.get_by_role("heading", name=text).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900


def test_a_filter_hides_what_is_not_chosen_and_stands_in_the_address(
    report: Path, open_page: Any
) -> None:
    page = opened(open_page(report).page)
    before = visible_rows(page, "time")
    page.get_by_label("label dimensions", exact=True).select_option("1")
    after = visible_rows(page, "time")
    assert 0 < len(after) < len(before)
    assert "dims=1" in page.url
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("!location.hash.includes('dims')")
    assert visible_rows(page, "time") == before


def test_an_implementation_can_be_looked_at_alone(report: Path, open_page: Any) -> None:
    page = opened(open_page(report).page)
    page.get_by_label("implementation", exact=True).select_option("rowsort")
    heads = page.locator("section[aria-labelledby=time] thead th:visible").all_inner_texts()
    assert "broadcast" not in " ".join(heads)
    drawn = page.locator("#time ~ .charts [data-implementation=broadcast]:visible")
    assert drawn.count() == 0


def test_each_figure_stays_under_the_heading_of_its_implementation(
    report: Path, open_page: Any
) -> None:
    page = open_page(report, "#agreement;implementation=rowsort").page
    heads = page.locator("table.heat thead th:visible").all_inner_texts()
    first = page.locator("table.heat tbody tr:visible").first
    assert [h for h in heads if h.endswith((" v", " g"))] == ["rowsort v", "rowsort g"]
    assert first.locator("td:visible").all_inner_texts()[-2:] == ["0.5", "0.25"]


def test_an_address_that_is_no_text_does_not_stop_the_page(report: Path, open_page: Any) -> None:
    shown = open_page(report, "#%E0%A4%A")
    assert shown.console == []
    assert shown.page.locator("table.sortable th button").count() > 0


def test_a_deep_link_opens_a_section_with_its_filter(report: Path, open_page: Any) -> None:
    page = open_page(report, "#memory;pass=forward").page
    assert page.get_by_label("pass", exact=True).input_value() == "forward"
    box = page.locator("#memory").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900


def test_tables_sort_by_the_quantity_that_they_show(report: Path, open_page: Any) -> None:
    page = opened(open_page(report).page)
    table = page.locator("section[aria-labelledby=time] table.sortable").filter(
        has=page.locator("caption", has_text="Time per call, training")
    )
    head = table.locator("thead th", has_text="rowsort")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    column = page.evaluate("(th) => th.cellIndex", head.element_handle())
    cells = [row.locator("td").nth(column).inner_text() for row in table.locator("tbody tr").all()]
    figures = [c for c in cells if c[0].isdigit()]
    assert figures[0].startswith("25.6 µs")
    assert figures[-1].startswith("6.55 ms")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    first = table.locator("tbody tr").first.locator("td").nth(column).inner_text()
    assert not first[0].isdigit() or first.startswith("6.55 ms")


def test_the_theme_follows_the_system_until_it_is_chosen(report: Path, open_page: Any) -> None:
    def ground(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light, dark = (open_page(report, color_scheme=s).page for s in ("light", "dark"))
    assert ground(light) != ground(dark)
    switch = dark.get_by_role("button", name="Theme")
    switch.click()
    assert switch.inner_text() == "Theme: light"
    assert ground(dark) == ground(light)


def test_marks_of_a_chart_are_reached_by_keyboard_and_read_out(
    report: Path, open_page: Any
) -> None:
    page = open_page(report).page
    figure = page.locator("figure").first
    first = figure.locator(".point[tabindex='0']").first
    first.focus()
    said = figure.locator("[aria-live]")
    before = said.inner_text()
    assert "N=" in before
    page.keyboard.press("ArrowRight")
    assert said.inner_text() != before


def test_the_first_tab_skips_to_the_findings(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_without_scripts_everything_can_be_read(report: Path, open_page: Any) -> None:
    page = open_page(report, java_script_enabled=False).page
    for section in ("claims", "agreement", "time", "memory", "growth", "measured", "environment"):
        assert page.locator(f"#{section}").is_visible()
    assert page.locator("figure svg").first.is_visible()
    assert page.locator("#filters").is_hidden()


def test_a_phone_needs_no_scrolling_sideways(report: Path, open_page: Any) -> None:
    page = open_page(report, viewport=PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_on_paper_there_are_no_controls(report: Path, open_page: Any) -> None:
    page = open_page(report, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("header.bar").is_hidden()
    assert page.locator("#filters").is_hidden()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert page.pdf()[:5] == b"%PDF-"
