"""Tables: figures, statuses and marks, on the terminal and as CSV."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from supcr_bench.analysis.findings import Findings, find
from supcr_bench.commands.report_page import findings_of
from supcr_bench.render.csv_tables import csv_tables
from supcr_bench.render.run_tables import run_tables, second_counter
from supcr_bench.render.terminal import print_table
from supcr_bench.store.run import load_run
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Table
from tests.made_results import make_result, make_series
from tests.table_marks import group_starts, toned

RUNS = Path(__file__).parents[2] / "results"
CLAIMS = {"rowsort": {"time": "N^2 log N", "memory": "N^2"}}
RESULTS = [
    *make_series("rowsort", [32, 64, 128], lambda n: 1e-6 * n**3, pass_="training"),
    *make_series("broadcast", [32, 64], lambda n: 2e-6 * n**2, pass_="training"),
    make_result(
        "broadcast",
        n=128,
        pass_="training",
        status=Status.OUT_OF_MEMORY,
        reason="an allocation failed",
    ),
    make_result(
        "loopy", n=32, pass_="training", times=[0.2] * 3, status=Status.WRONG, reason="off"
    ),
]


def findings(results: list[Result] = RESULTS) -> Findings:
    return find(results, CLAIMS)


def tables(results: list[Result] = RESULTS) -> dict[str, Table]:
    return {table.name: table for table in run_tables(findings(results))}


def shown(table: Table, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_table(console, table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_time_table_has_a_row_per_case_and_a_column_per_implementation() -> None:
    table = tables()["time-training"]
    assert table.headers == ("D", "NaN", "N", "rowsort", "broadcast", "loopy")
    assert table.texts[0] == (
        "1",
        "0%",
        "32",
        "32.8 ms ±0% (8)",
        "2.05 ms ±0% (8)",
        "200 ms (3) wrong",
    )
    assert table.texts[2] == ("1", "0%", "128", "2.10 s ±0% (8)", "out of memory", "-")


def test_the_time_table_leaves_out_what_was_not_to_be_timed_and_the_others_do_not() -> None:
    counted = make_result("rowsort", n=16, pass_="training", peak_bytes=4096)
    found = tables([*RESULTS, counted])
    assert [row[2] for row in found["time-training"].texts] == ["32", "64", "128"]
    assert [row[2] for row in found["memory-training"].texts] == ["16", "32", "64", "128"]


def test_missing_figures_step_back_and_each_cell_leads_to_its_result() -> None:
    table = tables()["time-training"]
    assert table.rows[0].cells[3].result is RESULTS[0]
    assert table.rows[2].cells[5].result is None
    assert {(2, 4), (2, 5), (1, 5)} <= toned(table, "quiet")


def test_growth_puts_the_claim_beside_the_measurement() -> None:
    results = make_series(
        "rowsort",
        [16, 24, 32, 48, 64],
        lambda n: 1e-6 * n**3,
        elements_processed=1000,
        dispatched_ops=10,
    )
    found = tables([replace(r, elements_processed=r.case.batch_size**3) for r in results])
    assert found["growth"].headers[4:] == (
        "time",
        "elements",
        "ops",
        "memory",
        "claimed",
    )
    assert found["growth"].texts == (
        ("rowsort", "forward", "1", "0%", "?", "N^3", "constant", "N^2", "N^2 log N"),
    )


def test_growth_that_cannot_be_told_is_a_question_mark() -> None:
    row = next(r for r in tables()["growth"].texts if r[0] == "rowsort")
    assert row[4:] == ("?", "-", "-", "?", "-")


def test_agreement_counts_cases_and_keeps_the_worst() -> None:
    rows = {r[0]: r for r in tables()["agreement"].texts}
    assert rows["rowsort"][2:] == ("3 of 3", "1.0e-07", "0.5", "2.0e-07", "0.25")
    assert rows["loopy"][2] == "0 of 1"


def test_every_outcome_that_is_not_plain_has_its_reason() -> None:
    outcomes = {(r[1], r[2]) for r in tables()["outcomes"].texts}
    assert outcomes == {("out of memory", "an allocation failed"), ("wrong", "off")}


def test_tables_fit_eighty_columns_and_show_markup_as_text() -> None:
    for table in tables().values():
        assert max(len(line.rstrip()) for line in shown(table).splitlines()) <= 80
    hostile = make_result("[bold]x[/bold]", status=Status.FAILED, reason="[red]no[/red]")
    table = tables([hostile])["outcomes"]
    assert "[bold]x[/bold]" in shown(table)
    assert "[red]no[/red]" in shown(table)


def test_sizes_that_ended_alike_share_a_row() -> None:
    skipped = [
        make_result("loopy", n=n, status=Status.SKIPPED, reason=f"too slow at {n}")
        for n in (256, 128)
    ]
    table = tables(skipped)["outcomes"]
    assert table.texts == (
        ("loopy forward, D=1 NaN 0%, N=128, 256", "skipped", "at N=128: too slow at 128"),
    )


def test_varied_axes_become_columns_and_sections() -> None:
    results = make_series("rowsort", [8, 16], lambda n: n * 1e-6)
    results += make_series("rowsort", [8, 16], lambda n: n * 1e-6, case={"labels": "tied"})
    table = tables(results)["time-forward"]
    assert table.headers == ("D", "NaN", "labels", "N", "rowsort")
    assert group_starts(table) == {2}


def test_where_two_axes_more_vary_what_is_the_same_everywhere_makes_room() -> None:
    results = [
        make_result("rowsort", times=[1.0], case={"dtype": dtype, "temperature": temperature})
        for dtype in ("float32", "float64")
        for temperature in (0.1, 1.0)
    ]
    table = tables(results)["time-forward"]
    assert table.headers == ("dtype", "tau", "N", "rowsort")
    assert group_starts(table) == set()  # series of one row each are no sections


def test_csv_tables_hold_plain_figures() -> None:
    tables = csv_tables(findings())
    rows = list(csv.DictReader(io.StringIO(tables["cost.csv"])))
    assert len(rows) == len(RESULTS)
    assert rows[0]["time_s"] == repr(1e-6 * 32**3)
    assert rows[0]["pass"] == "training"
    ended = next(r for r in rows if r["status"] == "out_of_memory")
    assert ended["time_s"] == ended["peak_bytes"] == ""
    growth = list(csv.DictReader(io.StringIO(tables["growth.csv"])))
    assert {r["metric"] for r in growth} == {"time", "memory"}


@pytest.mark.slow
@pytest.mark.parametrize("run", [RUNS / "reference", RUNS / "gpu"], ids=lambda run: run.name)
def test_tables_of_a_stored_run_are_those_that_another_machine_wrote(run: Path) -> None:
    written = csv_tables(findings_of(load_run(run)))
    assert written == {file.name: file.read_text() for file in (run / "tables").iterdir()}


def test_fitted_figures_have_six_digits_as_later_ones_depend_on_the_machine() -> None:
    growth = list(csv.DictReader(io.StringIO(csv_tables(findings())["growth.csv"])))
    exponents = [row["last_exponent"] for row in growth if row["last_exponent"]]
    assert exponents
    assert all(len(text.lstrip("-0.").replace(".", "")) <= 6 for text in exponents)


def test_nothing_measured_gives_only_the_outcomes() -> None:
    failed = make_result("mine", status=Status.FAILED, reason="no")
    assert list(tables([failed])) == ["time-forward", "memory-forward", "outcomes"]


def test_a_table_that_nobody_would_read_to_its_end_is_cut_and_says_so() -> None:
    results = make_series("rowsort", list(range(2, 402)), lambda n: n * 1e-6)
    text = shown(tables(results)["time-forward"])
    assert "the first 150 of 400 rows" in " ".join(text.split())
    assert len(text.splitlines()) < 160


def test_a_table_that_is_wider_than_the_terminal_loses_no_digit() -> None:
    name = "/a/long/path/to/some/file/of/losses.py:Loss"
    results = make_series(name, [16, 24, 32, 48, 64], lambda n: n * 1e-6)
    console = Console(file=io.StringIO(), width=40, color_system=None)
    print_table(console, tables(results)["frontier"])
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert name in text
    assert all(cell in text for row in tables(results)["frontier"].texts for cell in row)


def two_definitions() -> list[Result]:
    """rowsort of the note beside the official loop, which has a definition and default of its own.

    rowsort is faster up to N=32.
    """
    own = {"own_temperature": True}
    official = own | {"definition": "rank-n-contrast", "temperature": 2.0}
    sizes = [16, 32, 64]
    return [
        *make_series("rowsort", sizes, lambda n: 1e-6 * n**2, pass_="training", case=own),
        *make_series("rnc-loop", sizes, lambda n: 4e-5 * n, pass_="training", case=official),
    ]


def test_times_of_two_definitions_stand_side_by_side_and_say_whose_they_are() -> None:
    found = tables(two_definitions())
    time = found["time-training"]
    assert time.headers == ("D", "NaN", "N", "rowsort\ntorchcell", "rnc-loop\nrank-n-contrast")
    assert [row[3:] for row in time.texts] == [
        ("256 µs ±0% (8)", "640 µs ±0% (8)"),
        ("1.02 ms ±0% (8)", "1.28 ms ±0% (8)"),
        ("4.10 ms ±0% (8)", "2.56 ms ±0% (8)"),
    ]
    agreement = found["agreement"]
    assert agreement.title == "Agreement of each implementation with its definition"
    assert [row[:2] for row in agreement.texts] == [
        ("rowsort", "torchcell"),
        ("rnc-loop", "rank-n-contrast"),
    ]


def test_a_definition_that_departs_from_a_shipped_one_is_marked_and_explained_below() -> None:
    full = "rank-n-contrast but a single view and cosine similarity"
    own = {"definition": full, "temperature": 0.5, "own_temperature": True}
    results = [
        *two_definitions(),
        *make_series("rnc.py:my_rnc", [16, 32, 64], lambda n: 1e-3 * n, pass_="training", case=own),
    ]
    found = tables(results)
    explained = f"\nrank-n-contrast* (rnc.py:my_rnc) stands for {full}"
    assert found["time-training"].headers[-1] == "rnc.py:my_rnc\nrank-n-contrast*"
    assert found["agreement"].texts[-1][:2] == ("rnc.py:my_rnc", "rank-n-contrast*")
    for table in (found["time-training"], found["memory-training"], found["agreement"]):
        assert table.note.endswith(explained)
        assert not any(full in text for texts in (table.headers, *table.texts) for text in texts)
    assert shown(found["time-training"]).count("Time per call") == 1
    assert shown(found["time-training"]).count("rowsort") == 1  # in one piece

    alone = tables(results[-3:])["agreement"]
    assert alone.title == "Agreement with the definition rank-n-contrast*"
    assert alone.note.endswith(explained)
    assert "* " not in tables(two_definitions())["agreement"].note


def test_a_second_counter_counts_in_the_blocks_of_a_cuda_allocator() -> None:
    small: dict[str, Any] = {
        "peak_bytes": 1024,
        "dispatch_peak_bytes": 80,
        "predicted_cuda_peak_bytes": 1024,
    }
    for device, by in (("cuda", "less than 0.1%"), ("cpu", "-92.2%")):
        (said,) = second_counter([make_result("loopy", case={"device": device}, **small)])
        assert said.text.endswith(f"differs by {by}")
