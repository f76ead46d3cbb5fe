"""Deterministic cost: operations launched and elements worked on, counted by dispatch.

These depend on the code and the sizes alone. They are the same on every machine, without noise, so
they show how an implementation grows where a clock cannot.

- An operation is anything that PyTorch dispatches, views included.
- Elements: the larger of what it reads and what it writes. A matrix product of [m, k] and [k, n]
  counts m k n, one multiplication each; a sort of n counts n log2 n; a binary search counts
  log2 n for each value that is looked up. A view works on nothing.
- Bytes: the peak of live storages, of which ``dispatch_memory`` says what it sees and what not.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from supcr_bench.measure.dispatch_memory import StorageTracker, may_allocate


@dataclass(frozen=True, slots=True)
class Work:
    """What a call took, whatever the machine.

    Attributes:
        launches: operations dispatched.
        elements: elements worked on.
        dispatch_peak_bytes: peak of live tensor storage above the inputs, seen at dispatch.
        predicted_cuda_peak_bytes: the same in whole blocks of the CUDA allocator.
    """

    launches: int
    elements: int
    dispatch_peak_bytes: int
    predicted_cuda_peak_bytes: int


_PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::dot", "aten::mv")
_SORTS = ("aten::sort", "aten::argsort", "aten::msort")
_SEARCHES = ("aten::searchsorted", "aten::bucketize")


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _elements(name: str, arguments: tuple[Any, ...], output: Any) -> int:
    read = [t.numel() for t in _tensors(arguments)]
    written = [t.numel() for t in _tensors(output)]
    if name in _PRODUCTS:
        matrices = [t for t in _tensors(arguments) if t.dim() >= 1]
        inner = matrices[-1].shape[-2] if matrices[-1].dim() > 1 else matrices[-1].shape[-1]
        return sum(written) * inner
    if name in _SORTS:
        length = max(next(_tensors(arguments)).shape[-1], 2)
        return math.ceil(read[0] * math.log2(length))
    if name in _SEARCHES:
        length = max(next(_tensors(arguments)).shape[-1], 2)
        return math.ceil(sum(written) * math.log2(length))
    return max([*read, *written], default=0)


class _Counter(TorchDispatchMode):
    """Counts while it is entered, forward and backward alike."""

    def __init__(self, host: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches = self.elements = 0
        self.storages = StorageTracker(host)
        self._traits: dict[Any, tuple[bool, bool]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        del types
        output = func(*args, **(kwargs or {}))
        traits = self._traits.get(func)
        if traits is None:
            traits = self._traits[func] = bool(func.is_view), may_allocate(func)
        is_view, allocates = traits
        self.launches += 1
        if not is_view:
            self.elements += _elements(func._schema.name, args, output)
        if allocates:
            self.storages.add(output, () if is_view else args)
        return output


def count_work(call: Callable[[], object], *, host: bool = True) -> Work:
    """Make a call and count what it takes.

    Args:
        call: what to count.
        host: whether bytes are those of the host, or of the accelerator.
    """
    counter = _Counter(host)
    with counter:
        kept = call()
    del kept  # its release is no part of the call
    return Work(
        launches=counter.launches,
        elements=counter.elements,
        dispatch_peak_bytes=counter.storages.peak_bytes,
        predicted_cuda_peak_bytes=counter.storages.peak_block_bytes,
    )
