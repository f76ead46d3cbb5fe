"""The time trial: processes are started until every cell is decided or the budget is spent."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from supcr_bench.analysis.statistics import Interval
from supcr_bench.analysis.time_rule import CellDecision, TimeRule, next_look
from supcr_bench.gate.sampling import Sampler, SidesError
from supcr_bench.measure.sides import SidedCell
from supcr_bench.values.gate import GateVerdict
from supcr_bench.workers.messages import VersionTimes

BEFORE, AGAIN, AFTER = "before", "again", "after"


def log_ratio(seconds: Sequence[float], before: Sequence[float]) -> float:
    """The median over rounds of log(seconds / before); both are paired by round."""
    return median(math.log(one / other) for one, other in zip(seconds, before, strict=True))


@dataclass(slots=True)
class CellTrial:
    """One cell, with its samples and decision so far.

    Attributes:
        cell: the cell.
        after, again: log-ratios to the version before, one from each process.
        before_s, after_s: medians of both versions in seconds, one from each process.
        decision: of the last look; ``None`` before the first.
        raised: which version raised what; that ended the cell.
    """

    cell: SidedCell
    after: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    before_s: list[float] = field(default_factory=list)
    after_s: list[float] = field(default_factory=list)
    decision: CellDecision | None = None
    raised: VersionTimes | None = None

    @property
    def decided(self) -> bool:
        """Whether it is decided, so that no more processes are needed."""
        if self.decision is not None and self.decision.verdict is not GateVerdict.UNDECIDED:
            return True
        return self.raised is not None


class TimeTrial:
    """Times cells until each is decided; a decided cell is not timed any more.

    Attributes:
        trials: one for each cell.
        processes: number of processes so far.
        spent_s: wall seconds so far.
        error: why the trial ended early, if it did.

    Args:
        cells: each with its versions before, again and after.
        rule: decides each cell.
        sampler: times the cells in one more process.
        budget_s: after the first process, none is started that is not expected to end within it.
        clock: gives seconds.
    """

    def __init__(
        self,
        cells: Sequence[SidedCell],
        rule: TimeRule,
        sampler: Sampler,
        budget_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trials = [CellTrial(cell) for cell in cells]
        self.rule = rule
        self.processes = 0
        self.spent_s = 0.0
        self.budget_s = budget_s
        self.error: str | None = None
        self._sampler = sampler
        self._clock = clock

    @property
    def undecided(self) -> list[CellTrial]:
        return [trial for trial in self.trials if not trial.decided]

    def run(self) -> Iterator[str]:
        """Run process after process; ``trials`` holds the decisions afterwards.

        Yields:
            after each process, how far the trial is.
        """
        began = self._clock()
        look, look_at = 1, self.rule.first_look
        while self.undecided:
            started = self._clock()
            try:
                self._sample()
            except SidesError as error:
                self.error = str(error)
                self.spent_s = self._clock() - began
                if self.processes:
                    self._look(look)
                break
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

    def _sample(self) -> None:
        left = self.undecided
        samples = self._sampler.sample([trial.cell for trial in left], self.processes)
        for trial, sample in zip(left, samples, strict=True):
            if sample.raised_by is not None:
                trial.raised = sample
                continue
            before, after = sample.seconds[BEFORE], sample.seconds[AFTER]
            trial.after.append(log_ratio(after, before))
            trial.again.append(log_ratio(sample.seconds[AGAIN], before))
            trial.before_s.append(median(before))
            trial.after_s.append(median(after))
        self.processes += 1

    def _look(self, look: int) -> None:
        for trial in self.undecided:
            trial.decision = self.rule.judge(trial.after, trial.again, look)

    @property
    def again_intervals(self) -> list[Interval]:
        """The intervals of the A/A arm, of each cell that has one."""
        decisions = [t.decision for t in self.trials if t.decision]
        return [d.again for d in decisions if d.again.low is not None]
