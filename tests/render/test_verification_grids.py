"""Verification as tables, and as the page shows it."""

import io

from rich.console import Console

from supcr_bench.commands.verify import show_verified
from supcr_bench.render.verification_grids import verification_grid, verified, verified_grid
from tests.made_verifications import DIAGNOSIS, LATE, NOT_ROBUST, OFF, make_verification


def test_every_check_is_a_row_and_what_failed_stands_out() -> None:
    grid = verification_grid(make_verification("one", OFF, NOT_ROBUST))
    assert grid.title == "one, held against torchcell"
    assert grid.rows[0] == ("definition", "weights", "pass", "9", "0.5")
    assert grid.rows[2] == ("definition", "ties", "fail", "1 of 4 wrong", "7.5")
    assert grid.alarming == {(2, 2), (3, 2)}
    assert grid.weak == {(1, column) for column in range(5)}
    assert grid.sections == {1, 2, 3}


def test_several_at_a_glance_count_what_passes_of_what_applies() -> None:
    grid = verified_grid(
        [
            make_verification("fine", NOT_ROBUST),
            make_verification("off", OFF, NOT_ROBUST),
            make_verification("late", LATE, definition="no-self"),
        ]
    )
    assert grid.title == "Verification by the definition (torchcell, no-self)"
    assert grid.rows == (
        ("fine", "right", "1 of 1", "-", "0 of 1", "-"),
        ("off", "not right", "1 of 2", "-", "0 of 1", "-"),
        ("late", "undecided", "1 of 1", "-", "-", "0 of 1"),
    )
    assert grid.alarming == {(1, 1), (1, 2)}
    assert grid.strong == {(0, 1)}


def test_the_terminal_says_what_is_wrong_with_those_that_are_not_right_alone() -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    found = [make_verification(n, *o, diagnosis=DIAGNOSIS) for n, o in (("a", ()), ("b", (OFF,)))]
    show_verified(found, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "a is right by the definition (torchcell).\nb is not right" in text
    assert "\n  ties: the loss is off (N=4)\n  Most likely: the wrong sign.\n" in text
    assert text.count("Most likely") == 1


def test_the_page_gets_verdict_findings_diagnosis_and_snippet() -> None:
    shown = verified(make_verification("off", OFF, NOT_ROBUST, diagnosis=DIAGNOSIS))
    assert shown.implementation == "off"
    assert shown.verdict.startswith("off is not right by the definition (torchcell): 1 of 4")
    assert shown.findings == (
        ("ties", "the loss is off (N=4)"),
        ("low temperature", "the loss is nan"),
    )
    assert shown.diagnosis == "Most likely: the wrong sign. Smallest failing case found: N=2."
    assert shown.snippet == "print(1 < 2)"
    fine = verified(make_verification("fine"))
    assert (fine.findings, fine.diagnosis, fine.snippet) == ((), None, None)
