"""Prints tables, sentences and the answer of a run on a terminal."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segments
from rich.table import Table as RichTable
from rich.text import Text

from supcr_bench.render.sentences import Sentence, place, sizes_text, use_cells
from supcr_bench.values.result import grouped
from supcr_bench.values.table import Column, Table, Tone

MOST_LINES, MOST_LETTERS = 40, 80
"""Lines of the answer of a run, and letters of a line."""
MOST_ROWS = 150
"""Most rows of a table on a terminal; the files of a run hold all rows."""
_BETWEEN = 2
LONG_WORD = 24
"""In columns of prose, a longer word, such as a path, may be broken after a separator."""
_PIECES = re.compile(r"[^/:._,=-]*[/:._,=-]*")
_STYLES: dict[Tone, str] = {"bad": "bold red", "good": "bold green", "quiet": "dim"}


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # which the command line answers with the usual status


def make_console() -> Console:
    """Standard output, which shows texts as they are."""
    return _Terminal(highlight=False)


def print_table(console: Console, table: Table) -> None:
    """Print a table without breaking a word.

    Columns that do not fit are printed in a second part below, after the key columns again. A
    column that is wider than the terminal is not cut.
    """
    console.print(Text(table.title, style="bold"))
    widths = [_width(table, index) for index in range(len(table.columns))]
    for part in _parts(table, widths, console.width):
        width = max(console.width, sum(widths[index] + _BETWEEN for index in part))
        # print() takes no width above the console's, so the table is rendered beforehand.
        options = console.options.update(width=width, max_width=width)
        drawn = console.render(_rich_table(table, part, widths), options)
        console.print(Segments(drawn), crop=False, end="")
    notes = [table.note] if table.note else []
    if len(table.rows) > MOST_ROWS:
        notes.append(f"the first {MOST_ROWS} of {len(table.rows)} rows")
    if notes:
        console.print(Text("; ".join(notes), style="dim"))
    console.print()


def print_sentence(console: Console, text: str, style: str = "") -> None:
    """Print a sentence: a terminal gets line breaks between words, a file or a pipe gets none."""
    for line in wrapped(console, text) if console.is_terminal else [text]:
        console.print(Text(line, style=style), soft_wrap=True)


def wrapped(console: Console, text: str) -> list[str]:
    """Break a sentence between words, and a word longer than a line after its separators."""
    lines = Text(_with_breaks(text, console.width)).wrap(console, console.width)
    return [line.plain.rstrip() for line in lines]


def print_blocks(console: Console, blocks: Iterable[Table | Text | Sentence]) -> None:
    """Print tables and lines in order. A line with ``no_wrap`` gets no line breaks."""
    for block in blocks:
        if isinstance(block, Table):
            print_table(console, block)
        else:
            line = Text(block.text) if isinstance(block, Sentence) else block
            console.print(line, soft_wrap=bool(line.no_wrap))


def _rich_table(table: Table, part: Sequence[int], widths: Sequence[int]) -> RichTable:
    """A rich table of some columns, which shows texts literally, never as markup."""
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index in part:
        column = table.columns[index]
        drawn.add_column(
            Text(column.header),
            justify="right" if column.kind == "number" else "left",
            overflow="fold",
            no_wrap=column.kind != "prose",
            min_width=widths[index],
            vertical="top",
        )
    for i, row in enumerate(table.rows[:MOST_ROWS]):
        if table.starts_group(i):
            drawn.add_section()
        styles = (_STYLES.get(row.cells[index].tone, "") for index in part)
        drawn.add_row(*map(Text, (_text(table, i, index) for index in part), styles))
    return drawn


def _text(table: Table, i: int, index: int) -> str:
    """The text of a cell; in prose, long words have line breaks after separators."""
    text = table.rows[i].cells[index].text
    return _with_breaks(text, LONG_WORD) if table.columns[index].kind == "prose" else text


def _with_breaks(text: str, longest: int) -> str:
    return re.sub(rf"\S{{{longest + 1},}}", lambda found: _broken(found[0], longest), text)


def _broken(word: str, longest: int) -> str:
    lines = [""]
    for piece in _PIECES.findall(word):
        if lines[-1] and len(lines[-1] + piece) > longest:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _width(table: Table, index: int) -> int:
    """Characters that a column needs: its longest line, or its longest word where it may wrap."""
    column: Column = table.columns[index]
    lines = column.header.split("\n")
    lines += [_text(table, i, index) for i in range(len(table.rows[:MOST_ROWS]))]
    if column.kind == "prose":
        lines = [word for line in lines for word in line.split()]
    return max(map(cell_len, lines), default=0)


def _parts(table: Table, widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns of each printed part: the key columns, and as many others as fit."""
    keys = list(range(table.keys))
    parts = [keys]
    for index in range(table.keys, len(table.columns)):
        needed = sum(widths[j] + _BETWEEN for j in [*parts[-1], index])
        if needed > width and len(parts[-1]) > len(keys):
            parts.append(keys)
        parts[-1] = [*parts[-1], index]
    return parts


