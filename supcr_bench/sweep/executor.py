"""The interface of executors, which run cells."""

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
        environment: the machine that measures; the first one where there are several.
        environments: every kind of machine that measures, by the name that results carry.
        devices: names of the devices that a cell can run on.
        location: where cells run, for a sentence: ``on this machine``.
        max_parallel_cells: how many cells may run at the same time. Where it is more than one,
            :meth:`run` is called from as many threads, and yields an event at least every second
            or so: that is when a thread can be told to stop.
    """

    @property
    def environment(self) -> Mapping[str, Any]: ...
    @property
    def environments(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def devices(self) -> Sequence[str]: ...
    @property
    def location(self) -> str: ...
    @property
    def max_parallel_cells(self) -> int: ...

    def machine_for(self, workload: Workload, before: str | None) -> str | None:
        """The kind of machine that a workload would run on now; ``None`` if it is not known.

        All workloads of a series run on one kind as long as a machine of that kind is left: by
        default on ``before``, the kind that measured the series last.

        Raises:
            WorkerError: no machine is left that has the workload's device.
        """

    def preflight(
        self, subjects: Sequence[Subject], like: Workload
    ) -> Mapping[str, PreflightResult]:
        """Load each subject and call it once on a tiny batch; results by the subject's name."""

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Run a cell: yields one result per arm, and between them Activity and Account values."""

    def close(self) -> None:
        """End the processes that were started for it."""


def without_figures(
    cell: Cell, arm: Arm, budget: Budget, status: Status, reason: str, **known: Any
) -> Result:
    """The result of an arm that was skipped, or ended from outside."""
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
