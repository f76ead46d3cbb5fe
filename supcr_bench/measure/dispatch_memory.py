"""Peak of live tensor bytes as dispatch sees it: a second counter beside the allocator's.

It follows each storage from the operation that creates it to its release, forward and backward,
so it needs no allocator that keeps statistics and gives the same figure on every machine. Views
share a storage, which counts once; storages from before the call do not count.

It sees only the tensors that operations return. Where it differs from the allocator's figure,
measured on the CPU with the note's three implementations, D = 1 and 2, N = 32 to 256 (``loopy`` to
128), and why:

- *Below it* by what an operation allocates within itself. Indexing by a mask makes 8 bytes of
  positions a row; summing a boolean [N, N] makes a copy of 8 N^2 bytes. That is less than 0.2 %
  for ``broadcast`` and ``rowsort``, and 0.2 % to 1.8 % for ``loopy``, whose last sum is of such a
  matrix.
- *Below it* by 8 bytes for each Python number that autograd keeps as a tensor: Python's side makes
  those, not an operation. With an accelerator they are on the host.
- *Above it* in training, by as much as a gradient: while dispatch is watched, autograd adds
  gradients that meet into a new tensor, where it otherwise may add in place. ``rowsort`` is 0.5 %
  to 6 % above. The allocator's own events show the same when they are recorded under the same
  watch, and with both watching it is never above.

In blocks of 512 bytes it predicts the figure of the CUDA allocator. That has not been checked on a
GPU yet. In addition, a CUDA kernel, such as a sort, may need a workspace that the CPU's does not,
and a block above 1 MiB may be up to 1 MiB larger than what was asked of it.

A storage that grows in place (``resize_``, or ``out=`` given a tensor that is too small) keeps the
size it began with, and sparse tensors are left out.
"""

import weakref
from typing import Any

import torch
from torch import Tensor

CUDA_BLOCK_BYTES = 512
"""PyTorch's caching allocator for CUDA gives out multiples of this."""


class _Life(weakref.ref[torch.UntypedStorage]):
    """Lives as long as a storage, and holds its size."""

    __slots__ = ("key", "size_bytes")
    key: int
    size_bytes: int


def may_allocate(operation: Any) -> bool:
    """Whether an operation may return a storage that was not there before.

    Its schema declares which returned tensors share an argument's storage; others are new. Only
    ``lift_fresh`` is declared a view although its storage is new: Python made it from numbers.
    """
    schema = operation._schema
    return schema.name == "aten::lift_fresh" or any(r.alias_info is None for r in schema.returns)


def _storage_key(tensor: Tensor) -> int | None:
    """The address of a tensor's storage, which is its own as long as it lives."""
    try:
        key: int = tensor.untyped_storage()._cdata
    except NotImplementedError:  # sparse
        return None
    return key


def in_blocks(size_bytes: int) -> int:
    """A size in whole blocks of ``CUDA_BLOCK_BYTES``."""
    return -(-size_bytes // CUDA_BLOCK_BYTES) * CUDA_BLOCK_BYTES


class StorageTracker:
    """Counts the live bytes of storages that operations create.

    Args:
        host: whether storages of the host are counted, or those of the accelerator.

    Attributes:
        peak_bytes: the most that were live at once.
        peak_block_bytes: the same with each storage in whole blocks of ``CUDA_BLOCK_BYTES``.
    """

    def __init__(self, host: bool = True) -> None:
        self._host = host
        self._lives: dict[int, _Life] = {}
        self._bytes = self._block_bytes = 0
        self.peak_bytes = self.peak_block_bytes = 0

    def add(self, output: Any, arguments: tuple[Any, ...]) -> None:
        """Count the storage of a returned tensor, unless it is an argument's."""
        if isinstance(output, Tensor):
            self._add(output, arguments)
        elif isinstance(output, list | tuple):
            for item in output:
                self.add(item, arguments)

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
