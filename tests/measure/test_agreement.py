from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.agreement import errors_of, pair_differences
from supcr_bench.reference.compare import Answer
from supcr_bench.reference.reference import Reference, compute_reference
from supcr_bench.values.case import Case
from supcr_bench.values.definition import TORCHCELL

WORKLOAD = Case(batch_size=8, dims=2)


@pytest.fixture
def batch() -> Batch:
    return make_batch(WORKLOAD)


@pytest.fixture
def reference(batch: Batch) -> Reference:
    return compute_reference(TORCHCELL, batch)


def right(reference: Reference) -> Answer:
    """The definition's own answer."""
    one, two = (g.clone() for g in reference.gradients)
    return Answer(reference.loss.clone(), reference.per_dimension.clone(), (one, two))


def test_the_definitions_own_answer_deviates_by_nothing(reference: Reference) -> None:
    errors, finding = errors_of(right(reference), reference)
    assert finding is None
    assert set(errors.values()) == {0.0}


@pytest.mark.parametrize(
    ("field", "index", "name"),
    [
        ("loss", (), "the loss"),
        ("parts", 0, "the loss of dimension 0"),
        ("parts", 1, "the loss of dimension 1"),
    ],
)
def test_a_wrong_value_is_found_and_named(
    reference: Reference, field: str, index: Any, name: str
) -> None:
    answer = right(reference)
    getattr(answer, field)[index] *= 1.01
    errors, finding = errors_of(answer, reference)
    assert errors["value_error"] == pytest.approx(0.01)
    assert errors["value_tolerances"] is not None
    assert errors["value_tolerances"] > 1
    assert finding is not None
    assert finding.startswith(f"{name} is ")
    assert "where torchcell gives" in finding


def test_a_value_off_by_rounding_is_no_finding(reference: Reference) -> None:
    answer = replace(right(reference), loss=reference.loss * (1 + 2**-24))
    errors, finding = errors_of(answer, reference)
    assert finding is None
    assert errors["value_tolerances"] is not None
    assert 0 < errors["value_tolerances"] < 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_is_wrong_without_a_number(
    reference: Reference, bad: float
) -> None:
    for name, answer in (
        ("the loss", replace(right(reference), loss=torch.tensor(bad, dtype=torch.float64))),
        (
            "the loss of dimension 1",
            replace(right(reference), parts=torch.tensor([1.0, bad], dtype=torch.float64)),
        ),
    ):
        errors, finding = errors_of(answer, reference)
        assert errors["value_error"] is None
        assert errors["value_tolerances"] is None
        assert finding is not None
        assert finding.startswith(f"{name} is {bad:g} where torchcell gives")


def test_an_error_relative_to_zero_is_none_and_still_found() -> None:
    """No valid pair: the definition gives 0, and any other value is wrong."""
    batch = make_batch(Case(batch_size=4))
    unlabelled = replace(batch, labels=torch.full((4, 1), torch.nan))
    reference = compute_reference(TORCHCELL, unlabelled)
    zero = torch.zeros(1, dtype=torch.float64)
    nothing = {"value_error": 0.0, "value_tolerances": 0.0}
    assert errors_of(Answer(zero[0], zero), reference) == (nothing, None)
    errors, finding = errors_of(Answer(zero[0], zero + 1), reference)
    assert errors["value_error"] is None
    assert finding == "the loss of dimension 0 is 1 where torchcell gives 0"


@pytest.mark.parametrize("view", [0, 1])
def test_a_wrong_row_of_a_gradient_is_found_in_either_view(reference: Reference, view: int) -> None:
    answer = right(reference)
    answer.gradients[view][3] *= 1.1
    errors, finding = errors_of(answer, reference)
    largest = max(float(g.norm(dim=1).max()) for g in reference.gradients)
    off = 0.1 * float(reference.gradients[view][3].norm())
    assert errors["gradient_error"] == pytest.approx(off / largest)
    assert finding is not None
    assert finding.startswith(f"the {('first', 'second')[view]} view's gradient is off by")


def test_a_gradient_that_is_not_finite_says_in_how_many_rows(reference: Reference) -> None:
    answer = right(reference)
    answer.gradients[1][2, 5] = torch.nan
    answer.gradients[1][4, :] = torch.inf
    errors, finding = errors_of(answer, reference)
    assert (errors["gradient_error"], errors["gradient_tolerances"]) == (None, None)
    assert finding == "the second view's gradient is not finite in 2 of 8 rows"


def test_an_answer_of_forward_alone_has_no_error_of_a_gradient(reference: Reference) -> None:
    errors, _ = errors_of(replace(right(reference), gradients=()), reference)
    assert "gradient_error" not in errors


def answer_of(loss: float, gradient: Tensor | None = None) -> Answer:
    pair = () if gradient is None else (gradient, torch.zeros_like(gradient))
    return Answer(torch.tensor(loss), torch.tensor([loss]), pair)


def test_two_answers_differ_relative_to_the_larger_of_them() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    value, gradient = pair_differences(answer_of(2.0, rows), answer_of(1.0, rows * 0.8))
    assert value == pytest.approx(0.5)
    assert gradient == pytest.approx(0.2)


def test_differences_are_the_same_both_ways() -> None:
    one, other = answer_of(2.0, torch.ones(3, 2)), answer_of(1.5, torch.rand(3, 2))
    assert pair_differences(one, other) == pair_differences(other, one)


def test_equal_answers_differ_by_zero_even_where_they_are_zero() -> None:
    nothing = answer_of(0.0, torch.zeros(2, 2))
    assert pair_differences(nothing, nothing) == (0.0, 0.0)


def test_without_a_gradient_on_both_sides_there_is_no_difference_of_it() -> None:
    assert pair_differences(answer_of(1.0), answer_of(1.0, torch.ones(2, 2))) == (0.0, None)


def test_a_difference_to_what_is_not_finite_is_none() -> None:
    bad = answer_of(float("nan"), torch.full((2, 2), torch.inf))
    assert pair_differences(answer_of(1.0, torch.ones(2, 2)), bad) == (None, None)


def test_an_answer_without_parts_is_held_against_the_total_alone(reference: Reference) -> None:
    total = replace(right(reference), parts=None)
    assert errors_of(total, reference)[1] is None
    errors, finding = errors_of(replace(total, loss=2 * total.loss), reference)
    assert errors["value_error"] == pytest.approx(1.0)
    assert str(finding).startswith("the loss is ")
