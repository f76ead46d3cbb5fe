"""Times two versions in fresh processes until every cell is decided or the budget is spent."""

import math
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from statistics import median

from supcr_bench.analysis.time_rule import CellDecision, TimeRule, next_look
from supcr_bench.gate.versions import Versions
from supcr_bench.measure.version_times import VersionedCell, VersionTimes
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Cell
from supcr_bench.values.errors import SupcrBenchError
from supcr_bench.values.gate import GatedChange, GateVerdict, TimeStudy
from supcr_bench.values.metrics import Direction
from supcr_bench.values.result import Result
from supcr_bench.values.units import format_share
from supcr_bench.workers.messages import Failed, Returned, TimeVersions
from supcr_bench.workers.worker_process import WorkerProcess

BEFORE, AGAIN, AFTER = "before", "again", "after"
SAMPLING_S = 0.13
"""Seconds of timed calls of one version, in one cell (an implementation on a case) and process.
More seconds would not help: the remaining noise comes from differences between processes."""
PROCESS_LIMIT_S = 120.0
ROOM = 1.5
"""A cell is left out only if it would take this many times the budget: later processes may be
faster than the first."""

Sampler = Callable[[Sequence[VersionedCell], int], Sequence[VersionTimes]]
"""A function that times cells, in order, in a new process; the process's number seeds the order
of calls. May raise :class:`TimingError`."""


class TimingError(SupcrBenchError):
    """A version cannot be loaded or hangs, or the process that timed it ended."""


def process_sampler(threads: int, seed: int, limit_s: float = PROCESS_LIMIT_S) -> Sampler:
    """A sampler that starts a worker for each sample; see :data:`SAMPLING_S`.

    A cell that would take longer than ``limit_s`` is not sampled.
    """
    longest_s = max(PROCESS_LIMIT_S, 2 * limit_s)

    def sample(cells: Sequence[VersionedCell], process: int) -> Sequence[VersionTimes]:
        with closing(WorkerProcess(threads)) as worker:
            worker.send(TimeVersions(tuple(cells), SAMPLING_S, f"{seed} {process}", limit_s))
            began = time.monotonic()
            for response in worker.responses():
                if isinstance(response, Failed):
                    raise TimingError(response.reason)
                if isinstance(response, Returned):
                    return tuple(response.value)
                if time.monotonic() - began > longest_s:
                    raise TimingError(f"timing took over {longest_s:.0f} s in one process")
            raise TimingError(f"the process that timed it ended: {worker.exit_description()}")

    return sample


def cells_to_time(
    plan: Sequence[Cell],
    versions: Sequence[Versions],
    before: Run,
    after: Run,
    max_slowdown: Callable[[Case], float | None] = lambda case: None,  # noqa: ARG005
) -> tuple[list[VersionedCell], list[GatedChange]]:
    """The timed cells with a result from both versions, and verdicts on the other cells.

    If the version after has no result, the verdict on its agreement reports that, and time gets no
    verdict. Results of both versions bear the same name.
    """
    cells: list[VersionedCell] = []
    others: list[GatedChange] = []
    by_name = {v.name: v for v in versions}
    earlier, now = ({r.key: r for r in run.results} for run in (before, after))
    for planned in plan:
        for arm in planned.arms if planned.timed else ():
            both = by_name.get(arm.implementation)
            if both is None or both.before is None or both.again is None:
                continue  # the verdict on agreement reports that it is new or cannot be called
            key = (arm.implementation, planned.case(arm))
            if planned.workload.ranks > 1:
                why = (
                    "the gate does not time a batch that several ranks share; with `timed = false` "
                    "in the suite it only counts operations"
                )
                others.append(GatedChange.of("time", key, (GateVerdict.UNDECIDED, why)))
                continue
            first, second = earlier.get(key), now.get(key)
            if first is None and second is None:
                continue  # a case that is not for this implementation
            if first is None or not first.status.has_figures:
                status = first.status.words if first else "not run"
                others.append(
                    GatedChange.of("time", key, (GateVerdict.NEW, f"not timed: {status} before"))
                )
            elif second is None or not second.status.has_figures:
                continue
            elif changes := [*(first.process_changes or ()), *(second.process_changes or ())]:
                said = " and ".join(dict.fromkeys(changes))
                why = (
                    f"not timed: it {said}, for the whole process, which both versions would share"
                )
                others.append(GatedChange.of("time", key, (GateVerdict.UNDECIDED, why)))
            else:
                of = {BEFORE: both.before, AGAIN: both.again, AFTER: both.after}
                cells.append(VersionedCell(*key, of, max_slowdown(key[1])))
    return cells, others


def log_ratio(seconds: Sequence[float], before: Sequence[float]) -> float:
    """The median over rounds of log(seconds / before), with samples paired by round."""
    return median(math.log(one / other) for one, other in zip(seconds, before, strict=True))


