"""Runs a sweep: yields each result as soon as it is known, and prints nothing.

Cells (one workload, several implementations) run in order, one at a time, or in parallel if the
executor can. Cells of one series (equal but for the batch size) always run one by one, by rising
size, because each size is predicted from those before it. Whether a case is skipped depends only on
its own series, and not on cells that run in parallel.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Event, Executor, without_figures
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.cell import Arm, Cell, new_session
from supcr_bench.values.result import Key, Result, Status
from supcr_bench.workers.activity import Activity
from supcr_bench.workers.streams import OpenStreams


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
    sweep = _Sweep(plan, executor, forecast, session)
    for result in finished:
        sweep.observe(result)
    if executor.max_parallel_cells == 1:
        yield from _one_by_one(sweep, subjects)
    else:
        yield from _side_by_side(sweep, subjects)


class _Sweep:
    """The state of a running plan. Only one thread uses it."""

    def __init__(
        self,
        plan: Sequence[Cell],
        executor: Executor,
        forecast: Forecast,
        session: Callable[[], str],
    ) -> None:
        self.plan = plan
        self.executor = executor
        self.budget = forecast.budget
        self._forecast = forecast
        self._session = session
        self._done: set[Key] = set()
        self._machines: dict[tuple[object, ...], str] = {}
        self._peaks: dict[Key, Mapping[str, Any]] = {}

    def observe(self, result: Result) -> None:
        self._forecast.observe(result)
        self._done.add(result.key)
        if result.machine is not None:
            self._machines[result.case.series()] = result.machine

    def wanted(self, planned: Cell) -> list[Arm]:
        return [
            arm for arm in planned.arms if (arm.implementation, planned.case(arm)) not in self._done
        ]

    def prepare(self, planned: Cell) -> tuple[list[Result], Cell | None]:
        """Results of the arms that the forecast skips, and the cell with the other arms."""
        before = self._machines.get(planned.workload.series())
        machine = self.executor.machine_for(planned.workload, before)
        runnable: list[Arm] = []
        skipped: list[Result] = []
        for arm in self.wanted(planned):
            name, case = arm.implementation, planned.case(arm)
            prediction = self._forecast.skip(name, case, timed=planned.timed, machine=machine)
            if prediction is None:
                runnable.append(arm)
                self._peaks[name, case] = self._forecast.peak(name, case, machine)
                continue
            known = {"machine": machine, "predicted_s": prediction[0]}
            skipped.append(
                without_figures(planned, arm, self.budget, Status.SKIPPED, prediction[1], **known)
            )
        cell = replace(planned, arms=tuple(runnable), session=self._session())
        self._done.update(result.key for result in skipped)
        return skipped, cell if runnable else None

    def with_peak_prediction(self, event: Event) -> Event:
        """Return the event; add the peak predicted before measuring if it is a result."""
        if not isinstance(event, Result):
            return event
        found = replace(event, **self._peaks.pop(event.key, {}))
        self.observe(found)
        return found

    def left_s(self, indices: Sequence[int]) -> float:
        """Estimated seconds for cells that run in parallel, but one by one within a series."""
        series: dict[tuple[object, ...], float] = {}
        for index in indices:
            planned = self.plan[index]
            key = planned.workload.series()
            series[key] = series.get(key, 0.0) + sum(
                self._forecast.expected_s(
                    arm.implementation,
                    planned.case(arm),
                    timed=planned.timed,
                    machine=self._machines.get(key),
                )
                for arm in self.wanted(planned)
            )
        return max(sum(series.values()) / self.executor.max_parallel_cells, *series.values(), 0.0)


def _one_by_one(sweep: _Sweep, subjects: Sequence[Subject]) -> Iterator[SweepEvent]:
    for index, planned in enumerate(sweep.plan):
        if not sweep.wanted(planned):
            continue
        yield SweepProgress(
            index=index,
            started=planned,
            ended=index,
            open=(planned,),
            left_s=sweep.left_s(range(index, len(sweep.plan))),
        )
        skipped, cell = sweep.prepare(planned)
        yield from skipped
        if cell is not None:
            for event in sweep.executor.run(cell, subjects, sweep.budget):
                yield sweep.with_peak_prediction(event)


def _side_by_side(sweep: _Sweep, subjects: Sequence[Subject]) -> Iterator[SweepEvent]:
    plan, executor = sweep.plan, sweep.executor
    waiting: dict[tuple[object, ...], deque[int]] = {}
    for index, planned in enumerate(plan):
        if sweep.wanted(planned):
            waiting.setdefault(planned.workload.series(), deque()).append(index)
    left = {index for series in waiting.values() for index in series}
    begun: list[int] = []

    def progress(started: int | None = None) -> SweepProgress:
        return SweepProgress(
            ended=len(plan) - len(left),
            open=tuple(plan[index] for index in begun),
            left_s=sweep.left_s(sorted(left)),
            started=None if started is None else plan[started],
            index=started,
        )

    streams: OpenStreams[Event] = OpenStreams()
    with closing(streams):
        while left:
            busy = {plan[index].workload.series() for index in begun}
            idle = next((s for s, rest in waiting.items() if rest and s not in busy), None)
            if idle is not None and len(begun) < executor.max_parallel_cells:
                index = waiting[idle].popleft()
                skipped, cell = sweep.prepare(plan[index])
                begun.append(index)
                yield progress(started=index)
                yield from skipped
                if cell is not None:
                    streams.open(index, partial(executor.run, cell, subjects, sweep.budget))
                    continue
            else:
                try:
                    index, item = streams.next()
                except Exception:
                    # Keep the results that other cells gave before this error.
                    for _, found in streams.stop():
                        yield sweep.with_peak_prediction(found)
                    raise
                if item is not None:
                    # If several cells run, the display shows the one that started first.
                    if not isinstance(item, Activity) or index == begun[0]:
                        yield sweep.with_peak_prediction(item)
                    continue
            begun.remove(index)
            left.remove(index)
            yield progress()
