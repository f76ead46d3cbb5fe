"""Label distances whose order rounding decides, in the tolerances of value and gradient."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.reference.reference import Reference, compute_reference, joint_distances
from supcr_bench.reference.tolerance import bounds_of
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import Definition, get_definition

L1 = get_definition("rank-n-contrast")
L2 = replace(L1, name="by l2", label_distance="l2")
OTHER_ORDER = [2, 0, 3, 1]


def batch_of(seed: int, labels: Tensor) -> Batch:
    workload = Workload(batch_size=len(labels), dims=labels.shape[1], embedding_size=8, seed=seed)
    return replace(make_batch(workload), labels=labels)


def tenths(seed: int) -> Tensor:
    drawn = torch.randint(0, 30, (20, 4), generator=torch.Generator().manual_seed(seed))
    return drawn.float() / 10


def reference_of(definition: Definition, batch: Batch, labels: Tensor) -> Reference:
    return compute_reference(definition, replace(batch, labels=labels, temperature=2.0))


def excess(reference: Reference, other: Reference) -> float:
    """The largest error of the other as a multiple of its tolerance."""
    bounds = bounds_of(reference)
    found = [float(((other.per_dimension - reference.per_dimension).abs() / bounds.parts).max())]
    for own, right, tolerances in zip(
        other.gradients, reference.gradients, bounds.gradients, strict=True
    ):
        found.append(float(((own - right).norm(dim=1) / tolerances).max()))
    return max(found)


@pytest.mark.parametrize("definition", [L1, L2], ids=["l1", "l2"])
def test_another_order_of_summation_stays_within_the_tolerance(definition: Definition) -> None:
    without_near_ties = []
    for seed in range(8):
        batch = batch_of(seed, tenths(seed))
        reference = reference_of(definition, batch, batch.labels)
        other = reference_of(definition, batch, batch.labels[:, OTHER_ORDER])
        assert excess(reference, other) <= 1
        bare = replace(reference, near_ties=((0.0, 0.0),))
        without_near_ties.append(excess(bare, other))
    assert max(without_near_ties) > 10


@pytest.mark.parametrize("definition", [L1, L2], ids=["l1", "l2"])
def test_ties_that_are_exact_in_any_order_widen_no_tolerance(definition: Definition) -> None:
    drawn = torch.randint(0, 4, (20, 4), generator=torch.Generator().manual_seed(0)).float()
    batch = batch_of(0, drawn)
    assert reference_of(definition, batch, drawn).near_ties == ((0.0, 0.0),)


def test_rows_of_the_same_labels_are_rounded_alike() -> None:
    one = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))
    twice = batch_of(1, one.repeat(2, 1))
    assert reference_of(L1, twice, twice.labels).near_ties == ((0.0, 0.0),)


def test_one_dimension_leaves_no_distance_in_doubt() -> None:
    labels = tenths(2)[:, :1]
    difference = (labels.unsqueeze(1) - labels.unsqueeze(0)).abs()
    for kind in ("l1", "l2", "max"):
        assert joint_distances(difference, kind).doubt is None
