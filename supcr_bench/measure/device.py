"""One interface to all devices: cpu, cuda, mps and xpu.

Peak memory is always the most bytes of live tensors beyond the inputs. On CUDA and XPU it is
``max_memory_allocated`` after a reset, with the reserved bytes beside it; on the CPU it is summed
from the allocator's events in the profiler; MPS keeps no peak, so the bytes allocated after a call
give a lower bound. Time is always the host's between two synchronisations; an accelerator with
timing events adds its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import median
from time import perf_counter_ns
from typing import Any

import psutil
import torch

from supcr_bench.inputs.tensors import Batch
from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.measure.floor import ENOUGH_S, FEWEST_TRIALS, MOST_TRIALS, floor_call
from supcr_bench.measure.interpreter import count_instructions
from supcr_bench.measure.other_work import OtherWork
from supcr_bench.measure.outcome import describe_error, is_out_of_memory
from supcr_bench.measure.work import Work, count_work
from supcr_bench.values.case import Pass
from supcr_bench.values.cell import Arm
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import UsageError

LEAST_FLUSHED_BYTES = 64 * 2**20
"""Bytes that are written on an accelerator before each timed call; four times its cache if that is
more."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The time of one call.

    Attributes:
        host_s: seconds on the host, from a synchronised start to a synchronised end.
        device_s: seconds on the device, from before the call's first operation to after its last,
            including gaps in which the device waited for the host; ``None`` if it has no timer.
    """

    host_s: float
    device_s: float | None = None


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peaks of live tensor bytes above the inputs and of reserved bytes, and the method."""

    peak_bytes: int | None
    reserved_bytes: int | None
    memory_method: str


class Cpu:
    """The CPU. The memory limit is that of the process."""

    name = "cpu"

    @cached_property
    def flush_caches(self) -> Callable[[], object]:
        """A call overwrites the caches, as the other layers of a training step do."""
        return OtherWork()

    def synchronize(self) -> None:
        """Wait until everything queued has run."""

    def error(self) -> str | None:
        """The error that keeps this process from using the device from now on."""
        return None

    def time(self, call: Callable[[], object]) -> Elapsed:
        """Time one call, without the release of its output."""
        clock = perf_counter_ns  # a call could replace it here
        start = clock()
        kept = call()
        elapsed_ns = clock() - start
        del kept
        return Elapsed(elapsed_ns / 1e9)

    def peak_memory(self, call: Callable[[], object]) -> PeakMemory:
        """Peak of live tensor bytes during ``call``, beyond those live before it."""
        method = "CPU allocator events (torch profiler)"
        return PeakMemory(peak_allocated_bytes(call), None, method)

    @contextmanager
    def memory_limit(self, limit_bytes: int | None) -> Iterator[None]:
        """Within the block, this process may hold ``limit_bytes`` more than now; only on Linux.

        An allocation beyond that raises an error at once in the call that requested it, before the
        machine swaps or kills processes. On other systems, only the parent process watches memory.
        """
        if limit_bytes is None or not psutil.LINUX:
            yield
            return
        process = psutil.Process()
        soft, hard = process.rlimit(psutil.RLIMIT_DATA)
        bound = process.memory_info().data + limit_bytes  # private writable memory
        bound = bound if hard == psutil.RLIM_INFINITY else min(bound, hard)
        process.rlimit(psutil.RLIMIT_DATA, (bound, hard))
        try:
            yield
        finally:
            process.rlimit(psutil.RLIMIT_DATA, (soft, hard))


