"""Tables as values and as HTML."""

from supcr_bench.values.table import Cell, Table, as_html, numbers, prose, row, words

TABLE = Table(
    "found",
    "What was <found>",
    (*words("check"), *numbers("x\ntol."), *prose("why")),
    (
        row("value", Cell("0.5", "good"), "-", facets={"pass": "training"}, group=1),
        row("a<b", Cell("12", "bad"), "off & away", facets={"pass": "training"}, group=2),
    ),
)


def test_html_escapes_every_text_and_tells_tones_and_groups() -> None:
    text = as_html(TABLE, lambda facets: len(facets), caption=True, classes="sortable")
    assert "<caption>What was &lt;found&gt;</caption>" in text
    assert '<th scope="col" class="word">check</th>' in text
    assert '<td class="word">a&lt;b<td class="bad">12<td class="prose">off &amp; away' in text
    assert '<tr data-f="1"><td class="word">value<td class="good">0.5' in text
    assert '<tr data-f="1" class="n">' in text


def test_rows_beyond_the_most_are_left_out() -> None:
    text = as_html(TABLE, most_rows=1)
    assert "value" in text
    assert "away" not in text
    assert "data-f" not in text
