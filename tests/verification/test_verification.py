"""Verification as tables and sentences."""

import io

from rich.console import Console

from supcr_bench.commands.verify import show_verified
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.verification import checks_table, finding_lines, verified_table
from tests.made_verifications import DIAGNOSIS, LATE, NOT_ROBUST, OFF, make_verification
from tests.table_marks import group_starts, toned


def test_every_check_is_a_row_and_what_failed_stands_out() -> None:
    table = checks_table(make_verification("one", OFF, NOT_ROBUST))
    assert table.title == "one, by the definition torchcell"
    assert table.texts[0] == ("definition", "weights", "pass", "9", "0.5")
    assert table.texts[2] == ("definition", "ties", "fail", "1 of 4 wrong", "7.5")
    assert toned(table, "bad") == {(2, 2), (3, 2)}
    assert toned(table, "quiet") == {(1, column) for column in range(5)}
    assert group_starts(table) == {1, 2, 3}


def test_several_at_a_glance_count_what_passes_of_what_applies() -> None:
    table = verified_table(
        [
            make_verification("fine", NOT_ROBUST),
            make_verification("off", OFF, NOT_ROBUST),
            make_verification("late", LATE, definition="no-self"),
        ]
    )
    assert table.title == "Verification by the definition (torchcell, no-self)"
    assert table.texts == (
        ("fine", "right", "1 of 1", "-", "0 of 1", "-"),
        ("off", "not right", "1 of 2", "-", "0 of 1", "-"),
        ("late", "undecided", "1 of 1", "-", "-", "0 of 1"),
    )
    assert toned(table, "bad") == {(1, 1), (1, 2)}
    assert toned(table, "good") == {(0, 1)}


def test_the_terminal_says_what_is_wrong_with_those_that_are_not_right_alone() -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    found = [make_verification(n, *o, diagnosis=DIAGNOSIS) for n, o in (("a", ()), ("b", (OFF,)))]
    show_verified(found, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "a is right by the definition (torchcell).\nb is not right" in text
    assert "\n  ties: the loss is off (N=4)\n  Most likely: the wrong sign.\n" in text
    assert text.count("Most likely") == 1


def test_what_several_checks_found_alike_is_one_line() -> None:
    raises = [
        Outcome.ended(name, "definition", "raises KeyError: 'x'") for name in ("ties", "weights")
    ]
    skipped = [Outcome.skipped(name, "conduct", "the time was up") for name in ("a", "b")]
    lines = finding_lines([OFF, *raises, *skipped])
    assert [line for line, _ in lines] == [
        "ties: the loss is off (N=4)",
        "ties, weights: raises KeyError: 'x'",
        "a, b: not run, the time was up",
    ]