class Accelerator:
    """A device that torch.accelerator serves: CUDA, XPU, MPS."""

    def __init__(self, name: str) -> None:
        self.name = name
        # A limit of memory wants a number.
        self._device = torch.device(name if ":" in name else f"{name}:0")
        self._synchronize = torch.accelerator.synchronize  # a call could replace it
        # torch.accelerator of torch 2.6 has no statistics of memory.
        self._module: Any = torch.get_device_module(self._device)

    @cached_property
    def flush_caches(self) -> Callable[[], object]:
        on_cuda = self._device.type == "cuda"
        cache = torch.cuda.get_device_properties(self._device).L2_cache_size if on_cuda else 0
        flushed = torch.zeros(max(4 * cache, LEAST_FLUSHED_BYTES) // 4, device=self._device)
        return partial(flushed.add_, 1)

    def synchronize(self) -> None:
        self._synchronize(self._device)

    def error(self) -> str | None:
        """The error that every call raises after a kernel failed."""
        try:
            torch.ones(1, device=self._device).item()
        except RuntimeError as error:
            return None if is_out_of_memory(error) else describe_error(error)
        return None

    @cached_property
    def _events(self) -> tuple[torch.Event, torch.Event] | None:
        try:
            begin, end = (torch.Event(device=self._device, enable_timing=True) for _ in range(2))
            begin.record()
            end.record()
            self.synchronize()
            begin.elapsed_time(end)
        except RuntimeError:  # most backends raise on first use, not when events are made
            return None
        return begin, end

    def time(self, call: Callable[[], object]) -> Elapsed:
        events, clock = self._events, perf_counter_ns
        self.synchronize()
        if events:
            events[0].record()
        start = clock()
        kept = call()
        if events:
            events[1].record()
        self.synchronize()
        elapsed_ns = clock() - start
        del kept
        device_s = events[0].elapsed_time(events[1]) * 1e-3 if events else None
        return Elapsed(elapsed_ns / 1e9, device_s)

    def peak_memory(self, call: Callable[[], object]) -> PeakMemory:
        """Peak of live tensor bytes during ``call``, beyond those live before it."""
        self.synchronize()
        if self._device.type == "mps":
            before = torch.mps.current_allocated_memory()
            kept = call()
            self.synchronize()
            after = torch.mps.current_allocated_memory()
            del kept
            return PeakMemory(
                after - before,
                torch.mps.driver_allocated_memory(),
                "MPS allocated bytes after the call (lower bound)",
            )
        self._module.empty_cache()  # frees blocks that earlier calls left
        self._module.reset_peak_memory_stats(self._device)
        before = self._module.memory_allocated(self._device)
        reserved = self._module.memory_reserved(self._device)
        kept = call()
        self.synchronize()
        del kept
        return PeakMemory(
            self._module.max_memory_allocated(self._device) - before,
            self._module.max_memory_reserved(self._device) - reserved,
            f"{self._device.type} max_memory_allocated after reset",
        )

    @contextmanager
    def memory_limit(self, limit_bytes: int | None) -> Iterator[None]:
        """Limit memory to a fraction of the device's memory, where PyTorch supports that."""
        set_fraction = getattr(self._module, "set_per_process_memory_fraction", None)
        if limit_bytes is None or set_fraction is None:
            yield
            return
        if self._device.type == "mps":
            arguments: tuple[torch.device, ...] = ()
            total = torch.mps.recommended_max_memory()
        else:
            arguments = (self._device,)
            total = self._module.get_device_properties(self._device).total_memory
        held = self._module.memory_reserved(self._device) if arguments else 0
        set_fraction(min(1.0, (held + limit_bytes) / total), *arguments)
        try:
            yield
        finally:
            set_fraction(1.0, *arguments)


Device = Cpu | Accelerator


class Meter:
    """Measures a call: time and peak memory on the device, work by counting operations."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def time(self, _arm: Arm, call: Callable[[], object]) -> Elapsed:
        return self._device.time(call)

    def peak_memory(self, _arm: Arm, call: Callable[[], object]) -> PeakMemory:
        return self._device.peak_memory(call)

    def work(self, _arm: Arm, call: Callable[[], object]) -> Work:
        return count_work(call, host=self._device.name == "cpu")

    def interpreted(self, _arm: Arm, call: Callable[[], object]) -> dict[str, int | None]:
        return {"python_instructions": count_instructions(call)}

    def floor_s(self, definition: Definition, pass_: Pass, batch: Batch) -> float:
        """Median seconds of the floor of a loss, with flushed caches."""
        call, seconds = floor_call(definition, pass_, batch), list[float]()
        call()
        while len(seconds) < (FEWEST_TRIALS if sum(seconds) > ENOUGH_S else MOST_TRIALS):
            self._device.flush_caches()
            seconds.append(self._device.time(call).host_s)
        return median(seconds)


def find_accelerator() -> torch.device | None:
    """The machine's accelerator, ``cuda``, ``mps`` or ``xpu``; ``None`` if it has none."""
    # torch 2.6 has no current_accelerator(check_available=True).
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None


def available_devices() -> tuple[str, ...]:
    accelerator = find_accelerator()
    if accelerator is None:
        return ("cpu",)
    numbered = (f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count()))
    return ("cpu", accelerator.type, *numbered)


def get_device(name: str) -> Device:
    """The device of a name such as ``cpu`` or ``cuda``; raises a UsageError if it is not here."""
    if name not in (known := available_devices()):
        raise UsageError(f"no device {name!r} on this machine; available: {', '.join(known)}")
    return Cpu() if name == "cpu" else Accelerator(name)
