"""A comparison as tables and sentences."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from supcr_bench.analysis.compare import Comparison, compare_results
from supcr_bench.render.cells import ratio_text
from supcr_bench.render.comparison import (
    all_sentences,
    changes_table,
    comparison_tables,
    environment_sentences,
    ratio_table,
)
from supcr_bench.render.terminal import print_table
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result
from tests.table_marks import group_starts, toned

COUNTS: dict[str, Any] = {"dispatched_ops": 10, "elements_processed": 1000, "peak_bytes": 10_000}


def run(seconds: float = 1.0, name: str = "", **fields: Any) -> list[Result]:
    """Twelve sizes of three implementations; what is named is of that implementation alone."""
    return [
        make_result(
            own,
            n=n,
            times=[seconds if own == name else 1.0] * 8,
            **(COUNTS | (fields if own == name else {})),
        )
        for n in range(8, 20)
        for own in ("loopy", "broadcast", "rowsort")
    ]


def said(comparison: Comparison) -> str:
    return "\n".join(map(str, all_sentences(comparison)))


def test_a_row_has_ratio_interval_verdict_work_and_memory() -> None:
    later = run(2.0, "loopy", dispatched_ops=20, peak_bytes=15_000)
    table = ratio_table(compare_results(run(), later), "forward")
    assert table.headers == ("name", "N", "ratio", "interval", "time", "work", "bytes")
    assert table.texts[0] == ("loopy", "8", "2.00", "2.00-2.00", "slower", "more", "x1.50")
    assert {(0, 4), (0, 5), (0, 6)} <= toned(table, "bad")
    assert group_starts(table) == {12, 24}
    assert table.texts[12][:3] == ("broadcast", "8", "1.00")


def test_an_undecided_time_steps_back() -> None:
    table = ratio_table(compare_results(run()[:3], run()[:3]), "forward")
    assert table.texts[0][2:5] == ("1.00", "-", "undecided")
    assert (0, 4) in toned(table, "quiet")


def test_counts_and_ends_that_changed_are_told_apart_from_time() -> None:
    first, second = run(), run(1.0, "loopy", dispatched_ops=20)
    second[1] = make_result("broadcast", n=8, status=Status.WRONG, reason="off")
    del second[2], first[3]
    table = changes_table(compare_results(first, second))
    assert table.texts == (
        (
            "loopy forward, D=1 NaN 0%, N=8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19",
            "dispatched operations: more",
            "at N=8: 10, then 20 (x2.00)",
        ),
        ("broadcast forward, D=1 NaN 0%, N=8", "measured, then wrong", "became wrong: off"),
        ("rowsort forward, D=1 NaN 0%, N=8", "measured, then absent", "-"),
        ("loopy forward, D=1 NaN 0%, N=9", "absent, then measured", "-"),
    )
    assert toned(table, "bad") == {(0, 1), (1, 1)}


def test_a_change_for_the_better_beside_a_finding_does_not_alarm() -> None:
    later = run(1.0, "loopy", dispatched_ops=5, elements_processed=900, peak_bytes=20_000)[:1]
    later = [replace(later[0], status=Status.WRONG, reason="off")]
    table = changes_table(compare_results(run()[:1], later))
    assert [row[1] for row in table.texts] == [
        "measured, then wrong",
        "elements processed: less",
        "dispatched operations: less",
        "peak memory: more",
    ]
    assert toned(table, "bad") == {(0, 1), (3, 1)}


def test_tables_fit_eighty_columns() -> None:
    first, second = run(), run(1.0, "loopy", dispatched_ops=20)
    apart = {"labels": "tied", "dims": 2, "nan_density": 0.25}
    first += [make_result("loopy", n=4096, times=[1.0] * 8, case=apart)]
    second += [make_result("loopy", n=4096, times=[0.9] * 8, case=apart)]
    for table in comparison_tables(compare_results(first, second)):
        console = Console(file=io.StringIO(), width=80, color_system=None)
        print_table(console, table)
        assert isinstance(console.file, io.StringIO)
        assert max(len(line.rstrip()) for line in console.file.getvalue().splitlines()) <= 80
        if table.name != "compare-changes":
            assert all(cell in console.file.getvalue() for row in table.texts for cell in row)


def test_two_equal_runs_say_that_nothing_got_worse() -> None:
    comparison = compare_results(run(), run())
    assert [g.name for g in comparison_tables(comparison)] == ["compare-forward"]
    text = said(comparison)
    assert "\n36 results in both runs.\n" in text
    for cost in ("Work", "Peak memory", "Time"):
        assert f"{cost} in 36 cases: 36 same." in text
    assert "loopy x1.00, broadcast x1.00, rowsort x1.00" in text
    assert text.startswith("Nothing got worse, as far as these runs can tell.")


def test_an_implementation_that_became_slower_is_named() -> None:
    text = said(compare_results(run(), run(3.0, "loopy")))
    assert "loopy became slower: in 12 of 12 cases, in 12 of them by more than" in text
    assert "Nothing got worse" not in text


def test_a_slower_case_that_chance_explains_is_no_finding() -> None:
    later = run()
    later[0] = make_result("loopy", n=8, times=[3.0] * 8, **COUNTS)
    text = said(compare_results(run(), later))
    assert (
        "loopy is slower in 1 of 12 cases, in 1, as few as chance explains, of them by more than a "
        "session may move all cases of an implementation (x1.20)."
    ) in text
    assert text.startswith("Nothing got worse, as far as these runs can tell.")


def test_what_only_one_run_has_is_counted_and_undecided_times_say_why() -> None:
    text = said(compare_results(run()[:6], run()[2:7]))
    assert "4 results in both runs, 2 only in the first, 1 only in the second." in text
    assert "Time in 4 cases: 4 undecided (the machine's drift is unknown: other" in text
    assert "Each interval" not in text


def test_over_several_processes_their_spread_is_said_to_make_the_intervals() -> None:
    made = [replace(r, further_samples_s={"x": (1.01,) * 8}) for r in run()]
    found = compare_results(made, made)
    assert "the processes of a run (2 or more) differ" in said(found)
    (table,) = comparison_tables(found)
    assert "interval of the ratio of times, by the spread between processes" in table.note


def test_costs_that_rose_are_counted_as_findings() -> None:
    text = said(compare_results(run(), run(1.0, "rowsort", elements_processed=1001)))
    assert "Work in 36 cases: 24 same, 12 more." in text
    assert "12 results got worse in work." in text


def test_nothing_compared_is_said() -> None:
    skipped = [make_result(status=Status.SKIPPED)]
    text = said(compare_results(skipped, skipped))
    assert text == "The runs share no figure that could be compared.\n1 result in both runs."


def test_what_differs_in_machine_and_software_is_said_first() -> None:
    gpu = {"device": "cuda:0", "name": "a card", "memory_bytes": 1}
    differences = {
        "cpu": ("one", "other"),
        "accelerators": ([], [gpu]),
        "torch": ("2.6", "2.7"),
    }
    found = environment_sentences(compare_results(run(), run(), differences))
    assert [*map(str, found)] == [
        "The machines differ (cpu one, then other; accelerators none, then a card): times are "
        "shown, but not judged.",
        "The software differs, which may explain what changed: torch 2.6, then 2.7.",
    ]
    assert environment_sentences(compare_results(run(), run())) == []


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (None, "-"),
        (1.0, "1.00"),
        (0.1, "0.10"),
        (0.0123, "0.012"),
        (9.994, "9.99"),
        (12.34, "12.3"),
    ],
)
def test_ratios_have_three_digits(ratio: float | None, text: str) -> None:
    assert ratio_text(ratio) == text