def answer_lines(answer: Mapping[str, Sequence[Sentence]], ends: Sequence[str]) -> list[str]:
    """The answer in 40 lines of 80 letters, then ``ends``; the longest part is cut first."""
    parts = {
        head: _use_parts(said) if head == "What to use" else [_wrapped(s.text) for s in said]
        for head, said in answer.items()
        if said
    }
    hidden = dict.fromkeys(parts, 0)
    last = [line for end in ends for line in _wrapped(end, "", " " * 8)]

    def lines(head: str) -> list[str]:
        more = [f"  and {hidden[head]} more, on the page"] if hidden[head] else []
        return [head, *(line for part in parts[head] for line in part), *more, ""]

    while sum(len(lines(head)) for head in parts) + len(last) > MOST_LINES:
        longest = max(parts, key=lambda head: (len(parts[head]) > 1, len(lines(head))))
        if len(parts[longest]) < 2:
            break
        parts[longest].pop()
        hidden[longest] += 1
    return [*(line for head in parts for line in lines(head)), *last]


def _wrapped(text: str, first: str = "  ", rest: str = "    ") -> list[str]:
    return textwrap.wrap(
        text,
        MOST_LETTERS,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _use_parts(said: Sequence[Sentence]) -> list[list[str]]:
    """A line for each range of batch sizes, below a line that names the series."""
    known = any(s.facts.get("floors") for s in said)
    floor = "; floor: the products and exponentials alone" if known else ""
    cases = [s.facts["case"] for s in said]
    series = grouped(said, lambda s: place(s.facts["case"], cases))
    none = [where for where, own in series.items() if {s.kind for s in own} == {"unusable"}]
    note = f"(time at the first and the last N, memory at the last{floor})"
    parts = [_wrapped(note)] if len(none) < len(series) else []
    for where, own in series.items():
        if where in none:
            continue
        bases = {s.facts["baseline"]: None for s in own if s.facts.get("speedup")}
        head = _wrapped(f"{where}{', times as fast as ' * bool(bases)}{''.join(bases)}:")
        rows = []
        for s in own:
            names, times, memory, ratio, floors = use_cells(s)
            sizes, (n, _) = s.facts["sizes"], s.facts.get("speedup") or (0, None)
            faster = f"{ratio}x" + (f" at {n}" if n != sizes[-1] else "") if ratio else ""
            of_floor = f"{floors}x floor" if floors else ""
            rows.append((sizes_text(sizes), names, times, memory, faster, of_floor))
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        if sum(width + _BETWEEN for width in widths) + _BETWEEN > MOST_LETTERS:
            widths = [0] * len(widths)
        for i, row in enumerate(rows):
            cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            lines = _wrapped("  ".join(filter(None, cells)), " " * 4, " " * 8)
            parts.append([*(head if i == 0 else ()), *lines])
    if none:
        parts.append(_wrapped(f"None is both timed and right: {'; '.join(none)}."))
    return parts
