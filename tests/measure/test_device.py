"""Devices: one interface, and each figure labelled with how it was taken."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure.device import (
    Accelerator,
    Cpu,
    Meter,
    available_devices,
    find_accelerator,
    get_device,
)
from supcr_bench.measure.environment import collect_environment
from supcr_bench.measure.work import count_work
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm
from supcr_bench.values.errors import UsageError

ACCELERATOR = find_accelerator()
ARM = Arm("one", "forward")


def test_the_cpu_is_always_there() -> None:
    assert available_devices()[0] == "cpu"
    assert isinstance(get_device("cpu"), Cpu)


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no device 'warp:9' on this machine; available: cpu"):
        get_device("warp:9")


def test_peak_memory_on_the_cpu_counts_what_the_call_adds_and_says_how() -> None:
    kept = torch.ones(1000)
    peak = Meter(Cpu()).peak_memory(ARM, lambda: (kept + kept, kept.clone()))
    assert peak.peak_bytes == 8000
    assert peak.reserved_bytes is None
    assert "allocator events" in peak.memory_method


def test_the_meter_times_one_call() -> None:
    calls = []
    meter = Meter(Cpu())
    elapsed = meter.time(ARM, lambda: calls.append(1))
    assert elapsed.host_s > 0
    assert elapsed.device_s is None
    assert calls == [1]
    assert meter.peak_memory(ARM, lambda: torch.ones(100)).peak_bytes == 400


class FakeAllocator:
    """The statistics of an accelerator's allocator, without one."""

    def __init__(self) -> None:
        self.allocated = self.peak = 1000
        self.synchronised = 0
        self.fractions: list[tuple[float, ...]] = []

    def allocate(self, size: int) -> None:
        self.allocated += size
        self.peak = max(self.peak, self.allocated)

    def reset(self, device: Any) -> None:
        self.peak = self.allocated

    def synchronize(self, device: Any = None) -> None:
        self.synchronised += 1


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> FakeAllocator:
    fake = FakeAllocator()
    monkeypatch.setattr(torch.accelerator, "synchronize", fake.synchronize)
    for name, function in {
        "reset_peak_memory_stats": fake.reset,
        "memory_allocated": lambda d: fake.allocated,
        "memory_reserved": lambda d: 2_000,
        "max_memory_allocated": lambda d: fake.peak,
        "max_memory_reserved": lambda d: 2 * fake.peak,
    }.items():
        monkeypatch.setattr(torch.cuda, name, function)

    def set_fraction(fraction: float, *device: Any) -> None:
        fake.fractions.append((round(fraction, 6), len(device)))

    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", set_fraction)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda d: SimpleNamespace(total_memory=100_000)
    )
    monkeypatch.setattr(torch.mps, "set_per_process_memory_fraction", set_fraction)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 50_000)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: fake.allocated)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 9_999)
    return fake


def test_peak_memory_of_an_accelerator_is_its_allocators_peak_after_a_reset(
    allocator: FakeAllocator,
) -> None:
    allocator.allocate(5_000)  # an earlier peak that must not count
    allocator.allocated -= 5_000

    def call() -> None:
        allocator.allocate(700)
        allocator.allocated -= 700

    peak = Accelerator("cuda:0").peak_memory(call)
    assert (peak.peak_bytes, peak.reserved_bytes) == (700, 1400)
    assert peak.memory_method == "cuda max_memory_allocated after reset"
    assert allocator.synchronised == 2


def test_peak_memory_on_mps_is_labelled_a_lower_bound(allocator: FakeAllocator) -> None:
    peak = Accelerator("mps").peak_memory(lambda: allocator.allocate(300))
    assert (peak.peak_bytes, peak.reserved_bytes) == (300, 9_999)
    assert "lower bound" in peak.memory_method


def test_a_memory_limit_is_a_fraction_of_the_device_and_ends_with_its_block(
    allocator: FakeAllocator,
) -> None:
    with Accelerator("cuda:0").memory_limit(8_000):
        assert allocator.fractions == [(0.1, 1)]  # 2,000 reserved before, of 100,000
    assert allocator.fractions[-1] == (1.0, 1)
    with Accelerator("mps").memory_limit(5_000):
        assert allocator.fractions[-1] == (0.1, 0)
    with Accelerator("cuda:0").memory_limit(None):
        assert allocator.fractions[-1] == (1.0, 0)


