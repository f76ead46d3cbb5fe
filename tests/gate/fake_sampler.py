"""A sampler with no clock and no process: times follow a given law, the same in every run."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from supcr_bench.gate.time_trial import TimingError
from supcr_bench.measure.version_times import SAMPLING_S, VersionedCell, VersionTimes
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Case, Pass, Workload

ROUNDS = 5


def sided(name: str = "loss", pass_: Pass = "training", batch_size: int = 64) -> VersionedCell:
    """A cell whose sides are never loaded."""
    subject = Subject(name, "file", f"{name}.py", "Loss")
    sides = {"before": subject, "again": subject, "after": subject}
    return VersionedCell(name, Case.of(Workload(batch_size=batch_size), pass_), sides)


@dataclass
class FakeSampler:
    """Gives each cell its slow-down, with noise from process to process.

    Attributes:
        slower: by implementation, after over before; 1 where not named.
        noise: half the width of the even spread of each process's ratio.
        process_s: what a process takes, on ``now``.
        fails_at: the process that ends.
        raises: by implementation, the side that raises.
        spent: by implementation, what its cell takes in a process, besides.
        means: by implementation, after over before of the mean call.
        follows: whether what cells take follows the seconds of calls that are asked for.
    """

    slower: Mapping[str, float] = field(default_factory=dict)
    noise: float = 0.005
    process_s: float = 1.0
    fails_at: int | None = None
    raises: Mapping[str, str] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    follows: bool = False
    now: float = 0.0
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, cells: Sequence[VersionedCell], process: int) -> Sequence[VersionTimes]:
        """One value for each cell."""
        self.now += self.process_s + sum(map(self._spent_s, cells))
        self.asked.append([cell.implementation for cell in cells])
        if process == self.fails_at:
            raise TimingError("RuntimeError: boom")
        return [
            self._times(cell, random.Random(f"{process} {cell.implementation}")) for cell in cells
        ]

    def _spent_s(self, cell: VersionedCell) -> float:
        share = cell.sampling_s / SAMPLING_S if self.follows else 1.0
        return share * self.spent.get(cell.implementation, 0.0)

    def _times(self, cell: VersionedCell, rng: random.Random) -> VersionTimes:
        if cell.implementation in self.raises:
            return VersionTimes({}, self.raises[cell.implementation], "RuntimeError: boom")

        def side(ratio: float) -> tuple[float, ...]:
            return (0.010 * ratio * (1 + rng.uniform(-self.noise, self.noise)),) * ROUNDS

        slower = self.slower.get(cell.implementation, 1.0)
        before = (0.010,) * ROUNDS
        seconds = {"before": before, "again": side(1.0), "after": side(slower)}
        totals = {version: sum(own) for version, own in seconds.items()}
        totals["after"] *= self.means.get(cell.implementation, 1.0)
        spent_s = self._spent_s(cell)
        return VersionTimes(seconds, totals=totals, spent_s=spent_s)

    def clock(self) -> float:
        """Seconds."""
        return self.now
