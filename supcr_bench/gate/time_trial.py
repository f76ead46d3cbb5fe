"""The trial of time: processes are started until every cell is decided or the budget is spent."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from supcr_bench.analysis.statistics import Interval
from supcr_bench.analysis.time_rule import CellRuling, TimeRule
from supcr_bench.gate.sampling import Sampler, SideRaised, SidesError
from supcr_bench.measure.sides import SidedCell
from supcr_bench.values.gate import Ruling

BEFORE, AGAIN, AFTER = "before", "again", "after"


@dataclass(slots=True)
class CellTrial:
    """One cell and what is known of it so far.

    Attributes:
        cell: which.
        after, again: log-ratios to the version before, one a process.
        before_s: medians of the version before, in seconds, one a process.
        after_s: of the version after.
        ruled: at the last look; ``None`` before the first.
        raised: what a side raised, which ended the cell.
    """

    cell: SidedCell
    after: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    before_s: list[float] = field(default_factory=list)
    after_s: list[float] = field(default_factory=list)
    ruled: CellRuling | None = None
    raised: SideRaised | None = None

    @property
    def decided(self) -> bool:
        """Whether nothing more has to be known of it."""
        ruled = self.ruled is not None and self.ruled.ruling is not Ruling.UNDECIDED
        return ruled or self.raised is not None


@dataclass(frozen=True, slots=True)
class ProcessDone:
    """A process has ended.

    Attributes:
        processes: so far.
        undecided: cells left.
        spent_s: wall seconds so far.
    """

    processes: int
    undecided: int
    spent_s: float


class TimeTrial:
    """Times cells until each is decided; a cell that is decided is not timed any more.

    Attributes:
        trials: one for each cell.
        processes: so far.
        spent_s: wall seconds so far.
        error: what broke it off, if anything did.

    Args:
        cells: each with its sides before, again and after.
        rule: decides.
        sampler: times the cells in one more process.
        budget_s: after the first, no process is started that is not expected to end within it.
        clock: in seconds.
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
        """Cells left."""
        return [trial for trial in self.trials if not trial.decided]

    def run(self) -> Iterator[ProcessDone]:
        """Process after process; the rulings are in ``trials`` afterwards."""
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
                look, look_at = look + 1, self.rule.next_look(self.processes)
            yield ProcessDone(self.processes, len(self.undecided), self.spent_s)
            if out_of_time:
                break

    def _sample(self) -> None:
        left = self.undecided
        found = self._sampler.sample([trial.cell for trial in left], self.processes)
        for trial, times in zip(left, found, strict=True):
            if isinstance(times, SideRaised):
                trial.raised = times
                continue
            trial.after.append(times.log_ratio(AFTER, BEFORE))
            trial.again.append(times.log_ratio(AGAIN, BEFORE))
            trial.before_s.append(times.median_s(BEFORE))
            trial.after_s.append(times.median_s(AFTER))
        self.processes += 1

    def _look(self, look: int) -> None:
        for trial in self.undecided:
            trial.ruled = self.rule.judge(trial.after, trial.again, look)

    @property
    def again_intervals(self) -> list[Interval]:
        """Of the A/A arm, one for each cell that has one."""
        return [t.ruled.again for t in self.trials if t.ruled and t.ruled.again.low is not None]
