"""The report as a person meets it: in Chromium, with and without scripts, by keyboard, on paper."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.analysis.findings import Findings, find
from supcr_bench.render.answer import refuted
from supcr_bench.render.charts import charts_of
from supcr_bench.render.report import render_report, render_reports_index
from supcr_bench.render.run_tables import run_tables
from supcr_bench.store.report_file import SUMMARY_KEYS
from supcr_bench.store.run import load_run
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result, Status
from tests.browser.conftest import DESKTOP, PHONE
from tests.made_results import make_result, make_series
from tests.made_runs import make_run
from tests.made_verifications import DIAGNOSIS, OFF, make_verification

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


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


def written(found: list[Result], folder: Path, most: int | None = None) -> Path:
    """The page of these results, with all charts of their first series or ``most`` of them."""
    wrong = make_verification("loopy", OFF, diagnosis=DIAGNOSIS)
    run = make_run(found, verifications=[wrong])
    findings = find(
        run.results, {"rowsort": {"time": "N^2 log N", "memory": "N^2"}}, refuted(run.verification)
    )
    path = folder / "index.html"
    charts = charts_of(findings, at_most=1)[:most]
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
    """The page with all that is closed at first, laid out: what still moves cannot be clicked."""
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return page


def test_the_small_report_has_every_kind_of_element_of_the_large_one(
    small_report: Path, report: Path
) -> None:
    def kinds(page: Path) -> set[str]:
        text = page.read_text()
        found = re.findall(r'<section aria-labelledby="([^"]+)"|<([a-z]+)| class="([^"]*)"', text)
        classes = {part for *_, own in found for part in own.split() if not part[1:].isdigit()}
        return classes | {name for section, tag, _ in found for name in (section, tag)}

    assert kinds(report) <= kinds(small_report)


def test_nothing_is_logged_and_no_request_leaves_the_page(report: Path, open_page: Any) -> None:
    shown = open_page(report)
    assert shown.console == []
    assert {url.split(":")[0] for url in shown.requests} <= {"file", "data"}
    assert len([url for url in shown.requests if url.startswith("file")]) == 1


LEAVE_OUT_ALIKE = """() => {
    const seen = new Set();
    const look = (e) => {
        const s = getComputedStyle(e);
        return [e.localName, s.color, s.backgroundColor, s.fontSize, s.fontWeight, s.opacity];
    };
    for (const cell of document.querySelectorAll("td, th")) {
        const around = [cell.closest("table"), cell.parentElement];
        const own = [...around, cell, ...cell.querySelectorAll("*")].map(look).join();
        cell.toggleAttribute("data-alike", seen.has(own));
        seen.add(own);
    }
    for (const row of document.querySelectorAll("tr")) {
        if ([...row.cells].every((cell) => cell.matches("[data-alike]"))) row.remove();
    }
    for (const drawing of document.querySelectorAll("svg")) drawing.replaceChildren();
    return seen.size;
}"""
"""Marks the cells of tables that look like one before them, and removes rows of such cells alone.

The contents of drawings go too: axe does not measure their contrast, and reads each element.
"""


def problems(page: Any, without: str | None = None, **options: Any) -> list[tuple[str, Any]]:
    """The rules that the page, or what of it is not left out, violates, and where."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # Only violations come back: lists of all that is right take most of the time.
    options["resultTypes"] = ["violations"]
    context = {"exclude": [[without]]} if without else None
    found = axe.run(page, context=context, options=options).response["violations"]
    return [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_axe_finds_no_violation(
    small_report: Path, open_page: Any, viewport: dict[str, int]
) -> None:
    page = opened(open_page(small_report, viewport=viewport).page)
    rules = {"type": "tag", "values": WCAG}
    assert problems(page, runOnly=rules, rules={"color-contrast": {"enabled": False}}) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(
    small_report: Path, open_page: Any, scheme: str
) -> None:
    """The contrast, which is slow to measure, is measured once for cells that look alike."""
    page = opened(open_page(small_report, color_scheme=scheme).page)
    contrast = {"type": "rule", "values": ["color-contrast"]}
    assert page.evaluate(LEAVE_OUT_ALIKE) > 5
    assert problems(page, "[data-alike]", runOnly=contrast) == []


def box(page: Any, selector: str) -> Any:
    found = page.locator(selector).last.bounding_box()
    assert found is not None
    return found


@pytest.mark.parametrize(("viewport", "height"), [(DESKTOP, 900), (PHONE, 2 * 844)])
def test_the_answer_stands_on_the_first_screens(
    report: Path, open_page: Any, viewport: dict[str, int], height: int
) -> None:
    page = open_page(report, viewport=viewport).page
    for part in (".said", ".use", ".claims"):
        found = box(page, part)
        assert found["y"] + found["height"] <= height, part


def test_a_chart_of_one_pass_is_half_as_wide_as_one_of_two(open_page: Any, tmp_path: Path) -> None:
    path = written([r for r in results() if r.case.pass_ == "forward"], tmp_path, most=1)
    for options, wide in (({}, 760), ({"viewport": PHONE}, 602)):
        found = box(open_page(path, **options).page, "#time-1 svg")
        assert found["width"] == pytest.approx(wide, rel=0.02)
        assert 0.6 < found["height"] / found["width"] < 0.8


def test_the_page_of_the_stored_run_is_short(open_page: Any, tmp_path: Path) -> None:
    run = load_run(ROOT / "results" / "reference")
    findings = find(run.results, {})
    path = tmp_path / "index.html"
    charts = charts_of(findings)
    path.write_text(render_report(run, findings, run_tables(findings), charts))
    page = open_page(path).page
    assert page.evaluate("document.documentElement.scrollHeight") <= 6000
    stops = """[...document.querySelectorAll("a[href],button,select,input,summary,[tabindex='0']")]
        .filter((e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0).length"""
    assert page.evaluate(stops) <= 60
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) <= 8


