"""The progress of a sweep: a live display, or plain lines without a terminal."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from supcr_bench.render.cells import memory_text, time_text
from supcr_bench.render.terminal import print_sentence
from supcr_bench.sweep.runner import SweepProgress
from supcr_bench.values.definition import TORCHCELL, short_name
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock
from supcr_bench.verification.outcome import Outcome
from supcr_bench.workers.messages import Activity


def result_line(result: Result) -> str:
    case = result.case
    whose = "" if case.definition == TORCHCELL.name else f" ({short_name(case.definition)})"
    what = f"{result.implementation}{whose} {case.pass_} at {case.describe()}"
    if result.status is Status.MEASURED:
        figures = [time_text(result)] if result.time_samples_s else []
        return f"{what}: {', '.join([*figures, memory_text(result, result.peak_bytes)])}"
    reason = str(result.reason).replace(case.definition, short_name(case.definition))
    return f"{what}: {result.status.words}: {reason}"


class PlainProgress:
    """Prints a line for each of ``cells`` (workloads) and each result; for logs."""

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._cells = cells

    def _say(self, text: str, style: str = "") -> None:
        print_sentence(self._console, text, style)

    def moved(self, event: SweepProgress) -> None:
        """Show that a cell starts, or that one of several parallel cells has ended."""
        if event.started is not None and event.index is not None:
            left = format_clock(event.left_s)
            where = f"[{event.index + 1}/{self._cells}]"
            process = f", process {event.started.process}" if event.started.further else ""
            self._say(f"{where} {event.started.workload.describe()}{process} (about {left} left)")

    def busy(self, activity: Activity) -> None:
        """Do nothing: a log does not show what a worker is doing."""

    def found(self, result: Result) -> None:
        """Show a result, but not the samples of a further process."""
        if not result.further_samples_s or result.status is not Status.MEASURED:
            self._say(f"  {result_line(result)}")

    def checked(self, name: str, outcome: Outcome) -> None:
        """Do nothing: a log does not show checks."""

    def close(self) -> None: ...


class LiveProgress(PlainProgress):
    """Shows one line with the running cell and the time left, and failed results above it."""

    def __init__(self, console: Console, cells: int) -> None:
        super().__init__(console, cells)
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
        what = f"{activity.arm.describe()}, {activity.stage}" if activity.arm else activity.stage
        if activity.elapsed_s >= 2:
            what += f" for {activity.elapsed_s:.0f} s"
        self._progress.update(self._task, what=what)
        self._show_left()

    def checked(self, name: str, outcome: Outcome) -> None:
        """Show that an implementation has passed through a check, once no cell runs."""
        if not self._case:
            what = f"{name}: {outcome.group}, {outcome.check}"
            self._progress.update(self._task, case="Verification", left="", what=what)

    def found(self, result: Result) -> None:
        if result.status is not Status.MEASURED:
            self._say(result_line(result), "yellow")

    def close(self) -> None:
        self._progress.stop()


def make_progress(console: Console, cells: int) -> PlainProgress:
    """A live display on a terminal, plain lines elsewhere."""
    live = console.is_terminal and not console.is_dumb_terminal
    return (LiveProgress if live else PlainProgress)(console, cells)
