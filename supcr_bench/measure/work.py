"""Deterministic cost: dispatched operations, the elements that they process, live bytes.

The counts depend on the code and the sizes alone. They are the same on every machine, so they show
how an implementation grows where a clock cannot.

- Operations: everything that PyTorch dispatches, including views.
- Elements: for each operation, the larger of the elements read and written. A matrix product of [m,
  k] and [k, n] counts its m k n multiplications, and the distances of m points from n points in k
  dimensions count as much; a sort of n counts n log2 n; a binary search among n counts log2 n for
  each value. A view counts 0.
- Bytes: the peak of live storages, a second counter beside the allocator's. The counter follows
  each storage from the operation that creates it to its release. Views share a storage, which
  counts once; storages from before the call do not count.

On the CPU, with ``loopy``, ``rowsort`` and ``broadcast`` at batch sizes N = 32 to 256, the bytes
miss what an operation allocates within itself (under 0.2 %, up to 1.8 % for ``loopy``) and 8 bytes
for each Python number that autograd keeps as a tensor. In training they count up to a gradient too
much (0.5 % to 6 % for ``rowsort``), because autograd under a dispatch mode adds no gradients in
place. A storage that grows in place keeps its first size, and sparse tensors are left out.

With sizes rounded up to 512 bytes, the peak predicts that of the CUDA allocator. Counted on a CPU
or on the GPU, it is within 1 % of that of an H200 (``results/gpu``), but for training with
``rowsort``, of which it counts up to 6 % too much there too. A CUDA kernel, such as a sort, may
also need a workspace that the CPU's does not, and a block above 1 MiB may be up to 1 MiB larger
than requested.
"""

import math
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

CUDA_BLOCK_BYTES = 512
"""PyTorch's caching allocator for CUDA gives out multiples of this."""


class _Life(weakref.ref[torch.UntypedStorage]):
    """A weak reference to a storage, with the storage's size."""

    __slots__ = ("key", "size_bytes")
    key: int
    size_bytes: int


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors among an operation's arguments or results, in lists and tuples too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def _storage_key(tensor: Tensor) -> int | None:
    """The address of a tensor's storage, unique while the storage lives."""
    try:
        key: int = tensor.untyped_storage()._cdata
    except NotImplementedError:  # sparse
        return None
    return key


