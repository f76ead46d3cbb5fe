"""Runs a sweep: yields each result as soon as it is known, and prints nothing.

Cells (one workload, several implementations) run in order on an executor, one at a time, or in
parallel if it can. Cells of one series (equal but for the batch size) always run one by one, by
rising size, because each size is predicted from those before it. Whether a case is skipped depends
only on its own series, and not on cells that run in parallel.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.run_end import RunEnd
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took, new_session
from supcr_bench.values.machine import usable_cpus
from supcr_bench.values.result import Key, Result, Status, grouped
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.messages import Activity, Failed
from supcr_bench.workers.verification import IdleWorkers, WorkerVerification

Event = Result | Activity | Took | Account
_Item = TypeVar("_Item")


class Executor(Protocol):
    """Runs cells, each on a machine, or a GPU, that it has to itself.

    Attributes:
        environment: the facts of the machine that measures, or of the first of several.
        environments: the facts of each kind of machine, by the kind's name in results.
        location: where cells run, as part of a sentence: ``on this machine``.
        max_parallel_cells: how many cells may run at the same time. If it is more than one, that
            many threads call :meth:`run`, which yields an event at least about every second,
            because a thread can be stopped only at an event.
    """

    environment: Mapping[str, Any]
    environments: Mapping[str, Mapping[str, Any]]
    devices: Sequence[str]
    location: str
    max_parallel_cells: int

    def machine_for(self, workload: Workload, before: str | None) -> str | None:
        """The kind of machine on which a workload would run now; ``None`` if unknown.

        All batch sizes of a workload run on one kind while such a machine is left: if possible on
        ``before``, that of the other sizes. Raises a WorkerError if no machine has the device.
        """

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        """Load each implementation and call it once on a tiny batch; subjects or errors by name."""

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Run a cell: yield a result for each arm, and Activity and Account events between."""

    def close(self) -> None:
        """End the processes that this executor started."""


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
) -> Generator[SweepEvent, None, None]:
    """Run a plan, in order.

    The forecast decides which cases do not fit its budget, and learns from every result, including
    the ``finished`` ones of an earlier start of the run, which are not measured again.
    """
    sweep = _Sweep(plan, executor, subjects, forecast)
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
        """Process after process of the run, and all series in each of them."""
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
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: dict[Key, float] = field(default_factory=dict)
    """The number of processes in which a case was run; all of them if it has no time."""
    _machines: dict[tuple[object, ...], str] = field(default_factory=dict)
    _peaks: dict[Key, Mapping[str, Any]] = field(default_factory=dict)

    def run(self, series: Sequence[int]) -> Iterator[tuple[int, Event | str]]:
        """Run the cells of a series; each event comes with the cell's place in the plan."""
        for index in series:
            yield index, "started"
            planned = self._plan[index]
            with self._lock:
                skipped, cell = self._prepare(planned)
            yield from ((index, result) for result in skipped)
            if cell is not None:
                ran: dict[Arm, Result] = {}
                for event in self._executor.run(cell, self._subjects, self._forecast.budget):
                    with self._lock:
                        self._learn(planned, event, ran)
                        found = self._of_process(planned, event)
                    yield index, found
            yield index, "ended"

    def _learn(self, planned: Cell, event: Event, ran: dict[Arm, Result]) -> None:
        """Let the forecast learn what an arm took, and what inputs and references took."""
        match event:
            case Result() if event.status is not Status.SKIPPED:
                ran[Arm(event.implementation, event.case.pass_)] = event
            case Took(arm, seconds) if arm in ran:
                how = {"timed": planned.timed, "further": planned.further}
                self._forecast.took(ran[arm], seconds, **how)
            # The direct reference of small batches takes no time, and says nothing of the fast one;
            # nor does the account of a worker that ended.
            case Account() if event.reference_s and any(
                r.reference == "fast" for r in ran.values()
            ):
                seconds = event.inputs_s + event.reference_s
                self._forecast.reference_took(planned.workload, seconds)

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
            figures = {"machine": machine, "predicted_s": predicted_s}
            budget = self._forecast.budget
            skipped.append(planned.result(arm, budget, Status.SKIPPED, reason, **figures))
        cell = replace(planned, arms=tuple(runnable), session=new_session())
        self._done |= {result.key: math.inf for result in skipped}
        return skipped, cell if runnable else None

    def _of_process(self, planned: Cell, event: Event) -> Event:
        """Return the event; a result gets its predicted peak, or the mark of a further process."""
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
        """Estimated seconds for cells that run in parallel, but one by one within a series."""
        series: dict[tuple[object, ...], float] = {}
        with self._lock:
            ahead = self._forecast.ahead()
            for planned in (self._plan[index] for index in indices):
                key = planned.workload.series()
                machine, arms = self._machines.get(key), self.wanted(planned)
                for arm in arms:
                    asked = arm.implementation, planned.case(arm)
                    how: dict[str, Any] = {"timed": planned.timed, "machine": machine}
                    own_s = ahead.expected_s(*asked, **how, further=planned.further)
                    series[key] = series.get(key, 0.0) + own_s
                    ahead.assume(*asked, **how)
                if arms and not planned.further:
                    series[key] += ahead.reference_s(planned.workload)
        one_by_one = max(series.values(), default=0.0)
        return max(sum(series.values()) / self._executor.max_parallel_cells, one_by_one)


