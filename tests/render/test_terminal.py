"""Tables on terminals of any width."""

import io

from rich.console import Console
from rich.text import Text

from supcr_bench.render.terminal import print_blocks, print_sentence, print_table
from supcr_bench.values.table import Table, numbers, prose, row, words

NAMES = tuple(f"implementation{i}" for i in range(7))
WIDE = Table(
    "time",
    "Time per call",
    (*words("labels"), *numbers("N", *NAMES)),
    tuple(row("tied", str(n), *(f"{n}.{i} ms" for i in range(7))) for n in (16, 512)),
    note="medians",
    keys=2,
)


def shown(width: int, *tables: Table | Text) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_blocks(console, tables)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_columns_that_do_not_fit_follow_below_behind_the_key_columns() -> None:
    text = shown(80, WIDE)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert all(name in text for name in NAMES)
    assert text.count("labels    N") == 3
    assert text.count("Time per call") == text.count("medians") == 1
    rows = [line.split() for line in text.splitlines() if "512 " in line]
    assert [cells[:2] for cells in rows] == [["tied", "512"]] * 3


def test_on_a_wide_terminal_a_table_stays_in_one_piece() -> None:
    assert shown(200, WIDE).count("labels") == 1


def test_long_text_wraps_between_words_and_never_in_one() -> None:
    why = "the gradient of the second view misses every tenth contribution of its denominators"
    table = Table("why", "Why", (*words("what"), *prose("why")), (row("ties", why),))
    lines = shown(40, table).splitlines()
    assert max(map(len, lines)) <= 40
    assert set(why.split()) <= set(" ".join(lines).split())


def test_a_name_that_is_wider_than_the_terminal_stays_whole() -> None:
    name = "/a/long/path/to/some/file/of/losses.py:Loss"
    console = Console(file=io.StringIO(), width=30, color_system=None)
    print_table(console, Table("t", "T", (*words("name"), *numbers("N")), (row(name, "16"),)))
    assert isinstance(console.file, io.StringIO)
    assert name in console.file.getvalue()


def test_a_long_path_in_prose_continues_behind_its_separators() -> None:
    name = "research/losses/contrastive_regression/my_rank_loss.py:WeightedRankLoss"
    table = Table("t", "T", (*prose("name"), *numbers("N")), (row(name, "16"),))
    lines = [line.replace("16", "").strip() for line in shown(40, table).splitlines()]
    assert lines[4:7] == ["research/losses/", "contrastive_regression/", "my_rank_loss.py:"]


def test_parts_have_about_as_many_columns_each() -> None:
    lines = [line for line in shown(80, WIDE).splitlines() if line.startswith(" labels")]
    assert [line.count("implementation") for line in lines] == [3, 3, 1]


def test_sentences_break_between_words_on_a_terminal_and_not_in_a_file() -> None:
    sentence = "broadcast and rowsort agree with the definition (torchcell) in all 24 answers."
    shown = {}
    for terminal in (True, False):
        file = io.StringIO()
        console = Console(file=file, width=30, color_system=None, force_terminal=terminal)
        print_sentence(console, sentence)
        shown[terminal] = file.getvalue()
    assert shown[False] == f"{sentence}\n"
    assert max(map(len, shown[True].splitlines())) <= 30
    assert " ".join(shown[True].split()) == sentence


def test_a_line_to_be_copied_gets_no_line_break() -> None:
    command = "supcr-bench verify " + "x" * 60
    assert command in shown(40, Text(command, no_wrap=True))
    assert command not in shown(40, Text(command))
