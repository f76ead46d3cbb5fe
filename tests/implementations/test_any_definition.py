"""``scan`` and ``tiled`` follow every definition, and are called as people call such losses."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import supcr_bench
from supcr_bench.values.case import Case
from supcr_bench.values.definition import DEFINITIONS, RANK_N_CONTRAST, Definition
from tests.batches import make_leaves
from tests.examples import NAN, implementation
from tests.family import CHOICES, FamilyLoss, definition_of
from tests.implementations.against_reference import WORKLOADS, worst_deviation
from tests.implementations.test_beyond import NEEDS_NUMBA

EACH = pytest.mark.parametrize("name", ["scan", pytest.param("tiled", marks=NEEDS_NUMBA)])


def factory_of(name: str, definition: Definition) -> Callable[..., Any]:
    factory = partial(implementation(name).factory, definition=definition)
    joint = definition.label_distance != "per_dimension"
    return partial(factory, weights=None) if joint else factory


@EACH
@given(choice=st.sampled_from(CHOICES), workload=WORKLOADS)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_value_and_gradient_are_the_definitions(
    name: str, choice: tuple[Any, ...], workload: Case
) -> None:
    definition = definition_of(*choice)
    if definition.nan_labels == "unsupported":
        workload = replace(workload, nan_density=0.0)
    assert worst_deviation(factory_of(name, definition), workload, definition) <= 1


@EACH
@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize("labels", ["continuous", "tied"])
def test_larger_batches_are_right_too(name: str, dims: int, labels: str) -> None:
    workload = Case(batch_size=203, dims=dims, labels=labels, embedding_size=8, temperature=2.0)
    factory = factory_of(name, RANK_N_CONTRAST)
    assert worst_deviation(factory, workload, RANK_N_CONTRAST) <= 1


@EACH
@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.02, 0.005])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_temperature_is_too_low(name: str, temperature: float, dtype: str) -> None:
    workload = Case(batch_size=17, dtype=dtype, temperature=temperature, labels="tied")
    factory = factory_of(name, RANK_N_CONTRAST)
    assert worst_deviation(factory, workload, RANK_N_CONTRAST) <= 1


@EACH
@pytest.mark.parametrize("similarity", ["negative_euclidean", "negative_euclidean_normalised"])
def test_equal_rows_get_the_gradient_that_the_norm_gives(name: str, similarity: Any) -> None:
    definition = replace(RANK_N_CONTRAST, similarity=similarity)
    batch = make_leaves(Case(batch_size=9, embedding_size=5))
    right = FamilyLoss(replace(definition, temperature=2.0))
    gradients = []
    for loss in (implementation(name).factory(definition=definition), right):
        features = torch.stack((batch.first, batch.second), dim=1).detach()
        features[3] = features[1]
        features[5:] = features[5, 0]
        features.requires_grad_()
        loss(features, batch.labels).backward()
        assert features.grad is not None
        gradients.append(features.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    collapsed = torch.ones(6, 2, 4, requires_grad=True)
    loss = implementation(name).factory(definition=definition)(collapsed, batch.labels[:6])
    loss.backward()
    assert torch.isfinite(loss)
    assert collapsed.grad is not None
    assert not collapsed.grad.any()


@EACH
@given(choice=st.sampled_from(CHOICES), seed=st.integers(0, 99))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_a_learned_temperature_gets_its_gradient(
    name: str, choice: tuple[Any, ...], seed: int
) -> None:
    definition = definition_of(*choice)
    batch = make_leaves(Case(batch_size=11, dims=2, dtype="float64", seed=seed, embedding_size=4))
    views = (batch.first, batch.second)[: 1 if definition.views == "single" else 2]
    found: list[Tensor] = []
    for loss in (implementation(name).factory, cast(Any, FamilyLoss)):
        tau = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
        out = loss(definition=definition, temperature=tau)(*views, batch.labels)
        total = out if isinstance(out, Tensor) else out[0]
        found += torch.autograd.grad(total, tau)
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-8)


def test_a_parameter_for_a_temperature_is_trained() -> None:
    tau = torch.nn.Parameter(torch.tensor(2.0))
    module = supcr_bench.RnCLoss(tau)
    assert list(module.parameters()) == [tau]
    batch = make_leaves(Case(batch_size=8))
    module(batch.first, batch.second, batch.labels).backward()
    assert tau.grad is not None
    with torch.no_grad():
        tau.fill_(0)
    with pytest.raises(ValueError, match="positive and finite, got 0"):
        module(batch.first, batch.second, batch.labels)


def test_it_is_called_as_people_call_it() -> None:
    batch = make_leaves(Case(batch_size=10))
    first, second, y = batch.first.detach(), batch.second.detach(), batch.labels
    loss = supcr_bench.RnCLoss(temperature=2, label_diff="l1", feature_sim="l2")
    features = torch.stack((first, second), dim=1)
    right = implementation("rnc-loop").factory()(features, y)
    for call in (
        (features, y),
        (features, y[:, 0]),
        (first, second, y),
        (torch.cat((first, second)), y),
    ):
        torch.testing.assert_close(loss(*call), right)
    torch.testing.assert_close(loss(features, labels=y), right)
    alone = FamilyLoss(replace(RANK_N_CONTRAST, views="single"))(first, y)
    torch.testing.assert_close(loss(first, y), alone)
    torch.testing.assert_close(loss(features[:, :1], y), alone)
    several = torch.cat((y, -2 * y, y.square()), dim=1)
    right = implementation("rnc-loop").factory()(features, several)
    torch.testing.assert_close(loss(features, several), right)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"label_diff": "l3"}, "label_diff must be l1"), ({"feature_sim": "l1"}, "feature_sim must")],
)
def test_names_without_a_meaning_are_refused(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        supcr_bench.RnCLoss(**arguments)


def test_two_views_are_too_many_for_a_definition_of_one() -> None:
    definition = replace(RANK_N_CONTRAST, views="single")
    batch = make_leaves(Case(batch_size=4))
    with pytest.raises(ValueError, match="takes one view"):
        supcr_bench.SupCRLoss(definition=definition)(batch.first, batch.second, batch.labels)


@EACH
def test_rows_without_all_labels_are_left_out_of_a_joint_distance(name: str) -> None:
    batch = make_leaves(Case(batch_size=12, dims=2))
    labels = batch.labels.clone()
    labels[3, 1] = labels[7, 0] = NAN
    module = implementation(name).factory(definition="rank-n-contrast")
    kept = [i for i in range(12) if i not in (3, 7)]
    loss = module(batch.first, batch.second, labels)
    right = module(batch.first[kept], batch.second[kept], labels[kept])
    torch.testing.assert_close(loss, right)


@pytest.mark.parametrize("name", list(DEFINITIONS))
def test_the_shipped_definitions_are_those_of_the_package(name: str) -> None:
    """The file of torch alone has its own copy."""
    scan = implementation("scan").factory
    own, other = scan(definition=name).choices, scan(definition=DEFINITIONS[name]).choices
    unsupported = name == "rank-n-contrast"  # it drops rows where the definition says nothing
    assert own._replace(nan_labels="") == other._replace(nan_labels="")
    assert (own.nan_labels == other.nan_labels) != unsupported


def test_weights_are_refused_where_there_is_one_loss() -> None:
    with pytest.raises(ValueError, match="weights have no meaning"):
        supcr_bench.SupCRLoss(weights=torch.ones(2), definition="rank-n-contrast")
