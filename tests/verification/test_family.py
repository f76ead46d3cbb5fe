"""Members of the family: definitions as data, right and wrong."""

import pytest
import torch

from supcr_bench.reference.reference import compute_reference
from supcr_bench.values.definition import DEFINITIONS, Definition
from supcr_bench.verification.evaluate import evaluate
from supcr_bench.verification.family import structures
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import make_labels, make_rows
from supcr_bench.verification.reading import member_of
from tests.batches import batch_of


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=list(DEFINITIONS))
def test_a_definitions_member_is_the_reference(definition: Definition, tied: bool) -> None:
    views, labels = make_rows(6, 2, 1), make_labels(6, 2, 1)
    if tied:
        labels = labels.round()
    sums, gradients, _ = evaluate([member_of(definition)], views, labels)
    right = compute_reference(definition, batch_of([*views], labels))
    assert float(sums.sum()) == pytest.approx(float(right.loss), rel=1e-10)
    assert torch.allclose(gradients[0].sum(0).view(2, 6, -1), torch.stack(right.gradients))


def test_at_a_high_temperature_the_gradient_is_the_warm_one() -> None:
    views, labels = make_rows(4, 2, 2), make_labels(4, 1, 2)
    plain = [
        m for m in structures(("separate", "concatenated"), (("dot", True),)) if m.faults() < 2
    ]
    hot = [m._replace(temperature=1e6) for m in plain]
    _, warm, places = evaluate(plain, views, labels, warm=True)
    _, found, places_of_hot = evaluate(hot, views, labels)
    assert torch.allclose(found[places_of_hot] * 1e6, warm[places], atol=1e-5)


def test_phrases_are_unique() -> None:
    phrases = [text for choices in PHRASES.values() for text in choices.values()]
    assert len(set(phrases)) == len(phrases)


def test_an_odd_term_and_a_rule_for_eps_never_share_a_name() -> None:
    assert PHRASES["odd"].keys().isdisjoint(PHRASES["eps"])
