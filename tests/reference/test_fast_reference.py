from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.reference.reference import DIRECT_UP_TO, Method, Reference, compute_reference
from supcr_bench.values.case import Case
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST, TORCHCELL, Definition

CLOSE = 1e-10
"""Both ways work in float64 and differ in the order of their sums only."""
NOTHING = 1e-11
"""A gradient that is 0 but for rounding, as of cosines between vectors of one element."""
FLOORED_NO_SELF = replace(NO_SELF, name="no-self with a floor", eps=1e-7)
UNFLOORED = replace(TORCHCELL, name="torchcell without a floor", eps=None)
FAMILY = (TORCHCELL, NO_SELF, FLOORED_NO_SELF, UNFLOORED)


def both(definition: Definition, batch: Batch) -> tuple[Reference, Reference]:
    batch = replace(batch, weights=torch.arange(1.0, batch.labels.shape[1] + 1))

    def by(method: Method) -> Reference:
        return compute_reference(definition, batch, method=method)

    return by("direct"), by("fast")


def assert_same(direct: Reference, fast: Reference) -> None:
    assert (direct.method, fast.method) == ("direct", "fast")
    assert torch.isfinite(fast.loss)
    torch.testing.assert_close(fast.loss, direct.loss, rtol=CLOSE, atol=0)
    torch.testing.assert_close(fast.per_dimension, direct.per_dimension, rtol=CLOSE, atol=0)
    largest = max(float(g.abs().max()) for g in direct.gradients)
    for own, right in zip(fast.gradients, direct.gradients, strict=True):
        assert float((own - right).abs().max()) <= CLOSE * largest + NOTHING
    assert fast.valid_rows == direct.valid_rows
    assert fast.near_floor == direct.near_floor


WORKLOADS = st.builds(
    Case,
    batch_size=st.integers(2, 24),
    nan_density=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
    dims=st.integers(1, 3),
    embedding_size=st.sampled_from([1, 2, 5, 32]),
    dtype=st.sampled_from(["float32", "float64"]),
    temperature=st.sampled_from([1.0, 0.1, 0.06, 0.02, 0.005]),
    labels=st.sampled_from(["continuous", "tied"]),
    seed=st.integers(0, 10**6),
)


@given(WORKLOADS, st.sampled_from(FAMILY))
@settings(deadline=None, derandomize=True, max_examples=90)
def test_the_fast_reference_is_the_direct_one(workload: Case, definition: Definition) -> None:
    batch = make_batch(workload)
    assert_same(*both(definition, batch))


@given(WORKLOADS)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_they_agree_on_concatenated_views_and_distances_over_dimensions(
    workload: Case,
) -> None:
    batch = make_batch(replace(workload, nan_density=0.0))
    definition = RANK_N_CONTRAST
    if workload.seed % 2:
        definition = replace(definition, label_distance="l2")
    assert_same(*both(definition, batch))


@pytest.mark.parametrize("definition", FAMILY, ids=lambda d: d.name)
@pytest.mark.parametrize("tau", [1.0, 0.05])
def test_they_agree_where_all_labels_tie(definition: Definition, tau: float) -> None:
    batch = make_batch(Case(batch_size=9, temperature=tau))
    tied = replace(batch, labels=torch.full((9, 1), 0.25))
    assert_same(*both(definition, tied))


@pytest.mark.parametrize("definition", FAMILY, ids=lambda d: d.name)
@pytest.mark.parametrize("valid", [0, 1, 2, 3])
def test_they_agree_on_few_valid_rows(definition: Definition, valid: int) -> None:
    batch = make_batch(Case(batch_size=6))
    batch.labels[valid:] = torch.nan
    direct, fast = both(definition, batch)
    assert_same(direct, fast)
    assert direct.valid_rows == (valid,)
    if valid < 2:
        assert float(fast.loss) == 0
        assert all(not g.any() for g in fast.gradients)


def test_they_agree_on_more_anchors_than_a_block_holds() -> None:
    batch = make_batch(Case(batch_size=150, labels="tied", nan_density=0.05, embedding_size=8))
    assert_same(*both(NO_SELF, batch))


def test_the_method_follows_from_the_batch_size() -> None:
    for n, method in ((DIRECT_UP_TO, "direct"), (DIRECT_UP_TO + 1, "fast")):
        batch = make_batch(Case(batch_size=n, embedding_size=2, nan_density=0.98))
        assert compute_reference(TORCHCELL, batch).method == method
