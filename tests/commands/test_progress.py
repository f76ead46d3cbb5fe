"""Progress on a terminal and without one."""

import io
import re
import time
from dataclasses import asdict, replace
from random import Random

from rich.console import Console

from supcr_bench.commands.progress import LiveProgress, PlainProgress, make_progress, result_line
from supcr_bench.sweep.runner import SweepProgress
from supcr_bench.values.cell import Account, Arm, Cell
from supcr_bench.values.result import Status
from supcr_bench.verification.outcome import Outcome, Verdict
from supcr_bench.workers.messages import Activity
from tests.commands.time_lines import left_holds, took_holds
from tests.made_results import make_result

PLANNED = Cell(make_result().case.workload, ())
CELL = SweepProgress(index=2, started=PLANNED, ended=2, open=(PLANNED,), left_s=75.0)


def console(*, terminal: bool) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=120, highlight=False, color_system=None
    )


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_without_a_terminal_there_is_a_line_for_each_cell_and_result() -> None:
    out = console(terminal=False)
    progress = make_progress(out, cells=9)
    assert isinstance(progress, PlainProgress)
    progress.show(CELL)
    progress.show(Activity("time", Arm("loopy", "forward"), time.monotonic()))
    progress.show(make_result(times=[0.5] * 7, peak_bytes=2_000_000))
    other = make_result(peak_bytes=2_000_000)
    progress.show(replace(other, case=replace(other.case, definition="no-self")))
    progress.show(make_result(status=Status.FAILED, reason="[red]no[/red]"))
    progress.close()
    assert text_of(out).splitlines() == [
        "[3/9] N=64 D=1 NaN 0% (about 1:15 left)",
        "  loopy forward at N=64 D=1 NaN 0%: 500 ms ±0% (7), 2.00 MB",
        "  loopy (no-self) forward at N=64 D=1 NaN 0%: 2.00 MB",
        "  loopy forward at N=64 D=1 NaN 0%: failed: [red]no[/red]",
    ]


def test_on_a_terminal_it_shows_what_runs_and_prints_only_what_is_unusual() -> None:
    out = console(terminal=True)
    progress = make_progress(out, cells=9)
    assert isinstance(progress, LiveProgress)
    progress.show(CELL)
    progress.show(Activity("memory", Arm("loopy", "training"), time.monotonic() - 5))
    progress.show(make_result(times=[0.5] * 7))
    progress.show(make_result(status=Status.OUT_OF_MEMORY, reason="an allocation failed"))
    progress.close()
    text = text_of(out)
    assert "loopy training, memory for 5 s" in text
    assert "2/9" in text
    assert "about 1:15 left" in text
    assert "out of memory: an allocation failed" in text
    assert "500 ms" not in text


def test_on_a_terminal_the_time_left_stays_while_verification_goes_on_after_the_sweep() -> None:
    out = console(terminal=True)
    progress = make_progress(out, cells=3)
    progress.show(SweepProgress(ended=3, open=(), left_s=75.0))
    progress.show(("loopy", Outcome(check="ties", group="definition", verdict=Verdict.PASS)))
    progress.close()
    last = next(line for line in text_of(out).splitlines() if "ties" in line)
    assert "Verification" in last
    assert "about 1:15 left" in last
    assert "loopy: definition, ties" in last


def test_several_cells_at_once_are_one_line_that_names_the_first() -> None:
    out = console(terminal=True)
    progress = make_progress(out, cells=9)
    two = (PLANNED, PLANNED)
    progress.show(SweepProgress(index=4, started=PLANNED, ended=2, open=(*two, PLANNED), left_s=9))
    progress.show(SweepProgress(ended=3, open=two, left_s=9))
    progress.close()
    shown = text_of(out)
    assert f"{PLANNED.workload.describe()} and 1 more" in shown
    assert "3/9" in shown


def test_without_a_terminal_a_cell_that_ended_says_no_more_than_its_results() -> None:
    out = console(terminal=False)
    make_progress(out, cells=9).show(SweepProgress(ended=3, open=(), left_s=9))
    assert text_of(out) == ""


def test_a_line_has_the_short_name_of_a_definition_that_departs_from_a_shipped_one() -> None:
    full = "rank-n-contrast but a single view"
    result = make_result(status=Status.SKIPPED, reason=f"{full} does not say what to do")
    case = replace(result.case, definition=full)
    assert result_line(replace(result, case=case)) == (
        "loopy (rank-n-contrast*) forward at N=64 D=1 NaN 0%: skipped: "
        "rank-n-contrast* does not say what to do"
    )


def test_a_dumb_terminal_gets_lines() -> None:
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert type(make_progress(dumb, cells=9)) is PlainProgress


def test_what_is_said_of_the_time_taken_is_true_and_noticed_where_it_is_made_false() -> None:
    """Of 500 runs."""
    random = Random(0)
    for _ in range(500):
        wall_s, at_once = 10 ** random.uniform(0, 5), random.choice([1, 1, 4])
        parts = [at_once * wall_s * random.random() / 2.8 for _ in range(3)]
        account = Account(inputs_s=parts[0], reference_s=parts[1], calls_s=parts[2])
        text, known = account.describe(wall_s, at_once), {"wall_s": wall_s, **asdict(account)}
        assert took_holds(text, known, at_once), (text, known)
        assert not took_holds(re.sub(r"^(\d+)", r"1\1", text), known, at_once)
        assert not took_holds(re.sub(r"(\d+)% of it", r"1\1% of it", text), known, at_once + 1)
        assert not took_holds(f"{text}; verification took 0:07 more", known, at_once)


def test_what_is_said_of_the_time_left_is_true_and_noticed_where_it_is_made_false() -> None:
    random = Random(1)
    out = console(terminal=False)
    progress, events = make_progress(out, cells=700), []
    for index in range(500):
        workload = make_result(n=random.randint(2, 9999)).case.workload
        cell = Cell(workload, (), process=random.choice([1, 1, 2, 3]))
        left_s = 10 ** random.uniform(-1, 5)
        events.append(SweepProgress(index=index, started=cell, ended=0, open=(), left_s=left_s))
        progress.show(events[-1])
    for line, event in zip(text_of(out).splitlines(), events, strict=True):
        assert left_holds(line, event, 700), line
        for how, by in ((r"\[", "[1"), ("N=", "N=1"), (r"about (\d)", r"about 1\1")):
            assert not left_holds(re.sub(how, by, line), event, 700)