def test_a_page_of_5000_results_has_few_elements_and_lays_out_those_in_view(
    open_page: Any, tmp_path: Path
) -> None:
    """Measured with it: 0.3 s of the page's thread to open, 0.1 s to follow a choice."""
    found = [
        make_result(
            name,
            n=n,
            pass_=pass_,
            case={"dims": dims, "nan_density": density},
            times=[1e-6 * n * dims * (1 + index)],
            peak_bytes=8 * n * n,
            session="one",
        )
        for dims, density in itertools.product(
            (1, 2, 3, 4, 6, 8, 10), (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
        )
        for n in (16, 24, 32, 48, 64, 96, 128, 256, 512, 1024)
        for pass_ in PASSES
        for index, name in enumerate(("broadcast", "rowsort", "loopy", "tiled", "scan", "batched"))
    ]
    run, path = make_run(found), tmp_path / "index.html"
    findings = Findings(
        results=found,
        wrong=frozenset(),
        growth=(),
        crossovers=(),
        frontier=(),
        predictions=(),
        noise={},
        claims=(),
    )
    path.write_text(render_report(run, findings, run_tables(findings)))
    assert len(found) > 5000
    assert path.stat().st_size < 1_500_000
    page = opened(open_page(path).page)
    assert page.evaluate("document.querySelectorAll('*').length") < 60_000
    drawn = "[...document.querySelectorAll('td')].filter((cell) => cell.checkVisibility({"
    assert page.evaluate(f"{drawn} contentVisibilityAuto: true }})).length") < 10_000
    tiled = page.get_by_role("checkbox", name="tiled", exact=True)
    tiled.press("Space")  # a click may miss it while a busy machine lays out what is above it
    assert not tiled.is_checked()
    assert "tiled" not in page.locator("[data-name=use-0] tbody").inner_text()


def test_a_choice_hides_all_that_speaks_of_what_is_left_out_and_stands_in_the_address(
    report: Path, open_page: Any
) -> None:
    page = opened(open_page(report).page)
    before = page.locator("section[aria-labelledby=time] :visible").count()
    page.get_by_role("checkbox", name="broadcast", exact=True).uncheck()
    assert "no-implementation=broadcast" in page.url
    lines = page.locator("section[aria-labelledby=time] > p:visible").all_inner_texts()
    legend = page.locator("#time-1 text:visible").all_text_contents()
    heads = page.locator("section[aria-labelledby=time] thead th:visible").all_inner_texts()
    assert not any("broadcast" in text for text in [*lines, *legend, *heads])
    assert "rowsort" in heads
    assert page.locator("#time-1 [id*='.0.']:visible").count() == 0
    assert page.locator("#time-1 [id*='.1.']:visible").count() > 0
    page.get_by_role("checkbox", name="training", exact=True).uncheck()
    assert "Time per call, training" not in page.locator("caption:visible").all_inner_texts()
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("!location.hash.includes('no-')")
    assert page.locator("section[aria-labelledby=time] :visible").count() == before


def test_a_link_opens_the_view_that_it_was_copied_from(report: Path, open_page: Any) -> None:
    page = open_page(report, "#memory;no-pass=forward;base=broadcast").page
    assert not page.get_by_role("checkbox", name="forward", exact=True).is_checked()
    assert page.locator("#base").input_value() == "broadcast"
    assert 0 <= box(page, "#memory")["y"] < 900


def test_what_to_use_follows_the_baseline_and_the_choice(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    use = page.locator("[data-name=use-0] tbody")
    stored = re.search(
        r'data-name="use-0">.*?<tbody>(.*?)</tbody>', report.read_text(), flags=re.DOTALL
    )
    assert stored
    plain = re.sub(r"<[^>]*>", " ", stored[1]).split()
    assert use.inner_text().split() == plain  # what a script writes is what it found
    last = page.locator("[data-name=use-0] tbody tr", has_text="256").locator("td")
    assert last.all_inner_texts() == ["256", "rowsort", "6.55 ms", "524 kB", ""]
    page.locator("#base").select_option("broadcast")
    assert last.all_inner_texts()[-1] == "2.56"
    page.get_by_role("checkbox", name="rowsort", exact=True).uncheck()
    assert last.all_inner_texts()[1] == "broadcast"


def test_a_cell_opens_the_panel_of_its_case_by_keyboard(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    page.locator("summary", has_text="Time per call, forward").click()
    cell = page.locator("[data-name=time-forward] td button").first
    cell.focus()
    page.keyboard.press("Enter")
    panel = page.locator("dialog")
    panel.locator("svg").first.wait_for()
    text = panel.inner_text()
    for words in ("broadcast, forward at N=16, D=1", "95 % interval", "by round", "samples"):
        assert words in text
    assert "4.10 µs" in text
    page.keyboard.press("Escape")
    assert not panel.is_visible()


def test_a_mark_of_a_chart_opens_its_case(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    page.locator("#time-1 [id='time-1.1.m00'] use").nth(1).dispatch_event("click")
    page.locator("dialog svg").first.wait_for()
    assert "rowsort, forward at N=24, D=1" in page.locator("dialog").inner_text()


def test_a_table_is_copied_as_csv_and_markdown_without_what_is_left_out(
    report: Path, open_page: Any
) -> None:
    page = open_page(report, "#time;no-implementation=broadcast").page
    page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; }")
    page.locator("summary", has_text="Time per call, forward").click()
    tools = page.locator(".tools:has(+ [data-name=time-forward])")
    tools.get_by_role("button", name="Copy CSV").click()
    head, first, *_ = page.evaluate("window.copied").splitlines()
    assert head == "D,NaN,N,rowsort,loopy"
    assert first.startswith("1,0%,16,25.6 µs ±0% (8),")
    tools.get_by_role("button", name="Copy Markdown").click()
    assert page.evaluate("window.copied").startswith("| D | NaN | N | rowsort | loopy |\n| --- |")


def test_a_chart_is_saved(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    for button, start in (("Save SVG", b"<svg"), ("Save PNG", b"\x89PNG")):
        with page.expect_download() as download:
            page.locator("#time-1").get_by_role("button", name=button).click()
        assert Path(download.value.path()).read_bytes().startswith(start)


def test_an_address_that_is_no_text_does_not_stop_the_page(report: Path, open_page: Any) -> None:
    shown = open_page(report, "#%E0%A4%A")
    assert shown.console == []
    assert shown.page.locator(".tools button").count() > 0


def test_the_theme_follows_the_system_until_it_is_chosen(report: Path, open_page: Any) -> None:
    def ground(page: Any) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    line = "getComputedStyle(document.querySelector(\"[id='time-1.0.c0'] path\")).stroke"
    page = open_page(report, color_scheme="light").page
    light, of_a_line = ground(page), page.evaluate(line)
    page.emulate_media(color_scheme="dark")
    assert ground(page) != light
    assert page.evaluate(line) == of_a_line
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    assert switch.inner_text() == "Theme: light"
    assert ground(page) == light


def test_the_first_tab_skips_to_the_answer(report: Path, open_page: Any) -> None:
    page = open_page(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_without_scripts_everything_can_be_read(report: Path, open_page: Any) -> None:
    page = open_page(report, java_script_enabled=False).page
    for section in ("answer", "time", "memory", "growth", "about"):
        assert page.locator(f"#{section}").is_visible()
    assert page.locator("figure svg").first.is_visible()
    assert page.locator("#filters").is_hidden()
    assert page.locator("#base").is_hidden()
    page.locator("summary", has_text="Time per call, forward").click()
    assert page.locator("[data-name=time-forward]").is_visible()


def test_a_phone_needs_no_scrolling_sideways(report: Path, open_page: Any) -> None:
    page = open_page(report, viewport=PHONE).page
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_texts_of_a_chart_can_be_read_on_a_phone(report: Path, open_page: Any) -> None:
    page = open_page(report, viewport=PHONE).page
    sizes = """texts => texts.map(
        t => t.getScreenCTM().a * parseFloat(getComputedStyle(t).fontSize)).filter(x => x)"""
    assert min(page.locator("#time-1 svg text").evaluate_all(sizes)) >= 10


def test_on_paper_there_are_no_controls(report: Path, open_page: Any) -> None:
    page = open_page(report, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("header.bar").is_hidden()
    assert page.locator("#filters").is_hidden()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"


MOST_STEPS = {"mouse": 6, "keyboard": 60}


class Person:
    """Does what a person does on a page, with the mouse or by keyboard alone, and counts it."""

    def __init__(self, page: Any, device: str) -> None:
        self.page, self.device, self.steps = page, device, 0

    def use(self, what: Any) -> None:
        if self.device == "mouse":
            what.click()
            self.steps += 1
        else:
            self.go_to(what)
            self.press("Space" if what.get_attribute("type") == "checkbox" else "Enter")

    def go_to(self, what: Any) -> None:
        while not what.evaluate("(e) => e === document.activeElement"):
            self.press("Tab")

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.steps += 1
        assert self.steps <= MOST_STEPS[self.device]

    def leave_out(self, *names: str) -> None:
        for name in names:
            self.use(self.page.get_by_role("checkbox", name=name, exact=True))


@pytest.mark.parametrize("device", ["mouse", "keyboard"])
class TestTasks:
    """What a reader wants to do within 30 seconds: a click takes 3 of them, three keys one."""

    def person(self, device: str, report: Path, open_page: Any) -> Person:
        page = open_page(report).page
        page.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; }")
        return Person(page, device)

    def test_a_speed_up_at_a_size(self, device: str, report: Path, open_page: Any) -> None:
        person = self.person(device, report, open_page)
        row = person.page.locator("[data-name=use-0] tbody tr", has_text="256").locator("td")
        if device == "mouse":
            person.page.locator("#base").select_option("broadcast")
            person.steps += 2
        else:
            person.go_to(person.page.locator("#base"))
            person.press("b")
        assert row.all_inner_texts() == ["256", "rowsort", "6.55 ms", "524 kB", "2.56"]
        assert person.steps <= MOST_STEPS[device]

    def test_the_samples_of_a_case(self, device: str, report: Path, open_page: Any) -> None:
        person = self.person(device, report, open_page)
        person.use(person.page.locator("summary", has_text="Time per call, forward"))
        person.use(person.page.locator("[data-name=time-forward] td button").first)
        person.page.locator("dialog svg").first.wait_for()
        assert "samples" in person.page.locator("dialog").inner_text()
        assert person.steps <= MOST_STEPS[device]

    def test_two_alone_in_a_chart_and_their_table_as_csv(
        self, device: str, report: Path, open_page: Any
    ) -> None:
        person = self.person(device, report, open_page)
        person.leave_out("loopy")
        legend = person.page.locator("#time-1 text:visible").all_text_contents()
        assert {"broadcast", "rowsort"} <= {text.split()[0] for text in legend}
        assert not any("loopy" in text for text in legend)
        person.use(person.page.locator("summary", has_text="Time per call, forward"))
        tools = person.page.locator(".tools:has(+ [data-name=time-forward])")
        person.use(tools.get_by_role("button", name="Copy CSV"))
        assert person.page.evaluate("window.copied").startswith("D,NaN,N,broadcast,rowsort\n")
        assert person.steps <= MOST_STEPS[device]


def test_the_trend_of_a_figure_over_three_runs_is_read_without_a_step(
    open_page: Any, tmp_path: Path
) -> None:
    runs = [
        (
            f"run-{day}",
            {
                **dict.fromkeys(SUMMARY_KEYS, ""),
                "suite": "quick",
                "started_at": f"2026-01-0{day}T10:00:00",
                "machine": "one",
                "figures": {"tiled, training at N=64": 1e-3 * day},
            },
        )
        for day in (3, 2, 1)
    ]
    path = tmp_path / "index.html"
    path.write_text(render_reports_index(runs))
    page = open_page(path).page
    row = page.locator("tr", has_text="tiled, training at N=64")
    assert row.locator("td").all_inner_texts()[1:] == ["1.00 ms", "2.00 ms", "3.00 ms", "3.00"]
    assert box(page, "table")["y"] < 900
