"""The progress of a sweep: a live display, or plain lines without a terminal."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from supcr_bench.render.cells import memory_text, time_text
from supcr_bench.render.terminal import print_sentence
from supcr_bench.sweep.runner import SweepProgress, VerifiedEvent
from supcr_bench.values.cell import Cell
from supcr_bench.values.definition import TORCHCELL, short_name
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock
from supcr_bench.workers.messages import Activity


def result_line(result: Result) -> str:
    case = result.case
    whose = "" if case.definition == TORCHCELL.name else f" ({short_name(case.definition)})"
    what = f"{result.implementation}{whose} {case.pass_} at {case.describe()}"
    if result.status is Status.MEASURED:
        figures = [time_text(result)] if result.time_samples_s else []
        return f"{what}: {', '.join([*figures, memory_text(result)])}"
    reason = str(result.reason).replace(case.definition, short_name(case.definition))
    return f"{what}: {result.status.words}: {reason}"


class PlainProgress:
    """Prints a line for each of ``cells`` (workloads) and each result; for logs."""

    def __init__(self, console: Console, cells: int) -> None:
        self._console, self._cells = console, cells

    def show(self, event: VerifiedEvent) -> None:
        match event:
            case SweepProgress(started=Cell() as cell, index=int(index)):
                where = f"[{index + 1}/{self._cells}] {cell.workload.describe()}"
                process = f", process {cell.process}" if cell.further else ""
                left = f"(about {format_clock(event.left_s)} left)"
                print_sentence(self._console, f"{where}{process} {left}")
            case Result() if not event.further_samples_s or event.status is not Status.MEASURED:
                print_sentence(self._console, f"  {result_line(event)}")

    def close(self) -> None: ...


class LiveProgress(PlainProgress):
    """Shows one line with the running cell and the time left, and failed results above it."""

    def __init__(self, console: Console, cells: int) -> None:
        super().__init__(console, cells)
        columns = BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn()
        text = TextColumn("{task.description}", markup=False)
        self._progress = Progress(*columns, text, console=console, transient=True)
        self._task = self._progress.add_task("starting", total=cells)
        self._now, self._told_s = SweepProgress(ended=0, open=(), left_s=0.0), time.monotonic()
        self._what = ""
        self._progress.start()

    def show(self, event: VerifiedEvent) -> None:
        match event:
            case SweepProgress():
                if event.open != self._now.open:
                    self._what = ""
                self._now, self._told_s = event, time.monotonic()
            case Activity():
                self._what = f"{event.arm.describe()}, {event.stage}" if event.arm else event.stage
                if event.elapsed_s >= 2:
                    self._what += f" for {event.elapsed_s:.0f} s"
            case Result() if event.status is not Status.MEASURED:
                print_sentence(self._console, result_line(event), "yellow")
            case (name, outcome) if not self._now.open:
                self._what = f"Verification  {name}: {outcome.group}, {outcome.check}"
        others = f" and {len(self._now.open) - 1} more" if len(self._now.open) > 1 else ""
        case = f"{self._now.open[0].workload.describe()}{others}" if self._now.open else ""
        left_s = max(self._now.left_s - (time.monotonic() - self._told_s), 0.0)
        left = f"about {format_clock(left_s)} left" if self._now.left_s else ""
        text = "  ".join(filter(None, (case, left, self._what)))
        self._progress.update(self._task, completed=self._now.ended, description=text)

    def close(self) -> None:
        self._progress.stop()


def make_progress(console: Console, cells: int) -> PlainProgress:
    """A live display on a terminal, plain lines elsewhere."""
    live = console.is_terminal and not console.is_dumb_terminal
    return (LiveProgress if live else PlainProgress)(console, cells)