class FakeEvent:
    """An event of a device whose clock is the number of operations queued so far."""

    queued = 0

    def __init__(self, device: Any, *, enable_timing: bool) -> None:
        assert enable_timing
        self.device = device
        self.at: int | None = None

    def record(self) -> None:
        self.at = FakeEvent.queued

    def elapsed_time(self, end: "FakeEvent") -> float:
        """Milliseconds, one an operation."""
        assert self.at is not None
        assert end.at is not None
        return float(end.at - self.at)


def queue(operations: int) -> None:
    FakeEvent.queued += operations


def test_an_accelerator_tells_its_own_time_beside_the_hosts(
    allocator: FakeAllocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "Event", FakeEvent)
    device = Accelerator("cuda:0")
    for operations in (250, 30):
        before = allocator.synchronised
        elapsed = device.time(lambda n=operations: queue(n))  # type: ignore[misc]
        assert elapsed.device_s == pytest.approx(operations * 1e-3)
        assert elapsed.host_s > 0
        assert allocator.synchronised >= before + 2


def test_a_call_that_raises_leaves_the_next_one_a_time_of_its_own(
    allocator: FakeAllocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "Event", FakeEvent)
    device = Accelerator("xpu")

    def fail() -> None:
        queue(5)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        device.time(fail)
    assert device.time(lambda: queue(7)).device_s == pytest.approx(7e-3)


def test_without_timing_events_there_is_the_hosts_time_alone_and_they_are_tried_once(
    allocator: FakeAllocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    class NoEvent(FakeEvent):
        def record(self) -> None:
            tried.append(self.device.type)
            raise RuntimeError("mps backend doesn't support events.")

    monkeypatch.setattr(torch, "Event", NoEvent)
    device = Accelerator("mps")
    assert device.time(lambda: None).device_s is None
    assert device.time(lambda: None).host_s > 0
    assert tried == ["mps"]


def test_accelerators_are_listed_with_and_without_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    # No argument is given: torch 2.6 takes none.
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert available_devices() == ("cpu", "cuda", "cuda:0", "cuda:1")
    assert isinstance(get_device("cuda:1"), Accelerator)
    monkeypatch.setattr(
        torch.cuda,
        "get_device_properties",
        lambda i: SimpleNamespace(name=f"card {i}", total_memory=10**9),
    )
    cards = collect_environment()["accelerators"]
    assert [c["name"] for c in cards] == ["card 0", "card 1"]
    assert cards[0]["memory_bytes"] == 10**9


def test_the_environment_names_machine_and_software() -> None:
    environment = collect_environment()
    assert environment["torch"] == torch.__version__
    assert environment["cpus_usable"] >= 1
    assert environment["memory_bytes"] > 2**20
    assert environment["cpu"]


@pytest.mark.gpu
@pytest.mark.skipif(ACCELERATOR is None, reason="needs an accelerator")
def test_a_real_accelerator_gives_the_same_tensors_and_a_peak() -> None:
    assert ACCELERATOR is not None
    here = make_batch(Workload(batch_size=16))
    there = make_batch(Workload(batch_size=16, device=ACCELERATOR.type))
    assert torch.equal(here.first, there.first.cpu())
    assert torch.equal(here.labels, there.labels.cpu())
    device = get_device(ACCELERATOR.type)
    peak = Meter(device).peak_memory(ARM, lambda: there.first.detach() * 2)
    assert peak.peak_bytes is not None
    assert peak.peak_bytes >= 16 * 64 * 4


@pytest.mark.gpu
@pytest.mark.skipif(ACCELERATOR is None, reason="needs an accelerator")
def test_a_real_accelerator_tells_its_own_time_and_a_peak_near_the_predicted() -> None:
    assert ACCELERATOR is not None
    x = torch.ones(512, 512, device=ACCELERATOR)
    device = get_device(ACCELERATOR.type)

    def call() -> torch.Tensor:
        return x.exp().log().sum()

    elapsed = device.time(call)
    assert elapsed.host_s > 0
    if ACCELERATOR.type in ("cuda", "xpu"):
        assert elapsed.device_s is not None
        assert elapsed.device_s > 0
    if ACCELERATOR.type == "cuda":
        predicted = count_work(call, host=False).predicted_cuda_peak_bytes
        # Where a block is not split, it is up to 1 MiB larger than what was asked of it.
        peak = Meter(device).peak_memory(ARM, call)
        assert peak.peak_bytes == pytest.approx(predicted, abs=3 * 2**20)
