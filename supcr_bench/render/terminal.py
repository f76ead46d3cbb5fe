"""Grids as rich tables, and sentences, on a terminal."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from supcr_bench.render.grid import Grid

MOST_ROWS = 150
"""Of a table on a terminal; verification's is shorter, and a run's are in its files."""
FOLDED = 12
"""Characters that a column keeps whose words may be broken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text between tables.

    Attributes:
        text: shown as it is, never as markup.
        style: a colour, where it has one.
        whole: whether it is to be copied, so that no line break may come into it.
    """

    text: str
    style: str = ""
    whole: bool = False


def rich_table(grid: Grid) -> Table:
    """A table for the terminal. Text is shown as it is: names and errors are never markup."""
    table = Table(
        title=Text(grid.title, style="bold"),
        title_justify="left",
        caption=Text(_note(grid), style="dim"),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, header in enumerate(grid.headers):
        table.add_column(
            Text(header),
            justify="left" if index < grid.left else "right",
            overflow="fold",
            no_wrap=index not in grid.wraps,
            min_width=None if index in grid.wraps else _width(grid, index),
            vertical="top",
        )
    for i, row in enumerate(grid.rows[:MOST_ROWS]):
        if i in grid.sections:
            table.add_section()
        table.add_row(*(Text(text, style=_style(grid, (i, j))) for j, text in enumerate(row)))
    return table


def _note(grid: Grid) -> str:
    if len(grid.rows) <= MOST_ROWS:
        return grid.note
    return f"{grid.note}; the first {MOST_ROWS} of {len(grid.rows)} rows"


def _width(grid: Grid, column: int) -> int:
    """Of the longest line in a column."""
    rows = grid.rows[:MOST_ROWS]
    texts = [*grid.headers[column].split("\n"), *(row[column] for row in rows)]
    return max(cell_len(text) for text in texts)


def print_grid(console: Console, grid: Grid) -> None:
    """Print a table. One that is wider than the terminal runs over; no figure loses a digit."""
    table = rich_table(grid)
    unbounded = console.options.update(max_width=10_000)
    needed = Measurement.get(console, unbounded, table).minimum
    needed -= sum(max(0, _longest_word(grid, column) - FOLDED) for column in grid.folds)
    if needed <= console.width:
        console.print(table)
        return
    # print() takes no width above the console's, so the table is rendered beforehand.
    options = console.options.update(width=needed, max_width=needed)
    console.print(Segments(console.render(table, options)), crop=False, end="")


def print_blocks(console: Console, blocks: Iterable[Grid | Line]) -> None:
    """Print tables and lines in turn."""
    for block in blocks:
        if isinstance(block, Grid):
            print_grid(console, block)
        else:
            console.print(Text(block.text, style=block.style), soft_wrap=block.whole)


def _longest_word(grid: Grid, column: int) -> int:
    texts = [grid.headers[column], *(row[column] for row in grid.rows[:MOST_ROWS])]
    return max(cell_len(word) for text in texts for word in text.split() or [""])


def _style(grid: Grid, cell: tuple[int, int]) -> str:
    if cell in grid.alarming:
        return "bold red"
    if cell in grid.strong:
        return "bold green"
    return "dim" if cell in grid.weak else ""
