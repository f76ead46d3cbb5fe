"""The interface to the clock and the memory counter.

The real one asks the device; :class:`~supcr_bench.measure.fake_meter.FakeMeter` follows a given
law and makes everything above it deterministic.
"""

from collections.abc import Callable
from typing import Protocol

from supcr_bench.measure.device import Device, PeakMemory
from supcr_bench.measure.elapsed import Elapsed
from supcr_bench.measure.work import Work, count_work
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm


class Meter(Protocol):
    """Measures one figure of one call."""

    def time(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> Elapsed: ...

    def peak_memory(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> PeakMemory:
        """Peak of live tensor bytes that one call adds."""

    def work(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> Work:
        """Operations, elements and bytes at dispatch that one call takes."""


class DeviceMeter:
    """Time and peak as the device takes them, and work by dispatch."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def time(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> Elapsed:
        del arm, workload
        return self._device.time(call)

    def peak_memory(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> PeakMemory:
        del arm, workload
        return self._device.peak_memory(call)

    def work(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> Work:
        del arm, workload
        return count_work(call, host=self._device.name == "cpu")
