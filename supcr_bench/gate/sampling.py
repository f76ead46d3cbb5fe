"""Fresh processes that time every version in some cells; each process gives one value a cell."""

import time
from collections.abc import Sequence
from typing import Protocol

from supcr_bench.measure.sides import SidedCell
from supcr_bench.values.errors import SupcrBenchError
from supcr_bench.workers.messages import Failed, TimeVersions, VersionTimes
from supcr_bench.workers.worker_process import WorkerProcess

SAMPLING_S = 0.13
"""Seconds of timed calls of one version, in one cell and one process. A longer time would tell more
about that process, while the uncertainty that remains comes from differences between processes."""
PROCESS_LIMIT_S = 120.0


class SidesError(SupcrBenchError):
    """A version could not be timed."""


class Sampler(Protocol):
    """Times cells, each call in one more fresh process."""

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[VersionTimes]:
        """The times of each cell, in their order.

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

    def sample(self, cells: Sequence[SidedCell], process: int) -> Sequence[VersionTimes]:
        """The times of each cell, from a worker of their own."""
        worker = WorkerProcess(self._threads)
        try:
            worker.send(TimeVersions(tuple(cells), self._sampling_s, f"{self._seed} {process}"))
            samples: list[VersionTimes] = []
            began = time.monotonic()
            for response in worker.responses():
                match response:
                    case VersionTimes():
                        samples.append(response)
                        if len(samples) == len(cells):
                            return samples
                    case Failed():
                        raise SidesError(response.reason)
                if time.monotonic() - began > PROCESS_LIMIT_S:
                    raise SidesError(f"timing took over {PROCESS_LIMIT_S:.0f} s in one process")
            raise SidesError(f"the process that timed ended: {worker.exit_description()}")
        finally:
            worker.close()
