import pytest
import torch

from supcr_bench.measure.outcome import describe_error, is_out_of_memory, outcome_of
from supcr_bench.values.result import Status


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("Cannot allocate memory"),
    ],
)
def test_every_way_to_run_out_of_memory_is_told(error: BaseException) -> None:
    assert is_out_of_memory(error)
    assert outcome_of(error)[0] is Status.OUT_OF_MEMORY


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("The size of tensor a (3) must match the size of tensor b (2)"),
        ValueError("out of memory"),
        IndexError("index 8 is out of bounds"),
        KeyError("x"),
    ],
)
def test_anything_else_is_a_failure_with_its_reason(error: BaseException) -> None:
    assert not is_out_of_memory(error)
    assert outcome_of(error) == (Status.FAILED, describe_error(error))


def test_the_cpu_allocator_of_this_torch_is_told() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("can't allocate memory: you tried to allocate 136908048 bytes. Error 12", "137 MB"),
        ("CUDA out of memory. Tried to allocate 4.00 GiB. GPU 0 has a total capacity", "4.29 GB"),
    ],
)
def test_the_size_that_was_asked_for_is_told_where_the_allocator_tells_it(
    text: str, size: str
) -> None:
    error = RuntimeError(text)
    reason = f"an allocation of {size} failed"
    assert outcome_of(error) == (Status.OUT_OF_MEMORY, reason)
    limited = f"{reason} under the limit of 1 GiB"
    assert outcome_of(error, 2.0**30) == (Status.OUT_OF_MEMORY, limited)


def test_the_advice_that_follows_a_cuda_error_is_left_out() -> None:
    error = RuntimeError("CUDA error: device-side assert triggered\nSearch for `cudaErrorAssert'")
    assert describe_error(error) == "RuntimeError: CUDA error: device-side assert triggered"


def test_an_error_is_described_in_one_line() -> None:
    assert describe_error(ValueError("two\n  lines\there")) == "ValueError: two lines here"
    assert describe_error(ValueError()) == "ValueError"


def test_a_long_error_is_cut() -> None:
    text = describe_error(ValueError("x" * 1000))
    assert text.endswith("...")
    assert len(text) == len("ValueError: ") + 300
