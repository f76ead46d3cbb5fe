"""What runs cells: the runner knows no more of it than this."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Account, Budget, Cell
from supcr_bench.values.implementation import Description
from supcr_bench.values.result import Result
from supcr_bench.workers.activity import Activity


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a subject before it is measured.

    Attributes:
        finding: what is wrong with how it is loaded or called, or ``None``.
        description: what it says of itself, if it could be loaded.
        unavailable: whether it could not be, for something that is not installed.
    """

    finding: str | None
    description: Description | None
    unavailable: bool = False


Event = Result | Activity | Account


class Executor(Protocol):
    """Runs cells, each on a machine, or a GPU, that it has to itself."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """Of the machine that measures; of the first one where there are several."""

    @property
    def environments(self) -> Mapping[str, Mapping[str, Any]]:
        """Of every kind of machine that measures, by the name that results carry."""

    @property
    def devices(self) -> Sequence[str]:
        """Names of the devices that a cell can be run on."""

    @property
    def place(self) -> str:
        """Where that is, for a sentence: ``on this machine``."""

    @property
    def at_once(self) -> int:
        """How many cells may be open at the same time.

        Where it is more than one, :meth:`run` is called from as many threads, and gives an event
        at least every second or so: that is when a thread can be told to stop.
        """

    def machine_for(self, workload: Workload, before: str | None) -> str | None:
        """The kind of machine that a workload would be run on now; ``None`` if that is not told.

        All of a series are run on one kind as long as it is there.

        Args:
            workload: what is to be run.
            before: the kind that the series was last measured on, in this start or an earlier one.

        Raises:
            WorkerError: no machine is left that has its device.
        """

    def check(self, subjects: Sequence[Subject], like: Workload) -> Mapping[str, Checked]:
        """Load each subject and call it once on a tiny batch."""

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Exactly one result for every arm of the cell, with activities and accounts between."""

    def close(self) -> None:
        """Let go of everything."""
