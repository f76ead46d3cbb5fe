"""Times two versions in fresh processes until every cell is decided or the budget is spent."""

import math
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median

from supcr_bench.analysis.time_rule import CellDecision, TimeRule, next_look
from supcr_bench.gate.versions import Versions
from supcr_bench.measure.version_times import VersionedCell, VersionTimes
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.cell import Cell
from supcr_bench.values.errors import SupcrBenchError
from supcr_bench.values.gate import GatedChange, GateVerdict, TimeStudy
from supcr_bench.values.metrics import Direction
from supcr_bench.values.units import format_share
from supcr_bench.workers.messages import Failed, Returned, TimeVersions
from supcr_bench.workers.worker_process import WorkerProcess

BEFORE, AGAIN, AFTER = "before", "again", "after"
SAMPLING_S = 0.13
"""Seconds of timed calls of one version, in one cell (an implementation on a case) and process.
More seconds would not help: the remaining noise comes from differences between processes."""
PROCESS_LIMIT_S = 120.0

Sampler = Callable[[Sequence[VersionedCell], int], Sequence[VersionTimes]]
"""A function that times cells, in order, in a new process; the process's number seeds the order
of calls. May raise :class:`TimingError`."""


class TimingError(SupcrBenchError):
    """A version cannot be loaded or hangs, or the process that timed it ended."""


def process_sampler(threads: int, seed: int) -> Sampler:
    """A sampler that starts a worker for each sample; see :data:`SAMPLING_S`."""

    def sample(cells: Sequence[VersionedCell], process: int) -> Sequence[VersionTimes]:
        with closing(WorkerProcess(threads)) as worker:
            worker.send(TimeVersions(tuple(cells), SAMPLING_S, f"{seed} {process}"))
            began = time.monotonic()
            for response in worker.responses():
                if isinstance(response, Failed):
                    raise TimingError(response.reason)
                if isinstance(response, Returned):
                    return tuple(response.value)
                if time.monotonic() - began > PROCESS_LIMIT_S:
                    raise TimingError(f"timing took over {PROCESS_LIMIT_S:.0f} s in one process")
            raise TimingError(f"the process that timed it ended: {worker.exit_description()}")

    return sample


def cells_to_time(
    plan: Sequence[Cell], versions: Sequence[Versions], before: Run, after: Run
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
            if first is None or not first.status.has_figures:
                status = first.status.words if first else "not run"
                others.append(
                    GatedChange.of("time", key, (GateVerdict.NEW, f"not timed: {status} before"))
                )
            elif second is not None and second.status.has_figures:
                of = {BEFORE: both.before, AGAIN: both.again, AFTER: both.after}
                cells.append(VersionedCell(*key, of))
    return cells, others


def log_ratio(seconds: Sequence[float], before: Sequence[float]) -> float:
    """The median over rounds of log(seconds / before), with samples paired by round."""
    return median(math.log(one / other) for one, other in zip(seconds, before, strict=True))


@dataclass(slots=True)
class CellTrial:
    """One cell, with log-ratios to the version before and medians, one of each per process."""

    cell: VersionedCell
    after: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    before_s: list[float] = field(default_factory=list)
    after_s: list[float] = field(default_factory=list)
    decision: CellDecision | None = None
    raised: VersionTimes | None = None

    @property
    def decided(self) -> bool:
        if self.decision is not None and self.decision.verdict is not GateVerdict.UNDECIDED:
            return True
        return self.raised is not None

    def add(self, sample: VersionTimes) -> None:
        if sample.raised_by is not None:
            self.raised = sample
            return
        before, after = sample.seconds[BEFORE], sample.seconds[AFTER]
        self.after.append(log_ratio(after, before))
        self.again.append(log_ratio(sample.seconds[AGAIN], before))
        self.before_s.append(median(before))
        self.after_s.append(median(after))

    def change(self, error: str | None, command: Sequence[str]) -> GatedChange:
        decision, key = self.decision, (self.cell.implementation, self.cell.case)
        if self.raised is not None:
            now = self.raised.raised_by == AFTER
            verdict = GateVerdict.REGRESSION if now else GateVerdict.UNDECIDED
            why = f"the version {'now' if now else 'before'} raised while it was timed"
            return GatedChange.of("time", key, (verdict, f"{why}: {self.raised.reason}"))
        if decision is None:
            why = f"not timed: {error or 'no process ended in time'}"
            return GatedChange.of("time", key, (GateVerdict.UNDECIDED, why))
        low, high, reason = decision.after.low, decision.after.high, decision.reason
        direction = Direction.UNDECIDED
        if low is not None and high is not None and (low > 0 or high < 0):
            direction = Direction.SLOWER if low > 0 else Direction.FASTER
        if decision.verdict is GateVerdict.REGRESSION and low is not None:
            reason = f"slower by at least {format_share(math.expm1(low))}"
        return GatedChange(
            metric="time",
            implementation=key[0],
            case=key[1],
            verdict=decision.verdict,
            reason=reason,
            before=median(self.before_s),
            after=median(self.after_s),
            ratio=math.exp(decision.after.estimate),
            low=None if low is None else math.exp(low),
            high=None if high is None else math.exp(high),
            direction=direction,
            command=shlex.join([*command, "-i", key[0]]),
        )


class TimeTrial:
    """Times each cell until it is decided, as long as another process fits the budget."""

    def __init__(
        self,
        cells: Sequence[VersionedCell],
        rule: TimeRule,
        sampler: Sampler,
        budget_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trials = [CellTrial(cell) for cell in cells]
        self.rule, self.budget_s = rule, budget_s
        self._sampler, self._clock = sampler, clock
        self.processes, self.spent_s = 0, 0.0
        self.error: str | None = None

    @property
    def undecided(self) -> list[CellTrial]:
        return [trial for trial in self.trials if not trial.decided]

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
            trial.decision = self.rule.judge(trial.after, trial.again, look)

    def changes(self, command: Sequence[str]) -> list[GatedChange]:
        """One change for each cell; ``command`` is the gate's without implementations."""
        return [trial.change(self.error, command) for trial in self.trials]

    @property
    def study(self) -> TimeStudy:
        """The effort of the trial, and the slowdown that it could have detected."""
        rule = self.rule
        intervals = [trial.decision.again for trial in self.trials if trial.decision]
        bounds = [(i.low, i.high) for i in intervals if i.low is not None and i.high is not None]
        farthest = max(bounds, key=lambda b: max(abs(b[0]), abs(b[1])), default=None)
        detectable = [d for i in intervals if (d := rule.detectable(i)) is not None]
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
            detectable=max(detectable, default=None),
        )
