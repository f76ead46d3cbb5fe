"""How a loss is called, found from its names, documentation and trial calls."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

import supcr_bench
from supcr_bench.measure.one_case import check_case
from supcr_bench.reference.reference import compute_reference
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.find_call import find_calls
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.definition import RANK_N_CONTRAST, Views
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.result import Status
from tests import batches

CALLS: dict[str, dict[str, Any]] = {
    "SpelledOut": {"call": "features_two_views", "temperature": "temperature"},
    "any_number_of_views": {"call": "features_two_views", "temperature": "temp"},
    "views_first": {"call": "views_first", "temperature": "T"},
    "stacked": {"call": "stacked_views_labels_once", "temperature": "tau"},
    "stacked_with_labels": {"call": "stacked_views", "temperature": "tau"},
    "half_of_rows": {"call": "stacked_views_labels_once"},
    "MappedViews": {
        "call": "mapping_of_views",
        "keys": ("wild", "mutant"),
        "temperature": "init_temperature",
    },
    "mapping_of_rows": {"call": "mapping_of_views", "keys": ("wild", "mutant")},
    "any_mapping": {"call": "mapping_of_views"},
    "listed": {"call": "sequence_of_views"},
    "label_after_each": {"call": "labels_after_each_view"},
    "labels_last": {"call": "labels_after_views"},
    "labels_first": {"call": "features_two_views", "keywords": ("z", "targets")},
    "by_keyword": {
        "call": "perturbed_intact_labels",
        "keywords": ("first_view", "second_view", "labels"),
        "temperature": "temperature",
    },
    "distances": {"call": "features_single_view", "labels": "distances", "one_dimension": True},
    "whole_numbers": {"call": "features_single_view", "integer_labels": True},
    "Options": {"call": "perturbed_intact_labels", "temperature": "tau"},
    "Passing": {"call": "perturbed_intact_labels", "temperature": "tau"},
    "TemperatureInCall": {
        "call": "perturbed_intact_labels",
        "temperature": "temperature",
        "at_call": ("temperature",),
    },
    "Optional": {
        "call": "features_two_views",
        "temperature": "temperature",
        "labels": "column",
        "one_dimension": True,
    },
    "flat": {
        "call": "features_single_view",
        "temperature": "t",
        "labels": "flat",
        "one_dimension": True,
    },
    "scalar_labels": {"call": "features_two_views", "labels": "column", "one_dimension": True},
    "own_weights": {"call": "features_single_view"},
    "Methods.compute": {"call": "features_two_views", "temperature": "temperature"},
    "decorated": {"call": "features_single_view", "temperature": "tau"},
    "DecoratedForward": {"call": "perturbed_intact_labels"},
    "scripted": {"call": "features_single_view", "temperature": "temperature"},
    "logs_first": {"call": "perturbed_intact_labels"},
    "NamedLikeAShape": {"call": "features_single_view"},
    "nested": {"call": "perturbed_intact_labels"},
}


@cache
def adapter(name: str) -> Adapter:
    """A loss of the table with the call that was found, and the definition that it computes."""
    found = subject(name)
    own = find_calls(found)[0]
    call = own.definition.call
    views: Views = "single" if call == "features_single_view" else "concatenate"
    definition = replace(RANK_N_CONTRAST, call=call, views=views)
    return Adapter.of(found, replace(own, definition=definition))


def subject(name: str) -> Implementation:
    return load(locate(f"tests.subjects.calls_table:{name}"))


@pytest.mark.parametrize("name", CALLS)
def test_the_call_of_a_loss_is_found_and_gives_its_numbers(name: str) -> None:
    called = adapter(name)
    own, definition = called.resolution, called.resolution.definition
    usual = {
        "temperature": None,
        "weights": False,
        "eps": False,
        "labels": "columns",
        "one_dimension": False,
        "integer_labels": False,
        "keywords": (),
        "at_call": (),
    }
    expected = usual | CALLS[name]
    assert own.definition.call == expected.pop("call")
    assert {field: getattr(own, field) for field in expected} == expected

    dims = 1 if own.one_dimension else 3
    problem = batches.problem(n=6, d=4, dims=dims, temperature=2.0, labels="tied")
    answer = called.answer(problem)
    reference = compute_reference(definition, problem)
    assert float(answer.loss) == pytest.approx(float(reference.loss), rel=1e-5)
    for own_gradient, right in zip(answer.gradients, reference.gradients, strict=False):
        assert torch.allclose(own_gradient, right, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", CALLS)
def test_a_loss_is_measured_by_its_call(name: str) -> None:
    called = adapter(name)
    workload = Workload(batch_size=6, embedding_size=4, temperature=2.0)
    case = Case.of(workload, "training", called.resolution.definition)
    assert check_case(name, called, case).status is Status.MEASURED


@pytest.mark.parametrize("declared", [True, False])
def test_the_losses_for_training_take_what_their_bases_take(declared: bool) -> None:
    own = Adapter.usual(supcr_bench.SupCRLoss, declared=declared).resolution
    assert (own.temperature, own.weights) == ("temperature", True)
    own = Adapter.usual(supcr_bench.RnCLoss, declared=declared).resolution
    assert (own.temperature, own.weights) == ("temperature", False)
