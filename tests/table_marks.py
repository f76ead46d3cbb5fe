"""What stands out in a table."""

from supcr_bench.values.table import Table, Tone


def toned(table: Table, *tones: Tone) -> set[tuple[int, int]]:
    """Row and column of every cell with one of these tones."""
    return {
        (i, j)
        for i, row in enumerate(table.rows)
        for j, cell in enumerate(row.cells)
        if cell.tone in tones
    }


def group_starts(table: Table) -> set[int]:
    """The rows that have a rule above them."""
    return {i for i in range(len(table.rows)) if table.starts_group(i)}