VerifiedEvent = SweepEvent | tuple[str, Outcome] | Verification
"""A pair of an implementation's name and the outcome of one of its checks."""


def run_verified(
    plan: Sequence[Cell],
    executor: Executor,
    subjects: Sequence[Subject],
    forecast: Forecast,
    finished: Sequence[Result] = (),
    *,
    seed: int,
    verify: Mapping[str, Collection[str] | None],
) -> Generator[VerifiedEvent, None, None]:
    """Run a plan as :func:`run_sweep` does, then verify subjects (implementations by name).

    Verification uses the random seed ``seed``. ``verify`` maps the implementations to verify to
    their checks (``None``: all checks and a diagnosis). One worker for each core runs at the same
    time.

    Yields:
        one :class:`Result` for every arm, a SweepProgress without open cells when the sweep has
        ended, one :class:`Verification` for each of ``verify``, and progress in between, with the
        time left of the whole run.
    """
    results = sum(len(planned.arms) for planned in plan if not planned.further)
    end = RunEnd(forecast, verify, at_once=usable_cpus(), results=results)
    with closing(run_sweep(plan, executor, subjects, forecast, finished)) as events:
        for event in events:
            if isinstance(event, SweepProgress):
                yield replace(event, left_s=end.left_s(event.left_s))
            else:
                yield event
    yield SweepProgress(ended=len(plan), open=(), left_s=end.left_s(0.0))
    idle = IdleWorkers()

    def verify_one(subject: Subject) -> Iterator[VerifiedEvent]:
        only = verify[subject.name]
        session = WorkerVerification(subject, strict=False, seed=seed, only=only, idle=idle)
        for outcome in session.run():
            yield subject.name, outcome
        yield session.result()

    streams = [partial(verify_one, subject) for subject in subjects if subject.name in verify]
    with closing(idle), closing(merge_streams(streams, usable_cpus(), wait=False)) as found:
        yield from found


def merge_streams(
    streams: Sequence[Callable[[], Iterator[_Item]]], max_open: int, *, wait: bool = True
) -> Generator[_Item, None, None]:
    """Yield the items of several streams, of which at most ``max_open`` run at the same time.

    Streams are opened in order, and no item may be ``None``. If a stream raises, or if this
    generator is closed, the others stop when they yield their next item. With ``wait``, this
    generator waits until they have stopped, and raises the exception after their last items.
    """
    if min(max_open, len(streams)) <= 1:
        for start in streams:
            with closing(start()) as stream:  # type: ignore[type-var]
                yield from stream
        return
    inbox: SimpleQueue[_Item | BaseException | None] = SimpleQueue()
    stopped = threading.Event()
    waiting = deque(streams)

    def pump() -> None:
        try:
            while waiting and not stopped.is_set():
                # Closing a stream early ends the measurement that it runs.
                with closing(waiting.popleft()()) as stream:  # type: ignore[type-var]
                    for item in stream:
                        inbox.put(item)
                        if stopped.is_set():
                            break
        except BaseException as error:  # noqa: BLE001 - raised again below
            stopped.set()
            inbox.put(error)
        inbox.put(None)

    # A thread that waits for a worker must not keep an interrupted command from ending.
    threads = [threading.Thread(target=pump, daemon=True) for _ in streams[:max_open]]
    failure: BaseException | None = None
    running = len(threads)
    try:
        for thread in threads:
            thread.start()
        while running:
            item = inbox.get()
            if item is None:
                running -= 1
            elif not isinstance(item, BaseException):
                yield item
            else:
                failure = failure or item
                if not wait:
                    break
    finally:
        stopped.set()
        for thread in threads if wait else ():
            thread.join()
    if failure:
        raise failure
