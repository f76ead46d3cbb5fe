"""A gate's outcome on a terminal."""

import io

import pytest
from rich.console import Console

from supcr_bench.render.gate_tables import (
    gate_blocks,
    in_order,
    passed_table,
    tables_of,
)
from supcr_bench.render.gate_words import verdict_sentence
from supcr_bench.render.terminal import print_blocks
from supcr_bench.values.case import Case
from supcr_bench.values.gate import EVIDENCE, GateOutcome, GateVerdict
from supcr_bench.values.table import Table
from tests.made_gate_outcomes import (
    ALL,
    LONG_NAME,
    NEW,
    NO_TIME,
    PASS,
    REGRESSION,
    UNDECIDED,
    judge,
    outcome,
)


def shown(found: GateOutcome, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_blocks(console, gate_blocks(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def bad_cells(table: Table) -> set[tuple[int, int]]:
    return {
        (i, j)
        for i, row in enumerate(table.rows)
        for j, cell in enumerate(row.cells)
        if cell.tone == "bad"
    }


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [80, 120])
def test_the_verdict_stands_first_and_only_a_command_is_longer_than_a_line(
    name: str, width: int
) -> None:
    found = ALL[name]
    text = shown(found, width)
    assert words(text).startswith(words(str(verdict_sentence(found))))
    commands = {f"  {j.command}" for j in found.changes}
    too_long = {line for line in text.splitlines() if len(line.rstrip()) > width}
    assert too_long <= commands


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [80, 120])
def test_no_figure_loses_a_digit(name: str, width: int) -> None:
    text = shown(ALL[name], width)
    for block in gate_blocks(ALL[name]):
        if isinstance(block, Table):
            columns = [i for i, c in enumerate(block.columns) if c.kind != "prose"]
            assert all(row[i] in text for row in block.texts for i in columns)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_regression_can_be_seen_again_by_a_command_on_one_line(name: str, width: int) -> None:
    lines = shown(ALL[name], width).splitlines()
    worse = ALL[name].with_verdict(GateVerdict.REGRESSION)
    assert all(f"  {j.command}" in lines for j in worse)
    assert sum(line.startswith("  supcr-bench ") for line in lines) == len(
        {j.command for j in worse}
    )


def test_each_implementation_has_a_table_of_what_got_worse() -> None:
    first, second = tables_of(REGRESSION, GateVerdict.REGRESSION)
    assert (first.title, second.title) == ("Got worse: rowsort", f"Got worse: {LONG_NAME}")
    assert first.headers == ("case", "figure", "before", "after", "by", "sure")
    assert first.texts == (
        ("training N=64 D=2 NaN 20%", "agreement", "-", "-", "-", "exact"),
        ("", "elements processed", "1,250,000", "4,250,000", "x3.40", "exact"),
        ("", "dispatched operations", "5,292", "6,086", "+15%", "exact"),
        ("", "peak memory", "4.30 MB", "4.82 MB", "+12%", "exact"),
        ("", "time", "26.1 ms", "29.3 ms", "x1.12 [1.09, 1.15]", "99%"),
        ("-", "verification", "-", "-", "-", "exact"),
    )
    assert [i for i in range(6) if first.starts_group(i)] == [5]
    assert bad_cells(first) == {(i, 4) for i in range(6)}


def test_why_each_got_worse_is_said() -> None:
    text = words(shown(REGRESSION))
    for j in REGRESSION.with_verdict(GateVerdict.REGRESSION):
        assert f"{j.implementation} {j.title}" in text
        assert str(j.reason) in text


def test_what_is_undecided_has_no_sureness_and_alarms_nobody() -> None:
    table = tables_of(UNDECIDED, GateVerdict.UNDECIDED)[0]
    assert table.title == "Undecided: rowsort"
    assert table.headers == ("case", "figure", "before", "after", "by")
    assert table.texts[1] == (
        "training N=256 D=1 NaN 0%",
        "time",
        "26.1 ms",
        "29.3 ms",
        "x1.02 [0.97, 1.08]",
    )
    assert not any(table.starts_group(i) for i in range(len(table.rows)))
    assert not bad_cells(table)
    assert "Got worse" not in shown(UNDECIDED)


def test_what_passed_is_counted_by_evidence_and_implementation() -> None:
    worse = judge("dispatched_ops", GateVerdict.REGRESSION, "scan")
    table = passed_table(outcome(*PASS.changes, worse, judge("time", GateVerdict.NEW, "late")))
    assert table.headers == ("name", "agreement", "cost", "time", "new")
    assert table.texts == (
        ("rowsort", "2 of 2", "3 of 3", "1 of 1", "-"),
        ("broadcast", "2 of 2", "3 of 3", "1 of 1", "-"),
        ("scan", "-", "1 of 2", "1 of 1", "-"),
        ("late", "-", "-", "-", "1"),
    )
    assert bad_cells(table) == {(2, 2)}


def test_a_hundred_figures_that_pass_take_a_screen() -> None:
    cases = [Case(batch_size=n, pass_="training") for n in range(2, 42)]
    many = outcome(*(judge(f, case=c) for f in EVIDENCE for c in cases))
    assert len(shown(many).splitlines()) < 24


def test_where_nothing_passed_there_is_no_table_of_it() -> None:
    assert not [b for b in gate_blocks(NEW) if isinstance(b, Table)]
    assert shown(NEW).splitlines()[0].startswith("undecided: no figure")


def test_time_and_notes_close_the_text() -> None:
    text = shown(PASS, 200)
    assert text.endswith(
        "24 processes timed 5 cells in 1:52; 2:30 were allowed.\n"
        "The gate took 2:51.\n"
        "The work tree has changes that are not committed; they were measured.\n"
    )
    assert "\nBetter: scan, dispatched operations x0.34 in 1 case.\n" in text
    assert "\nTime was not judged.\n" in shown(NO_TIME)


def test_figures_of_one_case_stand_together() -> None:
    one, other = Case(batch_size=16), Case(batch_size=32)
    made = [
        judge("dispatched_ops", name="a", case=one),
        judge("dispatched_ops", name="b", case=one),
        judge("dispatched_ops", name="a", case=other),
        judge("time", name="a", case=one),
    ]
    assert in_order(made) == [made[0], made[3], made[2], made[1]]
