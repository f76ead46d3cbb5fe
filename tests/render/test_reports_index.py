"""The list of reports."""

from supcr_bench.render.report import render_reports_index
from supcr_bench.store.report_file import SUMMARY_KEYS
from tests.outline import outline

HOSTILE = "<script>alert(1)</script>"


def summary(**values: str) -> dict[str, str]:
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