def longest_cell_s(rule: TimeRule, budget_s: float) -> float:
    """The most that a cell may take in a process; one that takes longer cannot be decided."""
    return ROOM * budget_s / rule.first_look


def least_s(first: Result) -> float:
    """The least that a process takes to call three versions once, from a counted call."""
    return 3 * (first.first_call_s or 0.0)


@dataclass(slots=True)
class CellTrial:
    """One cell, with log-ratios to the version before and medians, one of each per process.

    ``cost_s`` is what it takes in a process, as far as known; ``left_out_s`` is the time budget
    that would do, if it is not timed because the budget does not.
    """

    cell: VersionedCell
    rule: TimeRule
    after: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    mean_again: list[float] = field(default_factory=list)
    before_s: list[float] = field(default_factory=list)
    after_s: list[float] = field(default_factory=list)
    decision: CellDecision | None = None
    look: int = 0
    raised: VersionTimes | None = None
    cost_s: float = 0.0
    left_out_s: float | None = None

    @property
    def decided(self) -> bool:
        if self.decision is not None and self.decision.verdict is not GateVerdict.UNDECIDED:
            return True
        return self.raised is not None or self.left_out_s is not None

    def add(self, sample: VersionTimes) -> None:
        self.cost_s = sample.needed_s or sample.spent_s
        if sample.raised_by is not None:
            self.raised = sample
        if not sample.seconds:
            return
        totals = sample.totals or {version: sum(own) for version, own in sample.seconds.items()}
        before, after = sample.seconds[BEFORE], sample.seconds[AFTER]
        self.after.append(log_ratio(after, before))
        self.again.append(log_ratio(sample.seconds[AGAIN], before))
        self.means.append(math.log(totals[AFTER] / totals[BEFORE]))
        self.mean_again.append(math.log(totals[AGAIN] / totals[BEFORE]))
        self.before_s.append(median(before))
        self.after_s.append(median(after))

    def judge(self, look: int) -> None:
        self.look = look
        self.decision = self.rule.judge(self.after, self.again, look, self.means, self.mean_again)

    def change(self, error: str | None, command: Sequence[str], spent_s: float) -> GatedChange:
        decision, key = self.decision, (self.cell.implementation, self.cell.case)
        undecided = GateVerdict.UNDECIDED
        if self.raised is not None:
            now = self.raised.raised_by == AFTER
            verdict = GateVerdict.REGRESSION if now else undecided
            why = f"the version {'now' if now else 'before'} raised while it was timed"
            return GatedChange.of("time", key, (verdict, f"{why}: {self.raised.reason}"))
        if self.left_out_s is not None:
            why = f"left out, since it does not fit the time budget; {_would_do(self.left_out_s)}"
            return replace(GatedChange.of("time", key, (undecided, why)), needs_s=self.left_out_s)
        if decision is None or not self.after:
            why = f"not timed: {error or 'no process ended in time'}"
            return GatedChange.of("time", key, (undecided, why))
        low, high, reason = decision.after.low, decision.after.high, decision.reason
        needs_s = None
        if len(self.after) < self.rule.first_look:
            low = high = None
        if decision.verdict is undecided and error is None:
            more = self.rule.more_processes(decision, len(self.after))
            if more is not None:
                needs_s = spent_s / len(self.after) * more
            enough = _would_do(needs_s) if needs_s else "no longer timing would decide it here"
            reason = f"{reason}; {enough}"
        direction = Direction.UNDECIDED
        if low is not None and high is not None and (low > 0 or high < 0):
            direction = Direction.SLOWER if low > 0 else Direction.FASTER
        if decision.verdict is GateVerdict.REGRESSION and low is not None:
            slower = f"slower by at least {format_share(math.expm1(low))}"
            of_median = low > math.log1p(self.rule.max_slowdown)
            reason = "; ".join(filter(None, (slower if of_median else None, reason)))
        sure = low is not None and high is not None
        mean = decision.mean if sure else None
        return GatedChange(
            metric="time",
            implementation=key[0],
            case=key[1],
            verdict=decision.verdict,
            reason=reason,
            before=median(self.before_s),
            after=median(self.after_s),
            ratio=math.exp(decision.after.estimate) if sure else None,
            low=None if low is None else math.exp(low),
            high=None if high is None else math.exp(high),
            direction=direction,
            command=shlex.join([*command, "-i", key[0]]),
            needs_s=needs_s,
            mean_ratio=math.exp(mean.estimate) if mean else None,
        )


def _would_do(seconds: float) -> str:
    return f"about --time-budget {math.ceil(seconds / 10) * 10}s would do"


