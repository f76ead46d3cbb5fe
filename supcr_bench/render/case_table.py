"""Tables whose rows are cases, of one implementation each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from supcr_bench.render.cells import USUAL, case_columns, facets_of
from supcr_bench.values.case import Case
from supcr_bench.values.table import Cell, Table, numbers, prose, row, words


class HasCase(Protocol):
    """What a row shows."""

    @property
    def case(self) -> Case:
        """The case, or the one that stands for its series."""


T = TypeVar("T", bound=HasCase)
Columns = Mapping[str, Callable[[T], Cell | str]]
"""Headers of columns, and what each shows of a row."""


def implementation_of(found: object) -> str | None:
    """The implementation that a row is of, if it is of one alone."""
    name: str | None = getattr(found, "implementation", None)
    return name


def case_table(
    name: str,
    title: str,
    note: str,
    rows: Sequence[T],
    lead: Columns[T],
    figures: Columns[T],
    last: Columns[T] | None = None,
    *,
    always: Sequence[str] = USUAL,
    group: Callable[[T], object] = lambda _: None,
    detail: bool = False,
) -> Table:
    """A table with the columns that tell its cases apart between words and figures.

    Args:
        name: of the table.
        title: what it shows.
        note: how to read it.
        rows: what its rows show.
        lead: columns of words, before those of the case.
        figures: columns of figures, after them.
        last: columns of long text at the end.
        always: fields of the case to show even where they do not differ.
        group: a rule is drawn between rows of different groups.
        detail: whether the table is too long for a terminal.
    """
    headers, texts = case_columns([found.case for found in rows], always)
    ends = {**figures, **(last or {})}
    return Table(
        name=name,
        title=title,
        note=note,
        columns=(*words(*lead), *numbers(*headers, *figures), *prose(*(last or {}))),
        rows=tuple(
            row(
                *(write(found) for write in lead.values()),
                *texts(found.case),
                *(write(found) for write in ends.values()),
                facets=facets_of(found.case, implementation_of(found)),
                group=group(found),
            )
            for found in rows
        ),
        keys=len(lead) + len(headers),
        detail=detail,
    )
