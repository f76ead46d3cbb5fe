"""Times two versions in fresh processes until every cell is decided or the budget is spent."""

import math
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

from supcr_bench.analysis.time_rule import CellDecision, TimeRule, next_look
from supcr_bench.gate.versions import Versions
from supcr_bench.measure.version_times import SAMPLING_S, VersionedCell, VersionTimes
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Cell
from supcr_bench.values.errors import SupcrBenchError, WorkerError
from supcr_bench.values.gate import GatedChange, GateVerdict, TimeStudy
from supcr_bench.values.machine import usable_cpus
from supcr_bench.values.metrics import Direction
from supcr_bench.values.units import format_share
from supcr_bench.workers.messages import Failed, Returned
from supcr_bench.workers.worker_process import WorkerProcess

BEFORE, AGAIN, AFTER = "before", "again", "after"
PROCESS_LIMIT_S = 120.0
LEAST_SAMPLING_S = SAMPLING_S / 2
ROOM = 1.5
"""A cell is left out only beyond this many times the budget: later processes may be faster."""

Sampler = Callable[[Sequence[VersionedCell], int], Sequence[VersionTimes]]
"""A function that times cells, in order, in a new process; the process's number seeds the order
of calls. May raise :class:`TimingError`."""


class TimingError(SupcrBenchError):
    """A version cannot be loaded or hangs, or the process that timed it ended."""


@contextmanager
def process_sampler(threads: int, seed: int, limit_s: float = PROCESS_LIMIT_S) -> Iterator[Sampler]:
    """A sampler that takes a fresh worker for each sample.

    While a worker times, the next one imports torch, if a core is free. Measured on two cores, with
    six small cells: a process took 4.6 s in place of 6.8, and its ratios spread no more.
    """
    longest_s = max(PROCESS_LIMIT_S, 2 * limit_s)
    ahead = 0 < threads < usable_cpus()
    following: Future[WorkerProcess] | None = None

    def sample(cells: Sequence[VersionedCell], process: int) -> Sequence[VersionTimes]:
        nonlocal following
        started = following.result() if following else WorkerProcess(threads)
        following = pool.submit(WorkerProcess, threads) if ahead else None
        with closing(started) as worker:
            worker.send("time_versions", tuple(cells), f"{seed} {process}", limit_s)
            began = time.monotonic()
            for response in worker.responses():
                if isinstance(response, Failed):
                    raise TimingError(response.reason)
                if isinstance(response, Returned):
                    return tuple(response.value)
                if time.monotonic() - began > longest_s:
                    raise TimingError(f"timing took over {longest_s:.0f} s in one process")
            raise TimingError(f"the timing process ended: {worker.exit_description()}")

    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            yield sample
        finally:
            if following is not None:
                with suppress(WorkerError):
                    following.result().close()


def cells_to_time(
    plan: Sequence[Cell],
    versions: Sequence[Versions],
    before: Run,
    after: Run,
    max_slowdown: Callable[[Case], float | None] = lambda case: None,  # noqa: ARG005
) -> tuple[list[VersionedCell], list[GatedChange]]:
    """The cells to time, which both versions completed, and verdicts on the other cells.

    If the version after has no result, the verdict on its agreement reports that, and time gets no
    verdict. Results of both versions bear the same name.
    """
    cells: list[VersionedCell] = []
    others: list[GatedChange] = []
    by_name = {v.name: v for v in versions}
    earlier, now = ({r.key: r for r in run.results} for run in (before, after))
    for planned in plan:
        for arm in planned.arms if planned.timed else ():
            both, key = by_name.get(arm.implementation), (arm.implementation, planned.case(arm))
            if both is None or both.before is None or both.again is None:
                continue  # the verdict on agreement reports that it is new or cannot be called
            first, second = earlier.get(key), now.get(key)
            verdict, why = GateVerdict.UNDECIDED, ""
            if planned.workload.ranks > 1:
                why = (
                    "the gate does not time a batch that several ranks share; with `timed = false` "
                    "in the suite it only counts operations"
                )
            elif first is None and second is None:
                continue  # a case that is not for this implementation
            elif first is None or not first.status.has_figures:
                verdict = GateVerdict.NEW
                why = f"not timed: {first.status.words if first else 'not run'} before"
            elif second is None or not second.status.has_figures:
                continue
            elif changes := [*(first.process_changes or ()), *(second.process_changes or ())]:
                said = " and ".join(dict.fromkeys(changes))
                why = (
                    f"not timed: it {said}, for the whole process, which both versions would share"
                )
            if why:
                others.append(GatedChange.of("time", key, (verdict, why)))
            else:
                of = {BEFORE: both.before, AGAIN: both.again, AFTER: both.after}
                cells.append(VersionedCell(*key, of, max_slowdown(key[1])))
    return cells, others


def log_ratio(seconds: Sequence[float], before: Sequence[float]) -> float:
    return median(math.log(one / other) for one, other in zip(seconds, before, strict=True))


