"""The list of reports."""

from typing import Any

from supcr_bench.render.report import render_reports_index
from supcr_bench.store.report_file import SUMMARY_KEYS
from tests.outline import outline

HOSTILE = "<script>alert(1)</script>"


def summary(**values: str) -> dict[str, Any]:
    return dict.fromkeys(SUMMARY_KEYS, "") | values


def test_each_report_is_a_row_with_its_link() -> None:
    text = render_reports_index(
        [
            ("b", summary(id="b", suite="quick", started_at="2026", headline="All is well.")),
            ("a", summary(id="a")),
        ]
    )
    assert outline(text).addresses == ["#main", "./b/index.html", "./a/index.html"]
    assert text.index(">b</a>") < text.index("All is well.") < text.index(">a</a>")
    assert outline(text).tags.count("h1") == outline(text).tags.count("main") == 1


def test_names_with_markup_in_them_show_as_text_and_lead_nowhere_else() -> None:
    text = render_reports_index(
        [("javascript:alert(1)/..?#x", summary(id=HOSTILE, suite=HOSTILE, headline=HOSTILE))]
    )
    assert HOSTILE not in text
    assert outline(text).addresses[1] == "./javascript%3Aalert%281%29%2F..%3F%23x/index.html"


def test_no_reports_are_said() -> None:
    assert "There are none." in render_reports_index([])


def test_runs_of_one_suite_and_machine_tell_how_their_figures_went_on() -> None:
    def run(day: int, machine: str, seconds: float) -> tuple[str, dict[str, Any]]:
        own = summary(id=f"run {day}", suite="quick", started_at=f"2026-01-0{day}T10:00:00")
        return f"run{day}", own | {"machine": machine, "figures": {"tiled at N=64": seconds}}

    reports = [run(3, "ee24d4", 0.003), run(2, "ee24d4", 0.004), run(1, "other1", 0.1)]
    text = render_reports_index(reports)
    assert text.count("Suite quick on machine") == 2  # a caption, and the label of its region
    trend = text[text.index("<caption>Suite quick on machine ee24d4") :]
    assert "2026-01-02\n10:00" in trend
    assert '<td class="word">tiled at N=64<td>4.00 ms<td>3.00 ms<td>0.75' in trend
    assert "other1" in text
    assert "100 ms" not in text
