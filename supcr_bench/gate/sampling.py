"""Fresh processes that time every side of some cells, one process a value."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol

from supcr_bench.measure.sides import SidedCell
from supcr_bench.values.errors import SupcrBenchError
from supcr_bench.workers.worker_process import WorkerProcess

SAMPLING_S = 0.13
"""Of timed calls of one side of one cell in one process. More of them would say more of that one
process, where the differences between processes are what is left."""
PROCESS_LIMIT_S = 120.0


class SidesError(SupcrBenchError):
    """A side could not be timed."""


@dataclass(frozen=True, slots=True)
class SideTimes:
    """What one process found of one cell.

    Attributes:
        seconds: per call, of each side; sides pair by round.
    """

    seconds: Mapping[str, tuple[float, ...]]

    def median_s(self, side: str) -> float:
        """Of its rounds."""
        return median(self.seconds[side])

    def log_ratio(self, side: str, before: str) -> float:
        """The median over rounds of the log of how many times as long a side takes."""
        pairs = zip(self.seconds[side], self.seconds[before], strict=True)
        return median(math.log(one / other) for one, other in pairs)


@dataclass(frozen=True, slots=True)
class SideRaised:
    """A side raised on being timed, and ended its cell in that process."""

    side: str
    reason: str


Sample = SideTimes | SideRaised


def _read(one: Mapping[str, Any]) -> Sample:
    if "raised" in one:
        return SideRaised(one["side"], one["raised"])
    return SideTimes({side: tuple(values) for side, values in one["seconds"].items()})


class Sampler(Protocol):
    """Times the cells in one more fresh process."""

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[Sample]:
        """One value for each cell, in their order.

        Args:
            cells: what to time.
            process: the number of the process, which seeds its orders.

        Raises:
            SidesError: a side cannot be loaded or hangs, or the process ended.
        """


class ProcessSampler:
    """Starts a worker for each sample, and ends it.

    Args:
        threads: of torch in it.
        seed: of every order.
        sampling_s: about how long the calls of one side of one cell may take.
    """

    def __init__(self, threads: int, seed: int, sampling_s: float = SAMPLING_S) -> None:
        self._threads, self._seed, self._sampling_s = threads, seed, sampling_s

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[Sample]:
        """In a process of its own."""
        worker = WorkerProcess(self._threads)
        try:
            worker.send(
                {
                    "do": "sides",
                    "cells": [cell.to_mapping() for cell in cells],
                    "sampling_s": self._sampling_s,
                    "seed": f"{self._seed} {process}",
                }
            )
            began = time.monotonic()
            for message in worker.messages():
                if message is None:
                    if time.monotonic() - began > PROCESS_LIMIT_S:
                        raise SidesError(f"timing took over {PROCESS_LIMIT_S:.0f} s in one process")
                elif "raised" in message:
                    raise SidesError(message["raised"])
                elif "samples" in message:
                    return [_read(one) for one in message["samples"]]
            raise SidesError(f"the process that timed ended: {worker.last_words()}")
        finally:
            worker.close()
