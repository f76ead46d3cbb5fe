"""What people train with today under ``rank-n-contrast``: right above its underflow."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.values.case import Case
from supcr_bench.values.definition import RANK_N_CONTRAST
from tests.batches import make_leaves
from tests.examples import implementation
from tests.implementations.against_reference import WORKLOADS, worst_deviation

NAMES = ("rnc-loop", "rnc-broadcast")


@pytest.mark.parametrize("name", NAMES)
@given(
    workload=WORKLOADS.filter(lambda w: w.nan_density == 0 and w.batch_size <= 30),
    temperature=st.sampled_from([0.5, 2.0, 4.0]),
)
@settings(deadline=None, derandomize=True, max_examples=20)
def test_value_and_gradient_are_the_definitions(
    name: str, workload: Case, temperature: float
) -> None:
    workload = replace(workload, temperature=temperature)
    assert worst_deviation(implementation(name).factory, workload, RANK_N_CONTRAST) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_at_a_low_temperature_candidates_underflow(name: str) -> None:
    batch = make_leaves(Case(batch_size=16))
    features = torch.stack((batch.first, batch.second), dim=1)
    assert not torch.isfinite(implementation(name).factory(0.01)(features, batch.labels))


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_no_temperature_that_means_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="positive and finite, got 0"):
        implementation(name).factory(0)
