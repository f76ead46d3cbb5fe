"""Runs a sweep: yields each result as soon as it is known, and prints nothing.

Cells (one workload, several implementations) run in order, one at a time, or in parallel if the
executor can. Cells of one series (equal but for the batch size) always run one by one, by rising
size, because each size is predicted from those before it. Whether a case is skipped depends only on
its own series, and not on cells that run in parallel.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Event, Executor, without_figures
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.cell import Arm, Cell, new_session
from supcr_bench.values.grouping import grouped
from supcr_bench.values.result import Key, Result, Status
from supcr_bench.workers.activity import Activity
from supcr_bench.workers.streams import merge_streams


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepProgress:
    """The progress of a sweep when a cell starts, or when one of several parallel cells ended."""

    ended: int
    open: tuple[Cell, ...]
    left_s: float
    started: Cell | None = None
    index: int | None = None


SweepEvent = Event | SweepProgress


def run_sweep(
    plan: Sequence[Cell],
    executor: Executor,
    subjects: Sequence[Subject],
    forecast: Forecast,
    finished: Sequence[Result] = (),
    session: Callable[[], str] = new_session,
) -> Generator[SweepEvent, None, None]:
    """Run a plan, in order; ``session`` gives each execution of a cell a name.

    The forecast decides which cases do not fit its budget, and learns from every result, including
    the ``finished`` ones of an earlier start of the run, which are not measured again.
    """
    sweep = _Sweep(plan, executor, subjects, forecast, session)
    for result in finished:
        sweep.observe(result)
    left = [index for index, planned in enumerate(plan) if sweep.wanted(planned)]
    begun: list[int] = []

    def progress(started: int | None = None) -> SweepProgress:
        return SweepProgress(
            ended=len(plan) - len(left),
            open=tuple(plan[index] for index in begun),
            left_s=sweep.left_s(left),
            started=None if started is None else plan[started],
            index=started,
        )

    def in_turn() -> Generator[tuple[int, Event | str], None, None]:
        """A process of the run after the other, and in each the series."""
        for in_process in grouped(left, lambda index: plan[index].process).values():
            series = grouped(in_process, lambda index: plan[index].workload.series()).values()
            streams = [partial(sweep.run, indices) for indices in series]
            yield from merge_streams(streams, executor.max_parallel_cells)

    with closing(in_turn()) as events:
        for index, event in events:
            if event == "started":
                begun.append(index)
                yield progress(index)
            elif isinstance(event, str):
                begun.remove(index)
                left.remove(index)
                if executor.max_parallel_cells > 1:
                    yield progress()
            # If several cells run, the display shows the one that started first.
            elif not isinstance(event, Activity) or index == begun[0]:
                yield event


@dataclass(slots=True)
class _Sweep:
    """The state of a running plan, which threads of several series use."""

    _plan: Sequence[Cell]
    _executor: Executor
    _subjects: Sequence[Subject]
    _forecast: Forecast
    _session: Callable[[], str]
    _lock: Lock = field(default_factory=Lock)
    _done: dict[Key, float] = field(default_factory=dict)
    """The number of processes that a case has been through; all of them where it has no time."""
    _machines: dict[tuple[object, ...], str] = field(default_factory=dict)
    _peaks: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    _took_s: dict[bool, list[tuple[float, float]]] = field(default_factory=dict)
    """For each finished cell, the seconds of its results alone and of the whole cell; by whether it
    ran in a further process."""

    def run(self, series: Sequence[int]) -> Iterator[tuple[int, Event | str]]:
        """Run the cells of a series; each event comes with the cell's place in the plan."""
        for index in series:
            yield index, "started"
            planned = self._plan[index]
            with self._lock:
                skipped, cell = self._prepare(planned)
            yield from ((index, result) for result in skipped)
            if cell is not None:
                began, spent_s = time.monotonic(), 0.0
                for event in self._executor.run(cell, self._subjects, self._forecast.budget):
                    with self._lock:
                        found = self._of_process(planned, event)
                    if isinstance(found, Result):
                        spent_s += found.spent_s or 0.0
                    yield index, found
                took = spent_s, time.monotonic() - began
                with self._lock:
                    self._took_s.setdefault(planned.further, []).append(took)
            yield index, "ended"

    def observe(self, result: Result) -> None:
        self._forecast.observe(result)
        further = len(result.further_samples_s or ())
        self._done[result.key] = 1 + further if result.time_samples_s else math.inf
        if result.machine is not None:
            self._machines[result.case.series()] = result.machine

    def wanted(self, planned: Cell) -> list[Arm]:
        return [
            arm
            for arm in planned.arms
            if self._done.get((arm.implementation, planned.case(arm)), 0) < planned.process
        ]

    def _prepare(self, planned: Cell) -> tuple[list[Result], Cell | None]:
        """Results of the arms that the forecast skips, and the cell with the other arms."""
        before = self._machines.get(planned.workload.series())
        machine = self._executor.machine_for(planned.workload, before)
        runnable: list[Arm] = []
        skipped: list[Result] = []
        for arm in self.wanted(planned):
            if planned.further:
                runnable.append(arm)  # the first process had time for it
                continue
            name, case = arm.implementation, planned.case(arm)
            prediction = self._forecast.skip(name, case, timed=planned.timed, machine=machine)
            if prediction is None:
                runnable.append(arm)
                self._peaks[name, case] = self._forecast.peak(name, case, machine)
                continue
            predicted_s, reason = prediction
            result = without_figures(planned, arm, self._forecast.budget, Status.SKIPPED, reason)
            skipped.append(replace(result, machine=machine, predicted_s=predicted_s))
        cell = replace(planned, arms=tuple(runnable), session=self._session())
        self._done |= {result.key: math.inf for result in skipped}
        return skipped, cell if runnable else None

    def _of_process(self, planned: Cell, event: Event) -> Event:
        """Return the event; a result with its predicted peak, or as that of a further process."""
        if not isinstance(event, Result):
            return event
        if planned.further:
            failed = event.status is Status.FAILED
            self._done[event.key] = math.inf if failed else planned.process
            return event.as_further()
        found = replace(event, **self._peaks.pop(event.key, {}))
        self.observe(found)
        return found

    def left_s(self, indices: Sequence[int]) -> float:
        """Estimated seconds for cells that run in parallel, but one by one within a series.

        References, inputs and flushing belong to no result: they take what they took so far.
        """
        series: dict[tuple[object, ...], float] = {}
        with self._lock:
            for planned in (self._plan[index] for index in indices):
                key = planned.workload.series()
                own = sum(
                    self._forecast.expected_s(
                        arm.implementation,
                        planned.case(arm),
                        timed=planned.timed,
                        machine=self._machines.get(key),
                    )
                    for arm in self.wanted(planned)
                )
                series[key] = series.get(key, 0.0) + own * self._beside(planned.further)
        one_by_one = max(series.values(), default=0.0)
        return max(sum(series.values()) / self._executor.max_parallel_cells, one_by_one)

    def _beside(self, further: bool) -> float:
        """What cells took, as a multiple of what their results did."""
        took = self._took_s.get(further) or self._took_s.get(False) or []
        spent_s, whole_s = (sum(seconds) for seconds in zip(*took, strict=True)) if took else (0, 0)
        return whole_s / spent_s if spent_s else 1.0
