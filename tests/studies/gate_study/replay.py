"""The gate's own decisions, made again and again on stretches of a recording."""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.gate.time_trial import AFTER, AGAIN, BEFORE, TimeTrial
from supcr_bench.measure.version_times import VersionedCell, VersionTimes
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Case, Pass, Workload
from supcr_bench.values.gate import GateVerdict
from tests.studies.gate_study.record import SLOWED_CELL

BLOCK = 12
"""Processes in a row, a minute or two of them: what makes the machine noisy lasts for a while."""
CASES = {"identical": AFTER, "5%": "slowed 5%", "10%": "slowed 10%", "20%": "slowed 20%"}

MAX_SLOWDOWN = 0.05

Recording = Sequence[dict[str, Any]]


@dataclass
class ReplaySampler:
    """Hands out recorded processes, stretch after stretch, from random places.

    Attributes:
        recording: in the order of time.
        side: what stands in for the version after, in the cell that has it.
        rng: picks the stretches.
        now: seconds, by what the calls that are handed out took.
    """

    recording: Recording
    side: str
    rng: random.Random
    now: float = 0.0
    _at: int = 0
    _left: int = 0
    _cells: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self._cells = list(self.recording[0]["cells"])

    def cells(self) -> list[VersionedCell]:
        """Those that were recorded. Their sides are never loaded."""
        found = []
        for name in self._cells:
            implementation, pass_ = name.split()
            subject = Subject(implementation, "folder", "", "")
            kind: Pass = "forward" if pass_ == "forward" else "training"
            case = Case.of(Workload(batch_size=2), kind)
            found.append(VersionedCell(implementation, case, {BEFORE: subject}))
        return found

    def __call__(self, cells: Sequence[VersionedCell], process: int) -> Sequence[VersionTimes]:
        """The next recorded process."""
        del process
        if not self._left:
            self._at, self._left = self.rng.randrange(len(self.recording)), BLOCK
        entry = self.recording[self._at]
        self._at, self._left = (self._at + 1) % len(self.recording), self._left - 1
        self.now += entry["start_s"]
        found: list[VersionTimes] = []
        for cell in cells:
            own = entry["cells"][f"{cell.implementation} {cell.case.pass_}"]
            side = self.side if self.side in own else AFTER
            seconds = {version: (call,) for version, call in calls(own, side).items()}
            found.append(VersionTimes(seconds, totals=calls(own["mean"], side)))
            self.now += own["spent_s"]
        return found

    def clock(self) -> float:
        """Seconds."""
        return self.now


def calls(log_ratios: Mapping[str, float], side: str) -> dict[str, float]:
    """What a call of each version took, in calls of the version before; ``side`` is after."""
    return {BEFORE: 1.0, AGAIN: math.exp(log_ratios[AGAIN]), AFTER: math.exp(log_ratios[side])}


@dataclass(frozen=True)
class Replayed:
    """What a case came to over all its replays.

    Attributes:
        rulings: of whole gate runs.
        false_alarms: runs that called a cell a regression in which nothing was put.
        passed_slowed: runs that passed the cell in which something was put.
        processes: of each run.
        seconds: of each run.
    """

    rulings: Counter[GateVerdict]
    false_alarms: int
    passed_slowed: int
    processes: list[int]
    seconds: list[float]


def worst(verdicts: Iterable[GateVerdict]) -> GateVerdict:
    """The verdict of a whole run in which cells have these."""
    found = set(verdicts)
    order = (GateVerdict.REGRESSION, GateVerdict.UNDECIDED)
    return next((verdict for verdict in order if verdict in found), GateVerdict.PASS)


def replay(recording: Recording, case: str, runs: int, budget_s: float) -> Replayed:
    """Make the gate's decisions of one case on stretches of a recording, so many times."""
    rulings: Counter[GateVerdict] = Counter()
    false_alarms = passed_slowed = 0
    processes, seconds = [], []
    slowed = None if case == "identical" else " ".join(SLOWED_CELL)
    for run in range(runs):
        sampler = ReplaySampler(recording, CASES[case], random.Random(f"{case} {run}"))
        cells = sampler.cells()
        rule = TimeRule(max_slowdown=MAX_SLOWDOWN, cells=len(cells))
        trial = TimeTrial(cells, rule, sampler, budget_s, sampler.clock)
        for _ in trial.run():
            pass
        by_cell = {
            f"{t.cell.implementation} {t.cell.case.pass_}": t.decision.verdict
            for t in trial.trials
            if t.decision
        }
        rulings[worst(by_cell.values())] += 1
        false_alarms += any(
            ruling is GateVerdict.REGRESSION for name, ruling in by_cell.items() if name != slowed
        )
        passed_slowed += slowed is not None and by_cell[slowed] is GateVerdict.PASS
        processes.append(trial.processes)
        seconds.append(trial.spent_s)
    return Replayed(rulings, false_alarms, passed_slowed, processes, seconds)
