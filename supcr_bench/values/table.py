"""A table; the package ``render`` shows it in a terminal, on a page and in Markdown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

Facets = Mapping[str, str]
"""Values by which a page filters a row or a chart: device, pass, and so on, by name."""
Tone = Literal["", "good", "bad", "quiet"]
Kind = Literal["number", "word", "prose"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, shown literally, and the result that a page shows with it."""

    text: str
    tone: Tone = ""
    result: object = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers, of words, or of prose, which may continue on the next line."""

    header: str
    kind: Kind = "number"
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
    """A table; its first ``keys`` columns identify a row."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    keys: int = 1

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(column.header for column in self.columns)

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        return tuple(row.texts for row in self.rows)

    @property
    def facets(self) -> Facets:
        first, *others = [row.facets for row in self.rows] or [{}]
        return {k: v for k, v in first.items() if all(o.get(k) == v for o in others)}

    def starts_group(self, index: int) -> bool:
        return index > 0 and self.rows[index].group != self.rows[index - 1].group


def _columns(kind: Kind, *headers: str | Column) -> tuple[Column, ...]:
    return tuple(h if isinstance(h, Column) else Column(h, kind) for h in headers)


numbers = partial(_columns, "number")
words = partial(_columns, "word")
prose = partial(_columns, "prose")


def row(*cells: Cell | str, facets: Facets | None = None, group: object = None) -> Row:
    made = tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells)
    return Row(made, facets or {}, group)
