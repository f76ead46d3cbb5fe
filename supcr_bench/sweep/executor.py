"""The interface of executors, which run cells (one workload, several implementations)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.activity import Activity
from supcr_bench.workers.messages import PreflightResult

Event = Result | Activity | Account


class Executor(Protocol):
    """Runs cells, each on a machine, or a GPU, that it has to itself.

    Attributes:
        environment: the facts of the machine that measures, or of the first of several.
        environments: the facts of each kind of machine, by the kind's name in results.
        location: where cells run, as part of a sentence: ``on this machine``.
        max_parallel_cells: how many cells may run at the same time. Where it is more than one,
            that many threads call :meth:`run`, which yields an event at least about every
            second, because a thread can only be stopped at an event.
    """

    environment: Mapping[str, Any]
    environments: Mapping[str, Mapping[str, Any]]
    devices: Sequence[str]
    location: str
    max_parallel_cells: int

    def machine_for(self, workload: Workload, before: str | None) -> str | None:
        """The kind of machine on which a workload would run now; ``None`` if unknown.

        All batch sizes of a workload run on one kind while such a machine is left: if possible on
        ``before``, the kind that measured its other sizes.

        Raises:
            WorkerError: no machine is left that has the workload's device.
        """

    def preflight(
        self, subjects: Sequence[Subject], like: Workload
    ) -> Mapping[str, PreflightResult]:
        """Load each implementation and call it once on a tiny batch; results by name."""

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Run a cell: yield a result for each arm, and Activity and Account events between."""

    def close(self) -> None:
        """End the processes that this executor started."""


def without_figures(
    cell: Cell, arm: Arm, budget: Budget, status: Status, reason: str, **known: Any
) -> Result:
    """The result of an arm (implementation and pass) that was skipped or terminated."""
    return Result(
        implementation=arm.implementation,
        case=cell.case(arm),
        status=status,
        reason=reason,
        session=cell.session or None,
        time_limit_s=budget.time_limit_s,
        memory_limit_bytes=budget.memory_limit_bytes,
        **known,
    )