@dataclass(slots=True)
class CellTrial:
    """One cell, its times, what a process costs, and the budget that it needs if it is left out."""

    cell: VersionedCell
    rule: TimeRule
    samples: list[VersionTimes] = field(default_factory=list)
    decision: CellDecision | None = None
    look: int = 0
    last: bool = False
    raised: VersionTimes | None = None
    cost_s: float = 0.0
    left_out_s: float | None = None

    @property
    def decided(self) -> bool:
        judged = self.decision is not None and self.decision.verdict is not GateVerdict.UNDECIDED
        return judged or self.raised is not None or self.left_out_s is not None

    def log_ratios(self, version: str) -> list[float]:
        return [log_ratio(s.seconds[version], s.seconds[BEFORE]) for s in self.samples]

    def add(self, sample: VersionTimes) -> None:
        self.cost_s = sample.needed_s or sample.spent_s
        if sample.raised_by is not None:
            self.raised = sample
        if sample.seconds:
            self.samples.append(sample)

    def judge(self, look: int, *, last: bool) -> None:
        self.look, self.last = look, last
        means = (
            [math.log(s.totals[version] / s.totals[BEFORE]) for s in self.samples]
            for version in (AFTER, AGAIN)
        )
        after, again = self.log_ratios(AFTER), self.log_ratios(AGAIN)
        self.decision = self.rule.judge(after, again, look, *means, last=last)

    def change(self, error: str | None, command: Sequence[str], spent_s: float) -> GatedChange:
        decision, undecided = self.decision, GateVerdict.UNDECIDED
        change = partial(GatedChange.of, "time", (self.cell.implementation, self.cell.case))
        if self.raised is not None:
            now = self.raised.raised_by == AFTER
            why = f"the version {'now' if now else 'before'} raised while it was timed"
            verdict = GateVerdict.REGRESSION if now else undecided
            return change((verdict, f"{why}: {self.raised.reason}"))
        if self.left_out_s is not None:
            why = f"left out, since it does not fit the time budget; {_would_do(self.left_out_s)}"
            return change((undecided, why), needs_s=self.left_out_s)
        if decision is None:
            return change((undecided, f"not timed: {error or 'no process ended in time'}"))
        processes, reason, rule = len(self.samples), decision.reason, self.rule
        low, high = decision.after.low, decision.after.high
        figures: dict[str, Any] = {
            name: median(median(s.seconds[name]) for s in self.samples) for name in (BEFORE, AFTER)
        }
        if decision.verdict is undecided and error is None:
            more = rule.more_processes(decision, processes)
            enough = "longer timing would not decide it here"
            if more is not None:
                figures["needs_s"] = spent_s / processes * more
                enough = _would_do(figures["needs_s"])
            reason = f"{reason}; {enough}"
        if low is not None and high is not None and processes >= rule.first_look:
            if decision.verdict is GateVerdict.REGRESSION and low > math.log1p(rule.max_slowdown):
                share = format_share(math.expm1(low), marks=[rule.max_slowdown])
                reason = "; ".join(filter(None, (f"slower by at least {share}", reason)))
            differs = Direction.SLOWER if low > 0 else Direction.FASTER
            figures |= {
                "ratio": math.exp(decision.after.estimate),
                "low": math.exp(low),
                "high": math.exp(high),
                "direction": differs if low > 0 or high < 0 else Direction.UNDECIDED,
                "mean_ratio": math.exp(decision.mean.estimate) if decision.mean else None,
            }
        again = shlex.join([*command, "-i", self.cell.implementation])
        return change((decision.verdict, reason), again, **figures)


def _would_do(seconds: float) -> str:
    return f"about --time-budget {math.ceil(seconds / 10) * 10}s would be enough"


