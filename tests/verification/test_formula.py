"""Formulas: the definition among its variations."""

import pytest
import torch

from supcr_bench.inputs.tensors import LabelKind, Problem, ProblemSpec, make_problem
from supcr_bench.reference.reference import compute_reference
from supcr_bench.values.definition import DEFINITIONS, Definition
from supcr_bench.verification.formula import PHRASES, Formula, evaluate


def problems(definition: Definition) -> list[Problem]:
    kinds: tuple[LabelKind, ...] = ("continuous", "tied", "clustered", "binary", "constant")
    density = 0.0 if definition.nan_labels == "unsupported" else 0.3
    return [
        make_problem(
            ProblemSpec(
                n=8, d=4, dims=2, labels=labels, nan_density=density, weights="unequal", seed=seed
            )
        )
        for seed, labels in enumerate(kinds)
    ]


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=list(DEFINITIONS))
def test_a_definitions_formula_is_the_reference(definition: Definition) -> None:
    for problem in problems(definition):
        found = evaluate(Formula.of(definition), problem)
        right = compute_reference(
            definition,
            (problem.first, problem.second),
            problem.labels,
            weights=problem.weights,
            temperature=problem.temperature,
        )
        assert float(found.loss) == pytest.approx(float(right.loss), rel=1e-12)
        for own, expected in zip(found.gradients, right.gradients, strict=True):
            assert torch.allclose(own, expected, rtol=1e-9, atol=1e-12)


def test_variations_differ_in_one_choice_each_and_say_which() -> None:
    base = Formula()
    variations = base.variations()
    assert len(set(variations)) == len(variations)
    for other in variations:
        (phrase,) = other.differences(base)
        assert any(phrase in choices.values() for choices in PHRASES.values())


def test_phrases_are_unique() -> None:
    phrases = [text for choices in PHRASES.values() for text in choices.values()]
    assert len(set(phrases)) == len(phrases)


def test_a_problem_is_the_same_every_time_and_describes_itself() -> None:
    spec = ProblemSpec(n=9, dims=3, nan_density=0.3, labels="tied", weights="unnormalised")
    one, other = make_problem(spec), make_problem(spec)
    assert torch.equal(one.first, other.first)
    assert torch.equal(one.labels.nan_to_num(9), other.labels.nan_to_num(9))
    assert one.name == "N=9 d=8 D=3 NaN 30% tied labels unnormalised weights tau=0.1"
    assert torch.isnan(one.labels).sum(dim=0).tolist() == [3, 4, 5]
    assert float(one.weights.sum()) != pytest.approx(1.0)
