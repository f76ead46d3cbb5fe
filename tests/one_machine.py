"""What every made-up executor says of where it runs cells: here, one at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

from supcr_bench.values.case import Workload


class OneMachine:
    """A machine of which nothing is known."""

    environment: Mapping[str, Any] = {}
    environments: Mapping[str, Mapping[str, Any]] = {}
    devices: Sequence[str] = ("cpu",)
    location = "here"
    max_parallel_cells = 1

    def machine_for(self, workload: Workload, before: str | None) -> str | None:
        return None