class TimeTrial:
    """Times each cell until it is decided, as long as another process fits the budget.

    Where not every cell can get the processes that the first look needs, the dearest cells are left
    out before they are sampled, and ``tell`` is called with a sentence about each.
    """

    def __init__(
        self,
        cells: Sequence[VersionedCell],
        rule: TimeRule,
        sampler: Sampler,
        budget_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trials = [
            CellTrial(c, replace(rule, max_slowdown=c.max_slowdown or rule.max_slowdown))
            for c in cells
        ]
        self.rule, self.budget_s = rule, budget_s
        self._sampler, self._clock = sampler, clock
        self.processes, self.spent_s, self._start_s = 0, 0.0, 0.0
        self._sampling_s = SAMPLING_S
        self.error: str | None = None
        self.tell: Callable[[str], None] = lambda sentence: None  # noqa: ARG005

    @property
    def undecided(self) -> list[CellTrial]:
        return [trial for trial in self.trials if not trial.decided]

    def expect(self, least_s: Sequence[float]) -> None:
        """Leave out cells that do not fit, by the least seconds that each takes in a process."""
        for trial, seconds in zip(self.trials, least_s, strict=True):
            trial.cost_s = seconds
        self._leave_out()

    def _leave_out(self) -> None:
        """Leave out the dearest cells until the first look fits, with the fewest calls.

        If starting its processes takes longer than the rest of the budget, no cell is left out. A
        cell of few, slow calls is taken to be shortened too, until a process shows otherwise.
        """
        processes = self.rule.first_look - self.processes
        rest_s = ROOM * (self.budget_s - self.spent_s)
        fewest = LEAST_SAMPLING_S / self._sampling_s if self.processes else 1.0
        for trial in sorted(self.undecided, key=lambda t: -t.cost_s):
            costs = sum(t.cost_s for t in self.undecided)
            fits = processes * (self._start_s + fewest * costs) <= rest_s
            if fits or trial.cost_s == 0 or processes * self._start_s > rest_s:
                return
            self._set_aside(trial, self._start_s + costs)

    def _set_aside(self, trial: CellTrial, process_s: float) -> None:
        """Leave out a cell; with it, each process would take ``process_s`` seconds."""
        trial.left_out_s = self.spent_s + (self.rule.first_look - self.processes) * process_s
        where = f"{trial.cell.implementation} {trial.cell.case.pass_}"
        self.tell(
            f"Not timed: {where} {trial.cell.case.describe()}, since it does not fit the time "
            f"budget of {self.budget_s:.0f} s; {_would_do(trial.left_out_s)}."
        )

    def _plan_sampling(self) -> None:
        """Sample less, down to half, if the first look would not fit the budget otherwise.

        Half the calls tell less of a process, but without the first look nothing is decided.
        """
        processes = self.rule.first_look - self.processes
        costs = sum(trial.cost_s for trial in self.undecided)
        planned_s = SAMPLING_S
        if self.processes and processes > 0 and costs:
            # A half more: no process is begun that may end after the budget.
            process_s = (self.budget_s - self.spent_s) / (processes + 0.5)
            planned_s = self._sampling_s * (process_s - self._start_s) / costs
        self._sampling_s = min(max(planned_s, LEAST_SAMPLING_S), SAMPLING_S)

    def run(self) -> Iterator[str]:
        """Run one process after another; ``trials`` holds the decisions afterwards."""
        began = self._clock()
        look, look_at = 1, self.rule.first_look
        while left := self.undecided:
            started = self._clock()
            self._plan_sampling()
            cells = [replace(trial.cell, sampling_s=self._sampling_s) for trial in left]
            try:
                samples = self._sampler(cells, self.processes)
            except TimingError as error:
                self.error = str(error)
                self.spent_s = self._clock() - began
                self._look(look, last=True)
                break
            self.processes += 1
            now = self._clock()
            self.spent_s = now - began
            self._start_s = max(now - started - sum(sample.spent_s for sample in samples), 0.0)
            for trial, sample in zip(left, samples, strict=True):
                trial.add(sample)
                if sample.needed_s is not None:
                    self._set_aside(trial, self._start_s + sample.needed_s)
            out_of_time = self.spent_s + (now - started) > self.budget_s
            if self.processes < self.rule.first_look and not out_of_time:
                self._leave_out()
            if self.processes >= look_at or out_of_time:
                self._look(look, last=out_of_time)
                look, look_at = look + 1, next_look(self.processes)
            yield (
                f"{self.processes} processes, {len(self.undecided)} of {len(self.trials)} cells "
                f"undecided, {self.spent_s:.0f} of at most {self.budget_s:.0f} s"
            )
            if out_of_time:
                break

    def _look(self, look: int, *, last: bool) -> None:
        for trial in self.undecided:
            if trial.samples:
                trial.judge(look, last=last)

    def changes(self, command: Sequence[str]) -> list[GatedChange]:
        """One change for each cell; ``command`` calls the gate, without its implementations."""
        return [trial.change(self.error, command, self.spent_s) for trial in self.trials]

    @property
    def study(self) -> TimeStudy:
        rule = self.rule
        judged = [
            (t, (t.decision.again.low, t.decision.again.high))
            for t in self.trials
            if t.decision and len(t.samples) >= rule.first_look
            if t.decision.again.low is not None and t.decision.again.high is not None
        ]
        bounds = [ends for _, ends in judged]
        farthest = max(bounds, key=lambda ends: max(map(abs, ends)), default=None)
        again = [(t, t.log_ratios(AGAIN)) for t, _ in judged]
        found = [t.rule.detectable(ratios, t.look, last=t.last) for t, ratios in again]
        return TimeStudy(
            max_slowdown=rule.max_slowdown,
            allowed=tuple(sorted({t.rule.max_slowdown for t in self.trials})),
            error=rule.error,
            processes=self.processes,
            cells=len(self.trials),
            timed=sum(bool(t.samples) for t in self.trials),
            judged=len(judged),
            spent_s=self.spent_s,
            budget_s=self.budget_s,
            noise_floor=math.expm1(max(map(abs, farthest))) if farthest else None,
            again_low=math.exp(farthest[0]) if farthest else None,
            again_high=math.exp(farthest[1]) if farthest else None,
            again_covers=sum(low <= 0 <= high for low, high in bounds) if bounds else None,
            detectable=max((d for d in found if d is not None), default=None),
            moved=max((_moved(ratios) for _, ratios in again), default=None),
        )


def _moved(log_ratios: Sequence[float]) -> float:
    half = len(log_ratios) // 2
    return math.expm1(abs(median(log_ratios[:half]) - median(log_ratios[half:])))
