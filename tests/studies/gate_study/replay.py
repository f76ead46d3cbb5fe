"""The gate's own decisions, made again and again on stretches of a recording."""

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.gate.sampling import SideTimes
from supcr_bench.gate.time_trial import AFTER, AGAIN, BEFORE, TimeTrial
from supcr_bench.measure.paired_timing import SHORTEST_SAMPLE_S
from supcr_bench.measure.sides import SidedCell
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Case, Pass, Workload
from supcr_bench.values.gate import Ruling

BLOCK = 12
"""Processes in a row, about a minute of them: what makes the machine noisy lasts for a while."""
START_S = 1.3
"""What a process takes beside its timed calls, as measured."""
CASES = {"identical": AFTER, "5%": "slowed 5%", "10%": "slowed 10%", "20%": "slowed 20%"}

Recording = Sequence[dict[str, Any]]


def read_recording(path: Path) -> Recording:
    """One entry a process; the last line may be cut off where recording was ended."""
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


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
    _cells: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._cells = {c["cell"]: k for k, c in enumerate(self.recording[0]["cells"])}

    def cells(self) -> list[SidedCell]:
        """Those that were recorded. Their sides are never loaded."""
        found = []
        for name in self._cells:
            implementation, pass_ = name.split()
            subject = Subject(implementation, "folder", "", "")
            kind: Pass = "forward" if pass_ == "forward" else "training"
            case = Case.of(Workload(batch_size=2), kind)
            found.append(SidedCell(implementation, case, {BEFORE: subject}))
        return found

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[SideTimes]:
        """The next recorded process."""
        del process
        if not self._left:
            self._at, self._left = self.rng.randrange(len(self.recording)), BLOCK
        entry = self.recording[self._at]
        self._at, self._left = (self._at + 1) % len(self.recording), self._left - 1
        self.now += START_S
        found = []
        for cell in cells:
            sides = entry["cells"][self._cells[f"{cell.implementation} {cell.case.pass_}"]][
                "seconds"
            ]
            after = sides.get(self.side, sides[AFTER])
            found.append(SideTimes({BEFORE: sides[BEFORE], AGAIN: sides[AGAIN], AFTER: after}))
            repetitions = math.ceil(SHORTEST_SAMPLE_S / min(sides[BEFORE]))
            self.now += sum(repetitions * sum(s) for s in (sides[BEFORE], sides[AGAIN], after))
        return found

    def clock(self) -> float:
        """Seconds."""
        return self.now


@dataclass(frozen=True)
class Replayed:
    """What a case came to over all its replays.

    Attributes:
        runs: how many.
        rulings: of whole gate runs.
        false: runs that called a cell a regression in which nothing was put.
        missed: runs that passed the slowed cell.
        processes: of each run.
        seconds: of each run.
    """

    runs: int
    rulings: Counter[Ruling]
    false: int
    missed: int
    processes: list[int]
    seconds: list[float]


def replay(
    recording: Recording, side: str, slowed: str, runs: int, budget_s: float, seed: int
) -> Replayed:
    """Run the gate's decisions on stretches of a recording."""
    rulings: Counter[Ruling] = Counter()
    false = missed = 0
    processes, seconds = [], []
    for run in range(runs):
        sampler = ReplaySampler(recording, side, random.Random(f"{seed} {side} {run}"))
        cells = sampler.cells()
        rule = TimeRule(max_slowdown=0.05, cells=len(cells))
        trial = TimeTrial(cells, rule, sampler, budget_s, sampler.clock)
        for _ in trial.run():
            pass
        by_cell = {
            f"{t.cell.implementation} {t.cell.case.pass_}": t.ruled.ruling
            for t in trial.trials
            if t.ruled
        }
        found = set(by_cell.values())
        whole = next((r for r in (Ruling.REGRESSION, Ruling.UNDECIDED) if r in found), Ruling.PASS)
        rulings[whole] += 1
        plain = {name: ruling for name, ruling in by_cell.items() if name != slowed}
        false += Ruling.REGRESSION in plain.values()
        false += side == AFTER and by_cell[slowed] is Ruling.REGRESSION
        missed += by_cell[slowed] is Ruling.PASS
        processes.append(trial.processes)
        seconds.append(trial.spent_s)
    return Replayed(runs, rulings, false, missed, processes, seconds)
