"""Grids as rich tables."""

from rich import box
from rich.table import Table
from rich.text import Text

from supcr_bench.render.grid import Grid


def rich_table(grid: Grid) -> Table:
    """A table for the terminal. Text is shown as it is: names and errors are never markup."""
    table = Table(
        title=Text(grid.title, style="bold"),
        title_justify="left",
        caption=Text(grid.note, style="dim"),
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
            vertical="top",
        )
    for i, row in enumerate(grid.rows):
        if i in grid.sections:
            table.add_section()
        table.add_row(*(Text(text, style=_style(grid, (i, j))) for j, text in enumerate(row)))
    return table


def _style(grid: Grid, cell: tuple[int, int]) -> str:
    if cell in grid.alarming:
        return "bold red"
    if cell in grid.strong:
        return "bold green"
    return "dim" if cell in grid.weak else ""
