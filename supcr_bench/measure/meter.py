"""What takes a figure: a clock and a memory counter behind one interface.

The real one asks the device; :class:`~supcr_bench.measure.fake_meter.FakeMeter` follows a given
law and makes everything above it deterministic.
"""

import time
from collections.abc import Callable
from typing import Protocol

from supcr_bench.measure.device import Device, PeakMemory
from supcr_bench.measure.work import Work, count_work
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm


class Meter(Protocol):
    """Takes one figure of one call."""

    def time_s(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> float:
        """Seconds that one call takes."""

    def peak_memory(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> PeakMemory:
        """Peak of live tensor bytes that one call adds."""

    def work(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> Work:
        """Operations, elements and bytes at dispatch that one call takes."""


class DeviceMeter:
    """Host time between two synchronisations, and the device's own peak."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def time_s(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> float:
        """Host time from a synchronised start to a synchronised end."""
        del arm, workload
        self._device.synchronize()
        start = time.perf_counter_ns()
        kept = call()
        self._device.synchronize()
        elapsed = time.perf_counter_ns() - start
        del kept  # the graph's release is no part of the call
        return elapsed * 1e-9

    def peak_memory(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> PeakMemory:
        """As the device takes it."""
        del arm, workload
        return self._device.peak_memory(call)

    def work(self, arm: Arm, workload: Workload, call: Callable[[], object]) -> Work:
        """By dispatch, which is the same on every device."""
        del arm, workload
        return count_work(call, host=self._device.name == "cpu")
