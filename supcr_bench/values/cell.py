"""The unit of work, a cell: several implementations and passes on the tensors of one workload."""

import uuid
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from supcr_bench.values.case import Case, Pass, Workload
from supcr_bench.values.definition import TORCHCELL, Definition
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_clock

MOST_PROCESSES = 100
FEWEST_SAMPLES = 6
"""The fewest samples whose distribution-free interval of the median reaches 95 %."""
FEWEST_CALLS = FEWEST_SAMPLES + 3
"""The fewest calls of a timed case: for agreement, memory, calibration, and samples."""
UNTIMED_CALLS = 3
"""The calls of a case that is not timed: for agreement, memory and work."""

CACHES = "flushed before each timed call (L1 and L2; one that cores share may stay filled)"
"""The state in which a run's timed calls find the caches. Those of the gate find them warm."""


def new_session() -> str:
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The time and memory that one implementation may use on one case.

    Attributes:
        time_limit_s: a call that runs longer is stopped; a case whose calls are predicted to take
            longer in total is skipped.
        compile_limit_s: a compilation by ``torch.compile`` that takes longer is stopped; its time
            does not count as that of the call.
        memory_limit_bytes: the memory that a worker may take on top of what it held before the
            cell; ``None`` for no limit.
        sampling_s: timing stops after this many seconds of timed calls of one arm.
        precision: timing stops earlier if the 95 % interval of the median is within this fraction
            of the median, on either side.
    """

    time_limit_s: float = 10.0
    compile_limit_s: float = 300.0
    memory_limit_bytes: int | None = None
    sampling_s: float = 0.5
    precision: float = 0.02
    threads: int = 1
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Arm:
    """One implementation in one pass, and the definition that it is compared with."""

    implementation: str
    pass_: Pass
    definition: Definition = field(default=TORCHCELL, compare=False)

    def describe(self) -> str:
        return f"{self.implementation} {self.pass_}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One workload and the arms to run on it; ``session`` names one execution, to pair samples.

    A run may have several processes; this cell belongs to the one with number ``process``, from 1.
    In a ``further`` process, calls are timed again, and nothing else is done.
    """

    workload: Workload
    arms: tuple[Arm, ...]
    session: str = ""
    timed: bool = True
    process: int = 1

    @property
    def further(self) -> bool:
        return self.process > 1

    def case(self, arm: Arm) -> Case:
        return Case.of(self.workload, arm.pass_, arm.definition)

    def definition(self, arm: Arm) -> Definition:
        return arm.definition.at(self.workload.temperature)

    def result(
        self, arm: Arm, budget: Budget, status: Status, reason: str | None = None, **figures: Any
    ) -> Result:
        return Result(
            implementation=arm.implementation,
            case=self.case(arm),
            status=status,
            reason=reason,
            session=self.session or None,
            time_limit_s=budget.time_limit_s,
            memory_limit_bytes=budget.memory_limit_bytes,
            **figures,
        )

    def without(self, done: set[Arm], session: str) -> Self:
        rest = tuple(arm for arm in self.arms if arm not in done)
        return replace(self, arms=rest, session=session)


@dataclass(frozen=True, slots=True)
class Took:
    """The seconds of a cell that an arm took, with the harness's own work beside its calls."""

    arm: Arm
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the wall time of a cell went, in seconds: inputs, reference, and all calls."""

    inputs_s: float = 0.0
    reference_s: float = 0.0
    calls_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.inputs_s + self.reference_s + self.calls_s

    def describe(self, wall_s: float, parallel_cells: int) -> str:
        """The wall time of a run, and how much of it this account explains."""
        share, cells = f"{min(self.total_s / wall_s, 1.0):.0%} of it", ""
        if parallel_cells > 1:
            share = format_clock(self.total_s)
            cells = f", with up to {parallel_cells} cells at once"
        return f"{format_clock(wall_s)}, {share} in measured calls, reference and inputs{cells}"

    def __add__(self, other: "Account") -> "Account":
        return Account(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )
