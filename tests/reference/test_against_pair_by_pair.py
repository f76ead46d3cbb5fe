"""Both sums of the reference, for every definition, beside one pair after another."""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.reference.reference import compute_reference
from tests.batches import problem as made
from tests.family import (
    EPS,
    LABEL_DISTANCES,
    RATIO_EPS,
    SIMILARITIES,
    VIEWS,
    definition_of,
    pair_by_pair,
)

DEFINITIONS = st.builds(
    definition_of,
    st.sampled_from(SIMILARITIES),
    st.sampled_from(LABEL_DISTANCES),
    st.sampled_from(["drop_row_per_dimension", "drop_row"]),
    st.sampled_from((*EPS, *RATIO_EPS)),
    st.sampled_from(VIEWS),
    st.sampled_from(["never", "when_tied"]),
    st.sampled_from(["keeps_weight", "renormalise"]),
)
SPECS = st.builds(
    made,
    n=st.integers(2, 6),
    d=st.integers(1, 4),
    dims=st.integers(1, 3),
    nan_density=st.sampled_from([0.0, 0.2, 0.6, 1.0]),
    labels=st.sampled_from(["continuous", "tied", "binary"]),
    weights=st.sampled_from(["equal", "unnormalised"]),
    dtype=st.just("float64"),
    temperature=st.sampled_from([0.2, 1.0, 5.0]),
    seed=st.integers(0, 10**6),
)


@given(DEFINITIONS, SPECS)
@settings(deadline=None, derandomize=True, max_examples=120)
def test_every_definition_is_the_sum_over_its_pairs(definition, problem) -> None:
    # Equal distances stay equal in whatever order several dimensions are added up.
    problem = replace(problem, labels=torch.round(problem.labels * 8) / 8)
    leaves = tuple(v.clone().requires_grad_() for v in problem.views_of(definition))
    loss, parts = pair_by_pair(
        definition, leaves, problem.labels, problem.weights, problem.temperature
    )
    gradients = torch.autograd.grad(loss, leaves)
    for method in ("direct", "fast"):
        found = compute_reference(definition, problem, method=method)
        torch.testing.assert_close(found.loss, loss.detach(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(
            found.per_dimension, torch.stack(parts).detach(), rtol=1e-9, atol=1e-12
        )
        for own, right in zip(found.gradients, gradients, strict=True):
            torch.testing.assert_close(own, right, rtol=1e-8, atol=1e-10)
