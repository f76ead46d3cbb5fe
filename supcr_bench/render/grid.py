"""A table as headers and rows of text, and the columns that tell its cases apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from supcr_bench.render.cells import nan_text
from supcr_bench.values.case import Case
from supcr_bench.values.table import Cell, Column, Facets, Row, Table, Tone


def facets_of(case: Case, implementation: str | None = None, without: Sequence[str] = ()) -> Facets:
    """The facets of a case.

    Args:
        case: which.
        implementation: where the row is of one alone.
        without: facets that vary within the row.
    """
    facets = {
        "device": case.device,
        "pass": case.pass_,
        "dims": str(case.dims),
        "nan-density": nan_text(case),
        "labels": case.label_kind,
        "ranks": str(case.ranks),
    }
    if implementation is not None:
        facets["implementation"] = implementation
    return {name: value for name, value in facets.items() if name not in without}


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


def varied_columns(
    cases: Sequence[Case], always: Sequence[str] = ("D", "NaN")
) -> list[tuple[str, Callable[[Case], str]]]:
    """Columns that tell series apart, as headers and their texts.

    They are those in which the cases differ, and ``always``; but where two others differ, there is
    no room on a terminal for what says the same in every row.
    """
    columns: list[tuple[str, Callable[[Case], str]]] = [
        ("D", lambda c: str(c.dims)),
        ("NaN", nan_text),
        ("labels", lambda c: c.label_kind),
        ("d", lambda c: str(c.embedding_size)),
        ("dtype", lambda c: c.dtype),
        ("tau", lambda c: f"{c.temperature:g}"),
        ("device", lambda c: c.device),
        ("ranks", lambda c: str(c.ranks)),
    ]
    differ = {header for header, value in columns if len({value(c) for c in cases}) > 1}
    if len(differ.difference(always)) < 2:
        differ.update(always)
    return [column for column in columns if column[0] in differ]


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
