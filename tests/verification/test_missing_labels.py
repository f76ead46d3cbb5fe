"""What the checks say about missing labels, label dimensions and weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Outcome, Verdict
from tests.family import FamilyLoss, definition_of

JOINT = definition_of(
    "negative_euclidean", "l1", "unsupported", (None, "floor"), "single", "never", "keeps_weight"
)
Change = Callable[[FamilyLoss, tuple[Tensor, ...]], Any]


def outcome(check: str, definition: Definition, call: Change, supports: bool = True) -> Outcome:
    """The outcome of one check of a loss whose forward is ``call(right loss, its tensors)``."""

    class Loss(FamilyLoss):
        def forward(self, *tensors: Tensor) -> Any:
            return call(self, tensors)

    def factory(temperature: float | None = None, weights: Tensor | None = None) -> Loss:
        made = definition
        if supports and definition.nan_labels == "unsupported":
            made = drops
        return Loss(made, temperature, weights)

    drops = definition_of(
        definition.similarity,
        definition.label_distance,
        "drop_row",
        (None, "floor"),
        definition.views,
        "never",
        "keeps_weight",
    )
    subject = Implementation(name="loss", title="", source="", factory=factory)
    session = LocalSession(subject, definition)
    session.open()
    return session.make(check)


def right(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return FamilyLoss.forward(loss, *tensors)


def filled_with_zero(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return right(loss, (*tensors[:-1], tensors[-1].nan_to_num(0.0)))


def zero_without_gradient(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return torch.zeros(()) if tensors[-1].isnan().any() else right(loss, tensors)


def zero_gradient(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return tensors[0].sum() * 0 if tensors[-1].isnan().any() else right(loss, tensors)


def half_the_gradient(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    value = right(loss, tensors)
    return (value + value.detach()) / 2 if tensors[-1].isnan().any() else value


def not_a_number(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return right(loss, tensors) * tensors[-1].sum() / tensors[-1].sum()


def raises(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    assert not tensors[-1].isnan().any()
    return right(loss, tensors)


@pytest.mark.parametrize("call", [filled_with_zero, zero_without_gradient, zero_gradient])
def test_a_finite_loss_where_a_label_is_missing_is_a_finding(call: Change) -> None:
    found = outcome("missing labels", JOINT, call)
    assert (found.verdict, found.group) == (Verdict.FAIL, "robustness")
    assert "a missing label gives a plausible number: the loss is" in str(found.finding)
    assert "where dropping the row gives" in str(found.finding)


def test_a_wrong_gradient_where_a_label_is_missing_is_a_finding() -> None:
    found = outcome("missing labels", JOINT, half_the_gradient)
    assert "the first view's gradient is off by" in str(found.finding)


@pytest.mark.parametrize("call", [right, not_a_number, raises])
def test_rows_dropped_and_any_refusal_are_fine(call: Change) -> None:
    assert outcome("missing labels", JOINT, call).verdict is Verdict.PASS
