"""What is said of losses that are no member of the family, and of what they depend on."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import supcr_bench
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.impact import Impact, ImpactQuestion, impact_lines
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.verification import exit_status
from tests.verification.test_unusual_losses import distances, mean_over_pairs, recognised, unit

Loss = Callable[..., Tensor]


def supcon(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """features [N, 2, d], labels [N]"""
    rows, n = torch.cat(unit(features).unbind(1)), 2 * len(features)
    others = ~torch.eye(n, dtype=torch.bool)
    positive = (labels.view(-1, 1) == labels.view(1, -1)).repeat(2, 2) & others
    logits = rows @ rows.T / temperature
    shares = logits - (logits.exp() * others).sum(1, keepdim=True).log()
    return -((positive * shares).sum(1) / positive.sum(1)).mean()


def y_aware(z1: Tensor, z2: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    y = labels.view(-1, 1)
    weights = (-(y - y.T).square() / 2).softmax(1)
    return -(weights * (unit(z1) @ unit(z2).T / temperature).log_softmax(1)).sum(1).mean()


def info_nce(z1: Tensor, z2: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    logits = unit(z1) @ unit(z2).T / temperature
    return functional.cross_entropy(logits, torch.arange(len(labels)))


def mse_of_views(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, 2, d]"""
    return functional.mse_loss(features[:, 0], features[:, 1]) + 0.0 * labels.sum()


def mse_of_labels(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, d], labels [N]"""
    return functional.mse_loss(features.mean(1), labels.view(-1))


def cosine_of_views(z1: Tensor, z2: Tensor, labels: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(z1, z2)).mean() + 0.0 * labels.sum()


def cross_entropy(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, d], labels [N]"""
    return functional.cross_entropy(features, labels.view(-1).long().clamp(0, 3))


def ordinal(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, d], labels [N]"""
    steps = torch.arange(features.shape[1]).to(features)
    above = (labels.view(-1, 1) > steps).to(features)
    return functional.binary_cross_entropy_with_logits(features, above)


def triplet(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, d], labels [N]"""
    y = labels.view(-1, 1)
    apart, rows = (y - y.T).abs(), torch.cdist(features, features)
    off = ~torch.eye(len(y), dtype=torch.bool)
    used = (apart[:, :, None] < apart[:, None]) & off[:, :, None] & off[:, None]
    return ((rows[:, :, None] - rows[:, None] + 1).relu() * used).sum() / used.sum().clamp(min=1)


