"""What a person sees while a sweep runs: a live display, or plain lines without a terminal."""

import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from supcr_bench.analysis.summary import cost_row
from supcr_bench.render.cells import memory_text, time_text
from supcr_bench.sweep.runner import SweepProgress
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock
from supcr_bench.workers.activity import Activity


def result_line(result: Result) -> str:
    """A result in a line."""
    what = f"{result.implementation} {result.case.pass_} at {result.case.describe()}"
    if result.status is Status.MEASURED:
        row = cost_row(result)
        figures = [time_text(row)] if result.time_samples_s else []
        return f"{what}: {', '.join([*figures, memory_text(row, row.peak_bytes)])}"
    return f"{what}: {result.status.replace('_', ' ')}: {result.reason}"


class ProgressDisplay(Protocol):
    """Told of everything that happens."""

    def moved(self, event: SweepProgress) -> None:
        """A cell is about to run, or one of several at once has ended."""

    def busy(self, activity: Activity) -> None:
        """The worker was seen at something."""

    def found(self, result: Result) -> None:
        """A result is known."""

    def close(self) -> None:
        """The sweep has ended."""


class PlainProgress:
    """A line for each cell and each result; for logs.

    Args:
        console: to print on.
        cells: in the plan.
    """

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._cells = cells

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def moved(self, event: SweepProgress) -> None:
        """Say which cell starts, and the time left; of one that ended the results were printed."""
        if event.started is not None and event.index is not None:
            left = format_clock(event.left_s)
            where = f"[{event.index + 1}/{self._cells}]"
            self._say(f"{where} {event.started.workload.describe()} (about {left} left)")

    def busy(self, activity: Activity) -> None:
        """Nothing: a log has no use for it."""

    def found(self, result: Result) -> None:
        """Say it."""
        self._say(f"  {result_line(result)}")

    def close(self) -> None:
        """Nothing to close."""


class LiveProgress:
    """One line that shows what is running and the time left, below the outcomes worth a line.

    Args:
        console: to draw on.
        cells: in the plan.
    """

    def __init__(self, console: Console, cells: int) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[case]}", style="bold"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[what]}", style="dim"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=cells, case="", left="", what="starting")
        self._left_s, self._cell_began_s = 0.0, time.monotonic()
        self._case = ""
        self._progress.start()

    def moved(self, event: SweepProgress) -> None:
        """Move the bar; name the cell that began first, and how many run beside it."""
        self._left_s, self._cell_began_s = event.left_s, time.monotonic()
        case = event.open[0].workload.describe() if event.open else ""
        if len(event.open) > 1:
            case += f" and {len(event.open) - 1} more"
        self._progress.update(self._task, completed=event.ended, case=case)
        if case != self._case:
            self._case = case
            self._progress.update(self._task, what="")
        self._show_left()

    def _show_left(self) -> None:
        left_s = max(self._left_s - (time.monotonic() - self._cell_began_s), 0.0)
        self._progress.update(self._task, left=f"about {format_clock(left_s)} left")

    def busy(self, activity: Activity) -> None:
        """Show what is running, and for how long if that is long."""
        what = f"{activity.arm.describe()}, {activity.stage}" if activity.arm else activity.stage
        if activity.elapsed_s >= 2:
            what += f" for {activity.elapsed_s:.0f} s"
        self._progress.update(self._task, what=what)
        self._show_left()

    def found(self, result: Result) -> None:
        """Print what is not simply measured."""
        if result.status is not Status.MEASURED:
            self._progress.console.print(Text(result_line(result), style="yellow"), soft_wrap=True)

    def close(self) -> None:
        """Take the display away."""
        self._progress.stop()


def make_progress(console: Console, cells: int) -> ProgressDisplay:
    """Live on a terminal, plain lines elsewhere."""
    return (LiveProgress if console.is_terminal else PlainProgress)(console, cells)
