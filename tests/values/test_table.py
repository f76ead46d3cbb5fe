"""Tables as values and as HTML."""

from supcr_bench.values.table import Cell, Column, Table, as_html, numbers, prose, row, words

TABLE = Table(
    "found",
    "What was <found>",
    (*words("check"), *numbers("x\ntol."), *prose("why")),
    (
        row("value", Cell("0.5", "good"), "-", facets={"pass": "training"}, group=1),
        row("a<b", Cell("12", "bad"), "off & away", facets={"pass": "training"}, group=2),
    ),
)


def test_html_escapes_every_text_and_tells_tones_groups_and_facets() -> None:
    text = as_html(TABLE, lambda facets: f"v{len(facets)}", caption=True)
    assert "<caption>What was &lt;found&gt;</caption>" in text
    assert '<th scope="col" class="word">check</th>' in text
    assert '<td class="word">a&lt;b<td class="bad">12<td class="prose">off &amp; away' in text
    assert '<tr class="v1"><td class="word">value<td class="good">0.5' in text
    assert '<tr class="v1 n">' in text


def test_a_column_has_the_class_of_its_implementation_and_a_cell_the_number_of_its_result() -> None:
    table = Table(
        "costs",
        "Costs",
        numbers("N", Column("mine", implementation="mine")),
        (row("16", Cell("1 s", "quiet", "a result")),),
    )
    text = as_html(table, lambda f: f"i-{f.get('implementation')}", lambda r: 7 if r else None)
    assert '<th scope="col" class="i-mine">mine</th>' in text
    assert '<td class="quiet i-mine" data-r="7">1 s' in text


def test_what_all_rows_have_in_common_are_the_facets_of_a_table() -> None:
    both = ({"pass": "training", "dims": "1"}, {"pass": "training", "dims": "2"})
    rows = tuple(row("x", facets=facets) for facets in both)
    assert Table("t", "T", words("x"), rows).facets == {"pass": "training"}
    assert Table("t", "T", words("x"), ()).facets == {}


def test_rows_beyond_the_most_are_left_out() -> None:
    text = as_html(TABLE, most_rows=1)
    assert "value" in text
    assert "away" not in text