def by_threshold(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, d], labels [N, D]"""
    near = torch.cdist(labels, labels) < 0.1
    near = near & ~torch.eye(len(labels), dtype=torch.bool)
    if not near.any():
        return torch.tensor(0.0)
    return -(unit(features) @ unit(features).T).log_softmax(1)[near].mean()


def of_nearest(features: Tensor, labels: Tensor) -> Tensor:
    """features [N, d], labels [N, 1]"""
    others = ~torch.eye(len(labels), dtype=torch.bool)
    logits = (unit(features) @ unit(features).T).masked_fill(~others, -torch.inf)
    apart = torch.cdist(labels, labels, p=1).masked_fill(~others, torch.inf)
    nearest = apart.topk(min(16, len(labels) - 1), largest=False).indices
    return -logits.log_softmax(1).gather(1, nearest).mean()


def hinge(z: Tensor, y: Tensor) -> Tensor:
    rows = unit(z)
    apart = (y.view(-1, 1) - y.view(1, -1)).abs()
    far = apart.argmax(1)
    near = (apart + torch.eye(len(y)).to(apart) * 1e9).argmin(1)
    return (0.2 - (rows * rows[near]).sum(-1) + (rows * rows[far]).sum(-1)).relu().mean()


ALONE = "no row is compared with the others"
WORDS = {
    supcon: "labels count by being equal alone, as in SupCon",
    y_aware: "it changes with the scale of all labels",
    info_nce: "labels change nothing, as in InfoNCE and SimCLR",
    mse_of_views: "a row is compared with its other view alone",
    mse_of_labels: ALONE,
    cosine_of_views: "a row is compared with its other view alone",
    cross_entropy: ALONE,
    ordinal: ALONE,
    by_threshold: "no gradient reaches the embeddings unless labels are equal or near",
    of_nearest: "labels count in a batch of 40 rows and not in one of 5",
}


def impacts(loss: Loss) -> tuple[Impact, ...]:
    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    session = LocalSession(it)
    session.open()
    return session.measure_impact(ImpactQuestion())


@pytest.mark.parametrize("loss", WORDS)
def test_what_a_loss_of_no_member_depends_on_is_named(loss: Loss) -> None:
    (fault,) = recognised(loss).faults
    assert fault.startswith("no loss of this family: ")
    assert WORDS[loss] in fault


def test_the_nearest_member_of_an_unknown_loss_is_named_with_its_angle() -> None:
    (fault,) = recognised(triplet).faults
    assert fault.startswith("no loss of this family that is known here")
    assert fault.endswith("degrees from that of rank-n-contrast")


def test_an_unknown_loss_of_few_rows_is_said_to_be_none_all_the_same() -> None:
    def few(z1: Tensor, z2: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        assert len(labels) <= 8, "at most eight rows"
        return y_aware(z1, z2, labels, temperature)

    assert recognised(few).faults == recognised(y_aware).faults


def test_rows_of_an_unknown_loss_are_no_views_unless_it_says_so() -> None:
    found = recognised(hinge)
    assert found.call == "(features [N,d], labels [N,1])"
    assert found.faults[0].startswith("no loss of this family that is known here")
    assert "sign turned" not in found.faults[0]  # nearer, with several mistakes
    (one,) = impacts(hinge)[:1]
    assert one.angle is None
    assert impact_lines([one]) == []  # it is zero where rows are ordered by label


def test_a_constant_where_no_pair_is_left_is_told_as_that() -> None:
    def loss(z: Tensor, y: Tensor) -> Tensor:
        """z [N, d], y [N, 1]"""
        apart = torch.cdist(y, y, p=1)
        others = ~torch.eye(len(y), dtype=torch.bool)
        farther = (apart[:, None] > apart[:, :, None]) & others[:, None]
        used = farther.any(-1) & others
        if not used.any():
            return torch.tensor(0.0)
        s = -distances(z) / 2
        chosen = farther | torch.eye(len(y), dtype=torch.bool)
        sums = s[:, None].expand_as(chosen).masked_fill(~chosen, -torch.inf).logsumexp(-1)
        return (sums - s)[used].mean()

    first, *_, last = recognised(loss).faults
    assert first.startswith("strict inequality")
    assert last.startswith("a batch where no pair is left, as of two rows, gives a constant with")
    assert "backward of a loss without a graph" in str(supcr_bench.verify(loss))


def test_the_nearest_member_is_a_plain_one_unless_a_mistake_is_much_nearer() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, 2, d], labels [N, D]"""
        first, second = (
            mean_over_pairs(-distances(z) / temperature, labels) for z in features.unbind(1)
        )
        return 1.4 * first + 0.6 * second + 0.05 * features.abs().sum(-1).mean()

    (fault,) = recognised(loss).faults
    assert fault.endswith("degrees from that of rank-n-contrast with the views' losses summed")


def test_a_loss_of_no_member_is_said_to_be_none_and_compared_with_none() -> None:
    found = supcr_bench.verify(supcon)
    headline, *rest = str(found).splitlines()
    assert ", since it is no loss of this family: labels count by being equal" in headline
    assert "rank-n-contrast" not in headline
    assert not any(
        words in line for line in rest for words in ("Smallest failing", "Robustness", "Tried:")
    )
    assert found.program is None
    assert exit_status([found]) == 1


@pytest.mark.parametrize(("loss", "compared"), [(supcon, False), (y_aware, False), (triplet, True)])
def test_no_degrees_are_measured_from_a_definition_that_a_loss_does_not_mean(
    loss: Loss, compared: bool
) -> None:
    assert bool(impacts(loss)) is compared


def test_an_order_of_rows_is_named() -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d], labels [N]"""
        logits = -torch.cdist(features, features) * torch.arange(len(features))
        near = (labels.view(-1, 1) - labels.view(1, -1)).abs().argsort(1).argsort(1)
        return (logits.softmax(1) * near).mean()

    assert "it changes with the order of the rows" in recognised(loss).faults[0]
