"""What the checks say of losses that are wrong in labels, weights or conduct."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Outcome, Verdict
from tests.family import FamilyLoss, definition_of

NO_EPS = (None, "floor")
JOINT = definition_of(
    "negative_euclidean", "l1", "unsupported", NO_EPS, "single", "never", "keeps_weight"
)
SEPARATE = definition_of(
    "cosine", "per_dimension", "drop_row_per_dimension", NO_EPS, "sum", "never", "keeps_weight"
)
Change = Callable[[FamilyLoss, tuple[Tensor, ...]], Any]


def outcome(check: str, definition: Definition, call: Change) -> Outcome:
    """The outcome of one check of a loss whose forward is ``call(right loss, its tensors)``."""
    supporting = definition
    if definition.nan_labels == "unsupported":
        supporting = replace(definition, nan_labels="drop_row")

    class Loss(FamilyLoss):
        def forward(self, *tensors: Tensor) -> Any:
            return call(self, tensors)

    def factory(temperature: float | None = None, weights: Tensor | None = None) -> Loss:
        return Loss(supporting, temperature, weights)

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


def raises(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    assert not tensors[-1].isnan().any()
    return right(loss, tensors)


def not_a_number(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return right(loss, tensors) * tensors[-1].sum() / tensors[-1].sum()


def number_without_gradient(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return not_a_number(loss, tensors).nan_to_num(7.0)


FINITE = [filled_with_zero, zero_without_gradient, zero_gradient, number_without_gradient]


@pytest.mark.parametrize("call", FINITE)
def test_a_finite_loss_where_a_label_is_missing_is_a_finding(call: Change) -> None:
    found = outcome("plausible numbers", JOINT, call)
    assert (found.verdict, found.group) == (Verdict.FAIL, "robustness")
    assert "a missing label gives a plausible number: the loss is" in str(found.finding)
    assert "where dropping the row gives" in str(found.finding)


def test_a_wrong_gradient_where_a_label_is_missing_is_a_finding() -> None:
    found = outcome("plausible numbers", JOINT, half_the_gradient)
    assert str(found.finding).endswith("gradient is 0.5 times what dropping the row gives")


@pytest.mark.parametrize("call", [right, not_a_number, raises])
def test_rows_dropped_and_any_refusal_are_fine(call: Change) -> None:
    assert outcome("plausible numbers", JOINT, call).verdict is Verdict.PASS


def reads_column(c: int) -> Change:
    def call(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
        labels = tensors[-1][:, c : c + 1] if tensors[-1].shape[1] > c else tensors[-1]
        loss.weights = None
        value = right(loss, (*tensors[:-1], labels))
        return value[0] if isinstance(value, tuple) else value

    return call


@pytest.mark.parametrize("definition", [JOINT, SEPARATE], ids=["joint", "per dimension"])
@pytest.mark.parametrize(("column", "name"), [(0, "first"), (1, "second")])
def test_a_loss_that_reads_one_label_dimension_is_said_to(
    definition: Definition, column: int, name: str
) -> None:
    found = outcome("label dimensions", definition, reads_column(column))
    assert (found.verdict, found.group) == (Verdict.FAIL, "definition")
    assert found.finding == f"it reads the {name} label dimension only"


def test_rows_dropped_whole_where_each_dimension_has_its_own_are_said_to_be() -> None:
    def dropped_whole(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
        gone = tensors[-1].isnan().any(dim=1, keepdim=True)
        return right(loss, (*tensors[:-1], tensors[-1].masked_fill(gone, torch.nan)))

    found = outcome("missing labels", SEPARATE, dropped_whole)
    assert found.finding == "rows dropped where any dimension is missing, not per dimension"


@pytest.mark.parametrize("definition", [JOINT, SEPARATE], ids=["joint", "per dimension"])
def test_weights_that_change_nothing_are_a_finding(definition: Definition) -> None:
    def ignores(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
        loss.weights = None
        return right(loss, tensors)

    found = outcome("weights", definition, ignores)
    assert found.finding == "the weights that it takes change nothing"


def with_global_noise(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return right(loss, tensors) * (1 + 0.01 * torch.rand(()))


def with_own_noise(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    return right(loss, tensors) * (1 + 0.01 * random.SystemRandom().random())


def counts_calls(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    loss.calls = getattr(loss, "calls", 0) + 1  # type: ignore[assignment]
    return right(loss, tensors) / loss.calls


def sorts_labels_in_place(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    value = right(loss, tensors)
    tensors[-1].copy_(tensors[-1].sort(dim=0).values)
    return value


def detects_anomalies(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    torch.autograd.set_detect_anomaly(True)
    return right(loss, tensors)


def works_in_float64(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
    torch.set_default_dtype(torch.float64)
    return right(loss, tensors)


@pytest.mark.parametrize(
    ("call", "check", "words"),
    [
        (with_global_noise, "random state", "torch's global random state, and the loss is random"),
        (with_own_noise, "repeatability", "something is random inside"),
        (counts_calls, "repeatability", "the module keeps something from call to call"),
        (sorts_labels_in_place, "inputs unmodified", "the call changes the labels"),
        (detects_anomalies, "process settings", "the call changes the detection of anomalies"),
        (works_in_float64, "process settings", "the call changes the default dtype, for"),
    ],
)
def test_bad_conduct_is_named(call: Change, check: str, words: str) -> None:
    try:
        found = outcome(check, JOINT, call)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.autograd.set_detect_anomaly(False)
    assert found.verdict is Verdict.FAIL
    assert words in str(found.finding)


class Unscaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor) -> Tensor:
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.ones_like(gradient)


def test_a_backward_that_ignores_the_gradient_that_it_receives_is_named() -> None:
    def unscaled(loss: FamilyLoss, tensors: tuple[Tensor, ...]) -> Any:
        return Unscaled.apply(right(loss, tensors))  # type: ignore[no-untyped-call]

    found = outcome("random cases", JOINT, unscaled)
    assert "its own backward ignores the gradient that it receives" in str(found.finding)
