"""The page of a run."""

from html.parser import HTMLParser
from typing import Any

from supcr_bench.analysis.findings import find
from supcr_bench.render.grids import all_grids
from supcr_bench.render.plots import scaling_plots
from supcr_bench.render.report import render_report
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series

INFO: dict[str, Any] = {
    "id": "20260101T000000Z-<i>x</i>",
    "started_at": "2026-01-01T00:00:00+00:00",
    "suite": {"name": "quick", "purpose": "To <see>."},
}
HOSTILE = "<script>alert(1)</script>"


def page(results: list[Result]) -> str:
    grids = all_grids(find(results, {}, "torchcell"))
    return render_report(INFO, ["Found <it>."], grids, scaling_plots(results), "a machine")


class Outline(HTMLParser):
    """Which tags a page has, and which addresses it names."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]


def test_names_and_errors_with_markup_in_them_show_as_text() -> None:
    results = make_series(HOSTILE, [8, 16], lambda n: n * 1e-6)
    results.append(make_result(HOSTILE, n=32, status=Status.FAILED, reason=HOSTILE))
    outline = Outline()
    text = page(results)
    outline.feed(text)
    assert "script" not in outline.tags
    assert "i" not in outline.tags
    assert "&lt;script&gt;" in text
    assert "To &lt;see&gt;." in text


def test_no_address_leads_away_from_the_page() -> None:
    outline = Outline()
    outline.feed(page(make_series("rowsort", [8, 16], lambda n: n * 1e-6)))
    assert all(address.startswith("#") for address in outline.addresses)
    assert outline.tags.count("main") == outline.tags.count("h1") == 1


def test_the_same_run_makes_the_same_page() -> None:
    results = make_series("rowsort", [8, 16], lambda n: n * 1e-6)
    assert page(results) == page(results)
