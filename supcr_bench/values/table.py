"""A table, and how HTML writes it.

The package ``render`` shows a table in a terminal, on a report page and in Markdown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Literal

Facets = Mapping[str, str]
"""Values by which a page filters a row or a chart: device, pass, and so on, by name."""
Tone = Literal["", "good", "bad", "quiet", "heat0", "heat1", "heat2", "heat3"]
"""The highlighting of a cell: ``heat0`` to ``heat3`` shade an error from far below its tolerance to
above it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, shown literally, and the CSS variable of its colour on a page."""

    text: str
    tone: Tone = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers, of words, or of prose, which may continue on the next line."""

    header: str
    kind: Literal["number", "word", "prose"] = "number"
    implementation: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row; a line separates rows of different groups."""

    cells: tuple[Cell, ...]
    facets: Facets = field(default_factory=dict)
    group: object = None

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(cell.text for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first ``keys`` columns identify a row; only pages show one with ``detail``."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    keys: int = 1
    detail: bool = False
    style: Literal["", "heat", "map"] = ""

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(column.header for column in self.columns)

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(row.texts for row in self.rows)

    def starts_group(self, index: int) -> bool:
        return index > 0 and self.rows[index].group != self.rows[index - 1].group


def numbers(*headers: str | Column) -> tuple[Column, ...]:
    return tuple(h if isinstance(h, Column) else Column(h) for h in headers)


def words(*headers: str | Column) -> tuple[Column, ...]:
    return tuple(h if isinstance(h, Column) else Column(h, "word") for h in headers)


def prose(*headers: str | Column) -> tuple[Column, ...]:
    return tuple(h if isinstance(h, Column) else Column(h, "prose") for h in headers)


def row(*cells: Cell | str, facets: Facets | None = None, group: object = None) -> Row:
    """Make a row; a plain string becomes a cell without highlighting."""
    made = tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells)
    return Row(made, facets or {}, group)


def as_html(
    table: Table,
    facet_number: Callable[[Facets], int] | None = None,
    *,
    caption: bool = False,
    classes: str = "",
    most_rows: int | None = None,
) -> str:
    """The ``<table>`` element with escaped texts; ``facet_number`` numbers the facets of rows."""
    parts = [f'<table class="{classes}">' if classes else "<table>"]
    parts += [f"<caption>{escape(table.title)}</caption>"] if caption else []
    parts.append(f"<thead><tr>{''.join(map(_head, table.columns))}</tr></thead>")
    parts.append("<tbody>")
    for i, line in enumerate(table.rows[:most_rows]):
        attributes = ""
        if facet_number is not None and line.facets:
            attributes = f' data-f="{facet_number(line.facets)}"'
        if table.starts_group(i):
            attributes += ' class="n"'
        cells = map(_cell, table.columns, line.cells)
        parts.append(f"<tr{attributes}>{''.join(cells)}")
    return "\n".join([*parts, "</tbody>", "</table>"])


def _head(column: Column) -> str:
    kind = "" if column.kind == "number" else ' class="word"'
    whose = column.implementation
    whose = f' data-implementation="{escape(whose)}"' if whose is not None else ""
    return f'<th scope="col"{kind}{whose}>{escape(column.header)}</th>'


def _cell(column: Column, cell: Cell) -> str:
    kind = "" if column.kind == "number" else column.kind
    classes = " ".join(filter(None, (kind, cell.tone)))
    attributes = f' class="{classes}"' if classes else ""
    if cell.colour:
        attributes += f' style="border-left-color: var({escape(cell.colour)})"'
    return f"<td{attributes}>{escape(cell.text)}"
