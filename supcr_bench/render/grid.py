"""To go: tables of before, which become a ``Table``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supcr_bench.values.table import Cell, Column, Facets, Row, Table, Tone


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text.

    Attributes:
        name: short, for anchors and file names.
        title: what it shows.
        note: how to read it.
        headers: one per column.
        rows: of text.
        left: how many leading columns are words rather than figures.
        wraps: columns of long text.
        folds: those of ``wraps`` whose words may be broken where a terminal is narrow.
        sections: indices of rows that begin a new section.
        strong: (row, column) of cells to stand out.
        alarming: (row, column) of cells that say something is wrong.
        weak: (row, column) of cells without a figure.
        detail: whether it is for the page and too much for a terminal.
        facets: of each row, or none at all.
        implementations: columns that are of one implementation alone, and whose.
    """

    name: str
    title: str
    note: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int
    wraps: frozenset[int] = frozenset()
    folds: frozenset[int] = frozenset()
    sections: frozenset[int] = frozenset()
    strong: frozenset[tuple[int, int]] = frozenset()
    alarming: frozenset[tuple[int, int]] = frozenset()
    weak: frozenset[tuple[int, int]] = frozenset()
    detail: bool = False
    facets: tuple[Facets, ...] = ()
    implementations: Mapping[int, str] = field(default_factory=dict)


def table_of(grid: Grid) -> Table:
    """The grid as a ``Table``, until nothing makes grids any more."""

    def tone(at: tuple[int, int]) -> Tone:
        if at in grid.alarming:
            return "bad"
        return "good" if at in grid.strong else "quiet" if at in grid.weak else ""

    groups = [sum(start <= i for start in grid.sections) for i in range(len(grid.rows))]
    return Table(
        name=grid.name,
        title=grid.title,
        columns=tuple(
            Column(
                header,
                "prose" if j in grid.wraps | grid.folds else "word" if j < grid.left else "number",
                grid.implementations.get(j),
            )
            for j, header in enumerate(grid.headers)
        ),
        rows=tuple(
            Row(
                tuple(Cell(text, tone((i, j))) for j, text in enumerate(texts)),
                grid.facets[i] if grid.facets else {},
                groups[i],
            )
            for i, texts in enumerate(grid.rows)
        ),
        note=grid.note,
        keys=len(grid.headers) - len(grid.implementations) if grid.implementations else 1,
        detail=grid.detail,
    )
