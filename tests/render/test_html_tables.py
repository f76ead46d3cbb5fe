"""Tables as HTML, as every page shows them."""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace

from jinja2 import Environment, PackageLoader

from supcr_bench.render.report import cell_class
from supcr_bench.values.table import Cell, Column, Table, numbers, prose, row, words

TABLE = Table(
    "found",
    "What was <found>",
    (*words("check"), *numbers("x\ntol."), *prose("why")),
    (
        row("value", Cell("0.5", "good"), "-", facets={"pass": "training"}, group=1),
        row("a<b", Cell("12", "bad"), "off & away", facets={"pass": "training"}, group=2),
    ),
)


def classes(facets: Mapping[str, str | None]) -> str:
    return " ".join(f"{name}-{value}" for name, value in facets.items() if value)


def as_html(table: Table, most_rows: int = 200) -> str:
    environment = Environment(
        loader=PackageLoader("supcr_bench.render", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = '{% from "tables.html.j2" import table with context %}{{ table(found) }}'
    return environment.from_string(text).render(
        found=table,
        filter=SimpleNamespace(classes=classes),
        number=lambda result: 7 if result else None,
        cell_class=partial(cell_class, classes),
        most_rows=most_rows,
    )


def test_html_escapes_every_text_and_tells_tones_groups_and_facets() -> None:
    text = as_html(TABLE)
    assert "<caption>What was &lt;found&gt;</caption>" in text
    assert '<th scope="col" class="word">check</th>' in text
    assert '<td class="word">a&lt;b<td class="bad">12<td class="prose">off &amp; away' in text
    assert '<tr class="pass-training"><td class="word">value<td class="good">0.5' in text
    assert '<tr class="pass-training n">' in text


def test_a_column_has_the_class_of_its_implementation_and_a_cell_the_number_of_its_result() -> None:
    table = Table(
        "costs",
        "Costs",
        numbers("N", Column("mine", implementation="mine")),
        (row("16", Cell("1 s", "quiet", "a result")),),
    )
    text = as_html(table)
    assert '<th scope="col" class="implementation-mine">mine</th>' in text
    assert '<td class="quiet implementation-mine" data-r="7">1 s' in text


def test_rows_beyond_the_most_are_left_out() -> None:
    text = as_html(TABLE, most_rows=1)
    assert "value" in text
    assert "away" not in text
