"""Fresh processes that time every version in some cells; each process gives one value a cell."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from supcr_bench.measure.paired_timing import SideRaisedError
from supcr_bench.measure.sides import SidedCell
from supcr_bench.values.errors import SupcrBenchError
from supcr_bench.workers.worker_process import WorkerProcess

SAMPLING_S = 0.13
"""Seconds of timed calls of one version, in one cell and one process. A longer time would tell more
about that process, while the uncertainty that remains comes from differences between processes."""
PROCESS_LIMIT_S = 120.0


class SidesError(SupcrBenchError):
    """A version could not be timed."""


Sample = Mapping[str, Sequence[float]] | SideRaisedError
"""Seconds per call of each version, paired by round; or the error that ended the cell."""


def _read(message: Mapping[str, Any]) -> Sample:
    if "raised" in message:
        return SideRaisedError(message["side"], message["raised"])
    seconds: Sample = message["seconds"]
    return seconds


class Sampler(Protocol):
    """Times cells, each call in one more fresh process."""

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[Sample]:
        """One sample for each cell, in their order.

        Args:
            cells: the cells to time.
            process: the number of the process, which seeds the order of its calls.

        Raises:
            SidesError: a version cannot be loaded or hangs, or the process ended.
        """


class ProcessSampler:
    """Starts a worker for each sample, and ends it.

    Args:
        threads: number of torch threads in the worker.
        seed: seeds every random order.
        sampling_s: about how many seconds the calls of one version in one cell may take.
    """

    def __init__(self, threads: int, seed: int, sampling_s: float = SAMPLING_S) -> None:
        self._threads, self._seed, self._sampling_s = threads, seed, sampling_s

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[Sample]:
        """One sample for each cell, from a worker of their own."""
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
