"""A table as headers and rows of text: what the terminal and the report both draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from supcr_bench.render.cells import nan_text
from supcr_bench.values.case import Case


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
        sections: indices of rows that begin a new section.
        strong: (row, column) of cells to stand out.
        alarming: (row, column) of cells that say something is wrong.
        weak: (row, column) of cells without a figure.
    """

    name: str
    title: str
    note: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int
    wraps: frozenset[int] = frozenset()
    sections: frozenset[int] = frozenset()
    strong: frozenset[tuple[int, int]] = frozenset()
    alarming: frozenset[tuple[int, int]] = frozenset()
    weak: frozenset[tuple[int, int]] = frozenset()


def varied(cases: Sequence[Case]) -> list[tuple[str, Callable[[Case], str]]]:
    """Columns that tell the series apart: D and NaN always, others where they differ."""
    columns: list[tuple[str, Callable[[Case], str]]] = [
        ("D", lambda c: str(c.dims)),
        ("NaN", nan_text),
        ("labels", lambda c: c.labels.split(":")[0]),
        ("d", lambda c: str(c.embedding_size)),
        ("dtype", lambda c: c.dtype),
        ("tau", lambda c: f"{c.temperature:g}"),
        ("device", lambda c: c.device),
    ]
    return [
        (header, value)
        for header, value in columns
        if header in ("D", "NaN") or len({value(c) for c in cases}) > 1
    ]
