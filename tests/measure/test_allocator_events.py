from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.measure.device import Cpu, Meter
from supcr_bench.values.cell import Arm

KEPT = torch.ones(1000)
SCRATCH = torch.ones(1000)


def one_tensor() -> Tensor:
    return torch.empty(1000)


def three_at_once() -> Tensor:
    return torch.ones(1000) + torch.ones(1000)


def two_at_once() -> Tensor:
    """Each step's input is released once the next is there."""
    x = KEPT + KEPT
    for _ in range(5):
        x = x + KEPT
    return x


def one_after_the_other() -> None:
    for _ in range(5):
        torch.empty(1000)


def forward_and_backward() -> Tensor:
    leaf = torch.empty(1000, requires_grad=True)  # 4000 bytes
    doubled = leaf + leaf  # 8000
    # The gradient: 12000.
    doubled.backward(KEPT)  # type: ignore[no-untyped-call]
    return doubled


CALLS: list[tuple[Callable[[], object], int]] = [
    (one_tensor, 4000),
    (three_at_once, 12000),
    (two_at_once, 8000),
    (one_after_the_other, 4000),
    (lambda: torch.empty(3, dtype=torch.float64), 24),
    (lambda: torch.empty(5, dtype=torch.bool), 5),
    (lambda: None, 0),
    (lambda: KEPT.view(10, 100), 0),
    (lambda: SCRATCH.zero_(), 0),
]


@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_the_peak_is_exact(call: Callable[[], object], expected: int) -> None:
    assert peak_allocated_bytes(call) == expected


def test_backward_counts_too() -> None:
    assert peak_allocated_bytes(forward_and_backward) >= 12000


def test_the_same_call_has_the_same_peak_every_time() -> None:
    assert len({peak_allocated_bytes(two_at_once) for _ in range(5)}) == 1


def test_releasing_what_was_there_before_is_no_credit() -> None:
    held = [torch.ones(100_000)]

    def release_and_allocate() -> Tensor:
        held.clear()
        return torch.empty(10)

    assert peak_allocated_bytes(release_and_allocate) == 40


def test_an_error_of_the_call_comes_through_and_recording_ends() -> None:
    def fail() -> None:
        torch.empty(1000)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        peak_allocated_bytes(fail)
    assert peak_allocated_bytes(one_tensor) == 4000


def test_an_error_of_the_call_is_not_taken_for_a_missing_switch() -> None:
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        peak_allocated_bytes(fail)
    assert calls == 1


@pytest.fixture
def no_private_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch whose private interface does not take the scopes to record."""
    enable = torch._C._autograd._enable_profiler

    def without_scopes(*arguments: Any) -> None:
        if len(arguments) > 2:
            raise TypeError("_enable_profiler() takes 2 arguments")
        enable(*arguments)

    monkeypatch.setattr(torch._C._autograd, "_enable_profiler", without_scopes)


@pytest.mark.usefixtures("no_private_switch")
@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_the_public_profiler_gives_the_same(call: Callable[[], object], expected: int) -> None:
    assert peak_allocated_bytes(call) == expected


@pytest.mark.usefixtures("no_private_switch")
def test_an_error_of_the_call_comes_through_the_public_profiler_too() -> None:
    def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        peak_allocated_bytes(fail)


def test_the_cpu_says_how_its_peak_was_taken() -> None:
    peak = Meter(Cpu()).peak_memory(Arm("one", "forward"), one_tensor)
    assert peak.peak_bytes == 4000
    assert peak.reserved_bytes is None
    assert "allocator events" in peak.memory_method
