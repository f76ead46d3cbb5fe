"""Turns an exception from an implementation into the status and reason of its result."""

import re

import torch

from supcr_bench.values.result import Status
from supcr_bench.values.units import format_bytes, format_limit_bytes, parse_bytes

_OUT_OF_MEMORY_TEXTS = (
    "can't allocate memory",  # DefaultCPUAllocator on Linux and macOS
    "not enough memory",  # DefaultCPUAllocator on Windows
    "out of memory",  # CUDA, XPU, MPS
    "std::bad_alloc",
    "resource temporarily unavailable",  # no memory for a thread's stack
    "cannot allocate memory",
)
NO_GRAPH = "backward of a loss without a graph, such as a constant torch.tensor(0.0)"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; PyTorch's CPU allocator says so only in the message."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(t in text for t in _OUT_OF_MEMORY_TEXTS)


def describe_error(error: BaseException) -> str:
    text = str(error)
    if text.startswith("CUDA error"):  # advice follows
        text = text.partition("\n")[0]
    text = " ".join(text.split())
    if has_no_graph(error):
        text = NO_GRAPH
    if len(text) > 300:
        text = text[:297] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def has_no_graph(error: BaseException) -> bool:
    """Whether backward raised for a loss that depends on no input."""
    return re.search(r"element \d+ of tensors does not require grad", str(error)) is not None


def outcome_of(error: BaseException, memory_limit_bytes: float | None = None) -> tuple[Status, str]:
    """The status and reason; the reason names the limit under which memory ran out."""
    if is_out_of_memory(error):
        asked = re.search(r"[Tt]ried to allocate ([1-9][\d.]*) (?:bytes|([KMG]iB))", str(error))
        if not asked:
            return Status.OUT_OF_MEMORY, describe_error(error)
        size = format_bytes(parse_bytes(asked[1] + (asked[2] or "")))
        reason = f"an allocation of {size} failed"
        if memory_limit_bytes is not None:
            reason += f" under the limit of {format_limit_bytes(memory_limit_bytes)}"
        return Status.OUT_OF_MEMORY, reason
    return Status.FAILED, describe_error(error)