class TimeTrial:
    """Times each cell until it is decided, as long as another process fits the budget.

    A cell whose first look does not fit is left out before it is sampled, the dearest first, and
    ``tell`` gets a sentence about it. ``least_s`` are the least seconds that each cell takes in a
    process.
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
            CellTrial(c, rule if c.max_slowdown is None else replace(rule, max_slowdown=own))
            for c in cells
            for own in [c.max_slowdown or rule.max_slowdown]
        ]
        self.rule, self.budget_s = rule, budget_s
        self._sampler, self._clock = sampler, clock
        self.processes, self.spent_s, self._start_s = 0, 0.0, 0.0
        self.error: str | None = None
        self.tell: Callable[[str], None] = lambda sentence: None  # noqa: ARG005

    @property
    def undecided(self) -> list[CellTrial]:
        return [trial for trial in self.trials if not trial.decided]

    def expect(self, least_s: Sequence[float]) -> None:
        """Leave out cells whose first calls alone do not fit the budget."""
        for trial, seconds in zip(self.trials, least_s, strict=True):
            trial.cost_s = seconds
        self._leave_out(self.rule.first_look)

    def _leave_out(self, processes: int) -> None:
        """Leave out the dearest cells until so many more processes fit the rest of the budget.

        Where starting them alone does not fit, that would not help.
        """
        rest_s = ROOM * (self.budget_s - self.spent_s)
        for trial in sorted(self.undecided, key=lambda t: -t.cost_s):
            costs = sum(t.cost_s for t in self.undecided)
            fits = processes * (self._start_s + costs) <= rest_s
            if fits or trial.cost_s == 0 or processes * self._start_s > rest_s:
                return
            self._set_aside(trial, self._start_s + costs)

    def _set_aside(self, trial: CellTrial, process_s: float) -> None:
        """Leave out a cell for which each process would take so long."""
        trial.left_out_s = self.rule.first_look * process_s
        where = f"{trial.cell.implementation} {trial.cell.case.pass_}"
        self.tell(
            f"Not timed: {where} {trial.cell.case.describe()}, since it does not fit the time "
            f"budget of {self.budget_s:.0f} s; {_would_do(trial.left_out_s)}."
        )

    def run(self) -> Iterator[str]:
        """Run one process after another; ``trials`` holds the decisions afterwards."""
        began = self._clock()
        look, look_at = 1, self.rule.first_look
        while left := self.undecided:
            started = self._clock()
            try:
                samples = self._sampler([trial.cell for trial in left], self.processes)
            except TimingError as error:
                self.error = str(error)
                self.spent_s = self._clock() - began
                if self.processes:
                    self._look(look)
                break
            for trial, sample in zip(left, samples, strict=True):
                trial.add(sample)
            self.processes += 1
            now = self._clock()
            self.spent_s = now - began
            self._start_s = max(now - started - sum(sample.spent_s for sample in samples), 0.0)
            for trial, sample in zip(left, samples, strict=True):
                if sample.needed_s is not None:
                    self._set_aside(trial, self._start_s + sample.needed_s)
            if self.processes < self.rule.first_look:
                self._leave_out(self.rule.first_look - self.processes)
            out_of_time = self.spent_s + (now - started) > self.budget_s
            if self.processes >= look_at or out_of_time:
                self._look(look)
                look, look_at = look + 1, next_look(self.processes)
            yield (
                f"{self.processes} processes, {len(self.undecided)} of {len(self.trials)} cells "
                f"undecided, {self.spent_s:.0f} of at most {self.budget_s:.0f} s"
            )
            if out_of_time:
                break

    def _look(self, look: int) -> None:
        for trial in self.undecided:
            if trial.after:
                trial.judge(look)

    def changes(self, command: Sequence[str]) -> list[GatedChange]:
        """One change for each cell; ``command`` is the gate's without implementations."""
        return [trial.change(self.error, command, self.spent_s) for trial in self.trials]

    @property
    def study(self) -> TimeStudy:
        """The effort of the trial, and the slowdown that it could have detected."""
        rule = self.rule
        judged = [t for t in self.trials if t.decision and len(t.after) >= rule.first_look]
        intervals = [t.decision.again for t in judged if t.decision]
        bounds = [(i.low, i.high) for i in intervals if i.low is not None and i.high is not None]
        farthest = max(bounds, key=lambda b: max(abs(b[0]), abs(b[1])), default=None)
        found = [t.rule.detectable(t.again, t.look) for t in judged]
        return TimeStudy(
            max_slowdown=rule.max_slowdown,
            error=rule.error,
            processes=self.processes,
            cells=len(self.trials),
            spent_s=self.spent_s,
            budget_s=self.budget_s,
            noise_floor=math.expm1(max(map(abs, farthest))) if farthest else None,
            again_low=math.exp(farthest[0]) if farthest else None,
            again_high=math.exp(farthest[1]) if farthest else None,
            again_covers=sum(low <= 0 <= high for low, high in bounds) if bounds else None,
            detectable=max((d for d in found if d is not None), default=None),
            moved=max((_moved(t.again) for t in judged), default=None),
        )


def _moved(log_ratios: Sequence[float]) -> float:
    half = len(log_ratios) // 2
    return math.expm1(abs(median(log_ratios[:half]) - median(log_ratios[half:])))
