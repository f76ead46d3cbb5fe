"""Which member of the family an implementation is, by its numbers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.values.definition import DEFINITIONS
from supcr_bench.values.errors import UncallableError
from supcr_bench.values.implementation import Implementation, Recognition, Resolution
from supcr_bench.verification.bugs import right
from supcr_bench.verification.bugs.catalogue import BUGS
from supcr_bench.verification.resolve import resolve
from tests.verification.bugs import other_right


def resolution(factory: Callable[..., Any]) -> Resolution:
    return resolve(
        Implementation(name="it", title="", source="", definition="auto", factory=factory)
    )[0]


def recognised(factory: Callable[..., Any]) -> Recognition:
    found = resolution(factory).recognised
    assert found is not None
    return found


@pytest.mark.parametrize("factory", [right.RightSupCR, right.RightNoSelf, right.RightRankNContrast])
def test_the_shipped_definitions_are_recognised(factory: Any) -> None:
    found = resolution(factory)
    assert found.definition == DEFINITIONS[factory.DEFINITION]
    assert found.recognised is not None
    assert (found.recognised.choices, found.recognised.faults) == ((), ())
    assert found.recognised.dims == "1 to 3 label dimensions"


def test_a_single_view_and_concatenated_views_are_choices() -> None:
    single = resolution(other_right.RightSingleView)
    assert single.definition.views == "single"
    assert single.definition.call == "features_single_view"
    joined = resolution(other_right.RightConcatenated)
    assert joined.definition.name == "rank-n-contrast but cosine similarity"
    assert joined.recognised is not None
    assert "cosine similarity" in joined.recognised.choices
    assert joined.recognised.faults == ()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("divided-by-rows-squared", "torchcell"),
        ("weights-ignored", "torchcell"),
        ("self-always", "torchcell"),
    ],
)
def test_a_fault_is_told_and_the_definition_is_the_one_without_it(name: str, nearest: str) -> None:
    bug = next(bug for bug in BUGS if bug.name == name)
    found = resolution(bug.factory)
    assert found.recognised is not None
    assert found.recognised.nearest == nearest
    assert found.recognised.faults == (bug.named,)


def test_a_gradient_that_is_not_the_values_is_told() -> None:
    bug = next(bug for bug in BUGS if bug.name == "gradient-doubled")
    assert recognised(bug.factory).faults == ("the gradient is 2 times that of the loss",)


def test_what_follows_nothing_is_compared_with_a_shipped_definition_and_says_so() -> None:
    class Other:
        def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
            return (perturbed - intact).pow(2).sum() * labels[0].abs().sum()

    class Blind(Other):
        def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
            return (perturbed - intact).pow(2).sum()

    class Still(Other):
        def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
            return torch.ones(()) + 0.0 * perturbed.sum()

    other = resolution(Other)
    assert other.recognised is not None
    assert other.recognised.faults[0].startswith("no loss of this family")
    assert other.definition.name in DEFINITIONS
    assert recognised(Blind).faults[0].endswith("and labels change nothing")
    assert "no gradient reaches the embeddings" in recognised(Still).faults[0]


def test_what_gives_no_loss_cannot_be_called() -> None:
    def nothing() -> Any:
        return lambda *tensors: torch.ones(3)

    with pytest.raises(UncallableError):
        recognised(nothing)
