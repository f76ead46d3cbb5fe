"""Makes the tensors of a workload."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.values.case import Workload
from supcr_bench.values.errors import InputError

TIED_GRID = 0.5
"""Tied labels are continuous ones rounded to multiples of this: nine levels from -2 to 2."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The tensors that one cell's implementations share.

    Attributes:
        perturbed: [N, d] embeddings of the perturbed view; a leaf that requires grad.
        intact: [N, d] embeddings of the intact view; a leaf that requires grad.
        labels: [N, D], NaN where a label is missing.
        weights: [D], one weight per label dimension, equal.
    """

    perturbed: Tensor
    intact: Tensor
    labels: Tensor
    weights: Tensor

    def clear_gradients(self) -> None:
        self.perturbed.grad = None
        self.intact.grad = None

    def copy(self) -> "Batch":
        return Batch(
            self.perturbed.detach().clone().requires_grad_(),
            self.intact.detach().clone().requires_grad_(),
            self.labels.clone(),
            self.weights.clone(),
        )


def nan_count(batch_size: int, nan_density: float) -> int:
    """Missing labels in each dimension: exact, not an average. Halves round to even."""
    return round(batch_size * nan_density)


def make_labels(workload: Workload) -> npt.NDArray[np.float64]:
    """[N, D] labels of a workload that does not bring its own, as float64 with NaN.

    Continuous labels are uniform on [-2, 2), tied ones are those rounded to ``TIED_GRID``.
    """
    n, dims = workload.batch_size, workload.dims
    labels = np.empty((n, dims))
    for c in range(dims):
        column = 4 * Stream("labels", workload.seed, c).uniform(n) - 2
        if workload.labels == "tied":
            column = np.round(column / TIED_GRID) * TIED_GRID
        if workload.nan_density:
            missing = Stream("nan", workload.seed, c).choose(
                nan_count(n, workload.nan_density), of=n
            )
            column[missing] = np.nan
        labels[:, c] = column
    return labels


def draw_rows(table: npt.NDArray[np.float64], workload: Workload) -> npt.NDArray[np.float64]:
    """N different rows of the user's labels, drawn by the seed.

    Raises:
        InputError: the file has fewer rows than the batch.
    """
    if workload.batch_size > len(table):
        raise InputError(
            f"the labels file has {len(table)} rows, fewer than a batch of {workload.batch_size}; "
            f"use --batch-size up to {len(table)}"
        )
    return table[Stream("rows", workload.seed).choose(workload.batch_size, of=len(table))]


def make_batch(workload: Workload, table: npt.NDArray[np.float64] | None = None) -> Batch:
    """The tensors of a workload.

    Everything is drawn on the CPU and then moved, so that a device changes nothing.

    Args:
        workload: what to make.
        table: [rows, D] labels from a file, for a workload whose labels are ``file:...``.
    """
    n, d = workload.batch_size, workload.embedding_size
    dtype = getattr(torch, workload.dtype)
    labels = make_labels(workload) if table is None else draw_rows(table, workload)

    def embedding(view: str) -> Tensor:
        values = Stream(view, workload.seed).bell(n * d).reshape(n, d)
        if workload.embedding_norm is not None:
            # A running sum adds in the same order on every machine, and np.sum does not.
            values *= workload.embedding_norm / np.sqrt(np.cumsum(values**2, axis=1)[:, -1:])
        tensor = torch.from_numpy(values).to(dtype).to(workload.device)
        return tensor.requires_grad_()

    return Batch(
        perturbed=embedding("perturbed"),
        intact=embedding("intact"),
        labels=torch.from_numpy(labels).to(dtype).to(workload.device),
        weights=torch.ones(workload.dims, dtype=dtype, device=workload.device),
    )
