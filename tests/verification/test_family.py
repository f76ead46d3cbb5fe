"""Members of the family: definitions as data, right and wrong."""

import pytest
import torch

from supcr_bench.reference.reference import compute_reference
from supcr_bench.values.definition import DEFINITIONS, Definition
from supcr_bench.verification.evaluate import HOT, evaluate
from supcr_bench.verification.family import pairs, structures
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
    losses, gradients, _ = evaluate([member_of(definition)], views, labels)
    right = compute_reference(definition, batch_of([*views], labels))
    assert float(losses) == pytest.approx(float(right.loss), rel=1e-10)
    assert torch.allclose(gradients[0].view(2, 6, -1), torch.stack(right.gradients))


def test_at_a_high_temperature_all_candidates_weigh_the_same() -> None:
    views, labels = make_rows(4, 2, 2), make_labels(4, 1, 2)
    plain = [
        m for m in structures(("separate", "concatenated"), (("dot", True),)) if m.faults() < 2
    ]
    _, found, places = evaluate([m._replace(temperature=HOT) for m in plain], views, labels)
    for m, own in zip(plain, found[places], strict=True):
        leaves = views.clone().requires_grad_()
        total = torch.zeros((), dtype=torch.float64)
        for s, chosen, weight in pairs(m, leaves, labels):
            share = chosen / chosen.sum(-1, keepdim=True).clamp(min=1)
            total = total + (weight * ((share * s.unsqueeze(1)).sum(2) - s)).sum()
        (right,) = torch.autograd.grad(total, leaves)
        assert torch.allclose(own * HOT, right.flatten(), atol=1e-5)


def test_phrases_are_unique() -> None:
    phrases = [text for choices in PHRASES.values() for text in choices.values()]
    assert len(set(phrases)) == len(phrases)


def test_an_odd_term_and_a_rule_for_eps_never_share_a_name() -> None:
    assert PHRASES["odd"].keys().isdisjoint(PHRASES["eps"])
