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
    """Runs one cell at a time."""

    @property
    def environment(self) -> Mapping[str, Any]:
        """Of the machine that measures."""

    def check(self, subjects: Sequence[Subject], like: Workload) -> Mapping[str, Checked]:
        """Load each subject and call it once on a tiny batch."""

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Exactly one result for every arm of the cell, with activities and accounts between."""

    def close(self) -> None:
        """Let go of everything."""
