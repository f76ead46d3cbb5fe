"""An implementation's answer in units of the derived tolerances."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.compare import scale_up
from supcr_bench.reference.reference import compute_reference
from supcr_bench.reference.tolerance import bounds_of
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import unpack
from supcr_bench.values.case import Case
from supcr_bench.values.definition import Definition
from tests.batches import clear_gradients, make_leaves

Factory = Callable[..., Any]

WORKLOADS = st.builds(
    Case,
    batch_size=st.integers(2, 70),
    nan_density=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
    dims=st.integers(1, 3),
    embedding_size=st.sampled_from([1, 2, 5, 32]),
    dtype=st.sampled_from(["float32", "float64"]),
    temperature=st.sampled_from([1.0, 0.1, 0.05, 0.02, 0.01, 0.005]),
    labels=st.sampled_from(["continuous", "tied"]),
    seed=st.integers(0, 10**6),
)


def worst_deviation(
    factory: Factory,
    workload: Case,
    definition: Definition,
    upstream: Tensor | None = None,
    batch: Batch | None = None,
) -> float:
    """Of the loss, its parts and both gradients, in tolerances; above 1 is wrong.

    Args:
        factory: of the implementation.
        workload: gives the tensors.
        definition: what it is held against.
        upstream: [1 + D] gradient arriving at the loss and its parts; at the loss alone by default.
        batch: tensors to take instead of the workload's own.
    """
    batch = batch or make_leaves(workload)
    weights = torch.arange(1.0, workload.dims + 1).to(batch.weights)
    batch = replace(batch, weights=weights, temperature=workload.temperature)
    adapter = Adapter.usual(factory, definition)
    module = adapter.build(replace(definition, temperature=workload.temperature), weights)
    clear_gradients(batch)
    views = batch.views_of(definition)
    loss, parts = unpack(adapter.call(module, views[0], views[-1], batch.labels), workload.dims)
    scale_up(loss, parts, upstream).backward()  # type: ignore[no-untyped-call]
    reference = compute_reference(definition, batch, upstream=upstream)
    bounds = bounds_of(reference)
    ratios = [_in_tolerances(loss.detach().double() - reference.loss, torch.tensor(bounds.loss))]
    if definition.label_distance == "per_dimension":
        assert parts is not None
        ratios.append(
            _in_tolerances(parts.detach().double() - reference.per_dimension, bounds.parts)
        )
    for view, right, bound in zip(views, reference.gradients, bounds.gradients, strict=True):
        assert view.grad is not None
        difference = (view.grad.double() - right).norm(dim=1)
        ratios.append(_in_tolerances(difference, bound))
    return float(torch.stack(ratios).max())


def _in_tolerances(difference: Tensor, bound: Tensor) -> Tensor:
    return torch.where(difference == 0, 0.0, difference.abs() / bound).max()
