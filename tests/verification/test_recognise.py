"""Which member of the family an implementation is, by its numbers."""

from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST, TORCHCELL
from supcr_bench.values.errors import UncallableError
from supcr_bench.verification.bugs import right
from supcr_bench.verification.bugs.catalogue import BUGS
from supcr_bench.verification.formula import Formula
from supcr_bench.verification.recognise import recognise
from tests.verification.bugs import other_right


@pytest.mark.parametrize(
    ("factory", "definition", "words"),
    [
        (right.RightSupCR, TORCHCELL, "as in `torchcell`"),
        (right.RightNoSelf, NO_SELF, "as in `no-self`"),
        (right.RightRankNContrast, RANK_N_CONTRAST, "called as (features [N,2,d], labels)"),
    ],
)
def test_the_shipped_definitions_are_recognised(factory: Any, definition: Any, words: str) -> None:
    _, found, line = recognise(factory)
    assert Formula.of(found) == Formula.of(definition)
    assert words in line


def test_a_single_view_and_concatenated_views_are_recognised() -> None:
    taken, single, _ = recognise(other_right.RightSingleView)
    assert single.views == "single"
    assert taken.definition.call == "features_single_view"
    _, joined, line = recognise(other_right.RightConcatenated)
    assert joined.views == "concatenate"
    assert joined.label_distance == "l1"
    assert "departs from `rank-n-contrast`: cosine similarity" in line
    assert joined.name == "rank-n-contrast but cosine similarity"


@pytest.mark.parametrize("name", ["divided-by-rows-squared", "weights-ignored"])
def test_an_implementation_with_one_fault_is_recognised_around_it(name: str) -> None:
    bug = next(bug for bug in BUGS if bug.name == name)
    assert Formula.of(recognise(bug.factory)[1]) == Formula.of(TORCHCELL)


def test_right_values_with_wrong_gradients_are_recognised_by_the_values() -> None:
    bug = next(bug for bug in BUGS if bug.name == "gradient-doubled")
    assert Formula.of(recognise(bug.factory)[1]) == Formula.of(TORCHCELL)


def test_what_follows_nothing_is_held_against_no_self_and_says_so() -> None:
    class Other:
        def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
            return (perturbed - intact).pow(2).sum()

    _, found, line = recognise(Other)
    assert found.self_candidate == "never"
    assert "follow no combination" in line

    def nothing() -> Any:
        return lambda *tensors: torch.ones(3)

    with pytest.raises(UncallableError, match=r"returned a loss of shape \(3,\)"):
        recognise(nothing)