def in_blocks(size_bytes: int) -> int:
    return -(-size_bytes // CUDA_BLOCK_BYTES) * CUDA_BLOCK_BYTES


class StorageTracker:
    """Counts the bytes of live new storages, on the host or the accelerator, also in blocks."""

    def __init__(self, host: bool = True) -> None:
        self._host = host
        self._lives: dict[int, _Life] = {}
        self._bytes = self._block_bytes = 0
        self.peak_bytes = self.peak_block_bytes = 0

    def add(self, output: Any, arguments: tuple[Any, ...]) -> None:
        """Count the storages of returned tensors, unless they belong to arguments."""
        for tensor in (output,) if isinstance(output, Tensor) else tensors_in(output):
            self._add(tensor, arguments)

    def _add(self, tensor: Tensor, arguments: tuple[Any, ...]) -> None:
        key = _storage_key(tensor)
        if key is None or key in self._lives or tensor.is_cpu is not self._host:
            return
        for argument in arguments:
            if isinstance(argument, Tensor) and _storage_key(argument) == key:
                return
        storage = tensor.untyped_storage()
        life = self._lives[key] = _Life(storage, self._release)
        life.key = key
        life.size_bytes = size = storage.nbytes()
        self._bytes += size
        self._block_bytes += in_blocks(size)
        self.peak_bytes = max(self.peak_bytes, self._bytes)
        self.peak_block_bytes = max(self.peak_block_bytes, self._block_bytes)

    def _release(self, life: _Life) -> None:
        del self._lives[life.key]
        self._bytes -= life.size_bytes
        self._block_bytes -= in_blocks(life.size_bytes)


@dataclass(frozen=True, slots=True)
class Work:
    """The counted cost of a call, which is the same on every machine."""

    dispatched_ops: int
    elements_processed: int
    dispatch_peak_bytes: int
    predicted_cuda_peak_bytes: int


_PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::dot", "aten::mv")
_SORTS = ("aten::sort", "aten::argsort", "aten::msort", "aten::topk")
_DISTANCES = {"aten::_cdist_forward": 0, "aten::_cdist_backward": 1}
"""Index of the first of the two sets of points among an operation's tensors."""
_SPECIAL = {*_PRODUCTS, *_SORTS, *_DISTANCES, "aten::searchsorted", "aten::bucketize"}


def _length(tensor: Tensor, dim: int = -1) -> int:
    """The length of one dimension, at least 2, so that its logarithm is at least 1."""
    return max(tensor.shape[dim], 2) if tensor.dim() else 2


def _special_elements(
    name: str, schema: Any, arguments: tuple[Any, ...], named: dict[str, Any], output: Any
) -> int:
    taken = {d.name: own for d, own in zip(schema.arguments, arguments, strict=False)} | named
    given = list(tensors_in(arguments))
    written = sum(t.numel() for t in tensors_in(output))
    if name in _PRODUCTS:
        matrices = [t for t in given if t.dim() >= 1]
        inner = matrices[-1].shape[-2] if matrices[-1].dim() > 1 else matrices[-1].shape[-1]
        return written * inner
    if name in _SORTS:
        dim = 0 if name == "aten::msort" else taken.get("dim", -1)
        return math.ceil(given[0].numel() * math.log2(_length(given[0], dim)))
    if name == "aten::searchsorted":
        return math.ceil(written * math.log2(_length(given[0])))
    if name == "aten::bucketize":
        return math.ceil(written * math.log2(_length(taken["boundaries"])))
    one, other = given[_DISTANCES[name] : _DISTANCES[name] + 2]
    return one.numel() * other.shape[-2]


class _Counter(TorchDispatchMode):
    """Counts operations within its ``with`` block, in forward and backward."""

    def __init__(self, host: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dispatched_ops = self.elements_processed = 0
        self.storages = StorageTracker(host)
        self._traits: dict[Any, tuple[bool, bool, str, bool]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from importing its compiler, which takes a second."""
        return False

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        traits = self._traits.get(func)
        if traits is None:
            schema = func._schema
            name = schema.name.removesuffix("_")  # the in-place variant costs the same
            special = name if name in _SPECIAL else ""
            declared = (*schema.arguments, *schema.returns)
            listed = any("List[" in str(d.type) and "Tensor" in str(d.type) for d in declared)
            # The schema says which results share an argument's storage; the others have new ones.
            # Only lift_fresh is declared a view of what is new: Python made it from numbers.
            fresh = name == "aten::lift_fresh"
            allocates = fresh or any(r.alias_info is None for r in schema.returns)
            traits = self._traits[func] = bool(func.is_view), allocates, special, listed
        is_view, allocates, special, listed = traits
        self.dispatched_ops += 1
        if special:
            found = _special_elements(special, func._schema, args, kwargs or {}, output)
            self.elements_processed += found
        elif not is_view:
            values = (*args, *output) if isinstance(output, tuple) else (*args, output)
            tensors = tensors_in(values) if listed else values
            sizes = [t.numel() for t in tensors if isinstance(t, Tensor)]
            self.elements_processed += max(sizes, default=0)
        if allocates:
            self.storages.add(output, () if is_view else args)
        return output


class _UncompiledCounter(_Counter):  # type: ignore[no-untyped-call]
    """Counts calls that torch may compile in part: there, it would compile the counter, too."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True

    # torch keeps its compiler away only from a method that the class itself defines.
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return super().__torch_dispatch__(func, types, args, kwargs)


def count_work(call: Callable[[], object], *, host: bool = True) -> Work:
    """Make a call and count its operations, elements and bytes, on the host or the accelerator."""
    counter = (_UncompiledCounter if "torch._dynamo" in sys.modules else _Counter)(host)
    with counter:
        kept = call()
    del kept  # released after the call
    return Work(
        dispatched_ops=counter.dispatched_ops,
        elements_processed=counter.elements_processed,
        dispatch_peak_bytes=counter.storages.peak_bytes,
        predicted_cuda_peak_bytes=counter.storages.peak_block_bytes,
    )
