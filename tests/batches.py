"""Batches by a line each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch, WeightKind, make_batch, make_problem
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import loss_of
from supcr_bench.values.case import Workload

Wanted = tuple[Workload, WeightKind]


def wanted(
    n: int, d: int = 8, weights: WeightKind = "equal", temperature: float = 0.1, **axes: Any
) -> Wanted:
    """What a batch of verification is made of, by its rows and columns."""
    return Workload(batch_size=n, embedding_size=d, temperature=temperature, **axes), weights


def problem(n: int, d: int = 8, **how: Any) -> Batch:
    return make_problem(*wanted(n, d, **how))


def batch_of(
    views: Sequence[Tensor],
    labels: Tensor,
    weights: Tensor | None = None,
    temperature: float | None = None,
) -> Batch:
    """A batch of one view or two, and of labels [N] or [N, D]."""
    labels = labels.unsqueeze(1) if labels.ndim == 1 else labels
    weights = torch.ones(labels.shape[1]) if weights is None else weights
    return Batch(views[0], views[-1], labels, weights, temperature)


def make_leaves(workload: Workload) -> Batch:
    """The batch of a workload, whose views collect gradients."""
    batch = make_batch(workload)
    return replace(batch, first=batch.first.requires_grad_(), second=batch.second.requires_grad_())


def clear_gradients(batch: Batch) -> None:
    batch.first.grad = batch.second.grad = None


def loss_dtype(subject: Adapter, batch: Batch) -> torch.dtype:
    """The dtype of the loss that a subject returns for a batch."""
    definition = subject.resolution.definition.at(batch.temperature)
    return loss_of(subject.call(subject.build(definition, batch.weights), *batch.copies())).dtype
