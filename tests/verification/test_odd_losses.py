"""What is said of losses of the family with a mistake that no choice of a definition describes."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.verification.test_unusual_losses import distances, recognised, unit

Terms = Callable[[Tensor, Tensor], Tensor]
NEGATED = "the loss is negated: training goes the wrong way"


def candidates(apart: Tensor, *, strict: bool = False) -> Tensor:
    off = ~torch.eye(len(apart), dtype=torch.bool)
    beyond = torch.gt if strict else torch.ge
    return beyond(apart[:, None], apart[:, :, None]) & off[:, None]


def contrast(s: Tensor, chosen: Tensor) -> Tensor:
    return s[:, None].masked_fill(~chosen, -math.inf).logsumexp(-1)


def ratios(s: Tensor, apart: Tensor) -> Tensor:
    return s - contrast(s, candidates(apart))


def faults_of(
    terms: Terms, similarity: Callable[[Tensor], Tensor] | None = None, sign: float = 1.0
) -> tuple[str, ...]:
    """The faults of a loss with these terms of pairs, from s and label distances."""
    similarity = similarity or (lambda z: -distances(z))

    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, 2, d], labels [N, D]"""
        rows, y = torch.cat(features.unbind(1)), torch.cat((labels, labels))
        found = terms(similarity(rows) / temperature, torch.cdist(y, y, p=1.0))
        off = ~torch.eye(len(rows), dtype=torch.bool)
        return sign * (found[off].mean() if found.ndim else found)

    return recognised(loss).faults


def sort_early(s: Tensor, apart: Tensor) -> Tensor:
    n, rows = len(s), []
    for i in range(n):
        order = apart[i].argsort(stable=True)
        order = order[order != i]
        row = s[i, order]
        rows += [row[max(a - 1, 0) :].logsumexp(0) - row[a] for a in range(n - 1)]
    return torch.stack(rows).mean()


def with_eps(eps: float) -> Terms:
    def terms(s: Tensor, apart: Tensor) -> Tensor:
        return ((s.exp()[:, None] * candidates(apart, strict=True)).sum(-1) + eps).log() - s

    return terms


def of_pairs(pairs: Callable[[int], Tensor]) -> Terms:
    def terms(s: Tensor, apart: Tensor) -> Tensor:
        return -ratios(s, apart)[pairs(len(s)) & ~torch.eye(len(s), dtype=torch.bool)].mean()

    return terms


def views(n: int) -> tuple[Tensor, Tensor]:
    of = torch.arange(n) * 2 < n
    return of[:, None], of


TERMS: dict[str, Terms] = {
    "a mask multiplies logits": lambda s, d: (s[:, None] * candidates(d)).logsumexp(-1) - s,
    "a mask of labels multiplies logits": lambda s, d: (
        (s[:, None] * candidates(d))
        .masked_fill(torch.eye(len(s), dtype=torch.bool)[:, None], -math.inf)
        .logsumexp(-1)
        - s
    ),
    "the partner counted twice": lambda s, d: torch.logaddexp(contrast(s, candidates(d)), s) - s,
    "the logarithm is missing": lambda s, d: -ratios(s, d).exp(),
    "the logarithm of the denominator is missing": lambda s, d: (
        contrast(s, candidates(d)).exp() - s
    ),
    "the exponential of the partner's similarity": lambda s, d: (
        contrast(s, candidates(d)) - s.exp()
    ),
    "the term of each pair is squared": lambda s, d: ratios(s, d).square(),
    "candidates' similarities taken from the partner's row": lambda s, d: (
        (s.exp() * candidates(d)).sum(-1).log() - s
    ),
    "the partner's label distance measured from the candidate": lambda s, d: (
        (s.exp()[:, None] * candidates(d)).sum(0).log() - s
    ),
    "the logarithm of the mean of an anchor's ratios": lambda s, d: (
        -(ratios(s, d).exp() * (1 - torch.eye(len(s)))).sum(1).div(len(s) - 1).log().mean()
    ),
    "the logarithm of the mean of all ratios": lambda s, d: (
        -ratios(s, d).exp()[~torch.eye(len(s), dtype=torch.bool)].mean().log()
    ),
    "the row's maximum subtracted in the denominator alone": lambda s, d: (
        -ratios(s, d) - s.clone().fill_diagonal_(-math.inf).amax(1, keepdim=True)
    ),
    "the row's maximum subtracted in the denominator alone, detached": lambda s, d: (
        -ratios(s, d) - s.detach().clone().fill_diagonal_(-math.inf).amax(1, keepdim=True)
    ),
    "the mean over all rows in place of the sum": lambda s, d: -ratios(s, d) - math.log(len(s)),
    "the partner's similarity has the wrong sign": lambda s, d: contrast(s, candidates(d)) + s,
    "the partner's gradient detached": lambda s, d: contrast(s, candidates(d)) - s.detach(),
    "the largest similarity of the candidates": lambda s, d: (
        s[:, None].masked_fill(~candidates(d), -math.inf).amax(-1) - s
    ),
    "the mean of the candidates' similarities": lambda s, d: (
        (s[:, None] * candidates(d)).sum(-1) / candidates(d).sum(-1).clamp(min=1) - s
    ),
    "candidates begin one place too early in a sort": sort_early,
    "each pair counted once, with its second row": of_pairs(
        lambda n: torch.ones(n, n, dtype=torch.bool).tril()
    ),
    "anchors of the first view only": of_pairs(lambda n: views(n)[0].expand(n, n)),
    "partners of the anchor's own view only": of_pairs(lambda n: views(n)[0] == views(n)[1]),
    "partners of the other view only": of_pairs(lambda n: views(n)[0] != views(n)[1]),
}


@pytest.mark.parametrize("words", TERMS)
def test_a_mistake_in_the_term_of_a_pair_is_one_cause(words: str) -> None:
    (fault,) = faults_of(TERMS[words])
    assert fault.startswith(words)


@pytest.mark.parametrize("words", ["the partner counted twice", "the logarithm is missing"])
def test_a_mistake_in_the_term_of_a_pair_is_named_beside_a_negated_loss(words: str) -> None:
    mistake, negated = faults_of(TERMS[words], sign=-1.0)
    assert mistake.startswith(words)
    assert negated == NEGATED


@pytest.mark.parametrize("eps", [0.1, 0.3, 1.0])
def test_a_strict_inequality_is_named_beside_a_large_eps(eps: float) -> None:
    told = " and ".join(faults_of(with_eps(eps)))
    assert "strict inequality: candidates farther than the partner only, the partner itself" in told
    large = {0.1: "", 0.3: "eps added to the denominator (0.3)", 1.0: "as eps of 1"}[eps]
    assert large in told


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (0.2, math.inf, "similarities cut below 0.2"),
        (0.0, math.inf, "similarities cut below 0"),
        (-math.inf, 0.5, "similarities cut above 0.5"),
    ],
)
def test_similarities_that_are_cut_are_named_with_the_place(
    least: float, most: float, words: str, sign: float
) -> None:
    found = faults_of(
        lambda s, d: -ratios(s, d), lambda z: (unit(z) @ unit(z).T).clamp(least, most), sign
    )
    assert found == ((words,) if sign > 0 else (words, NEGATED))


SIMILARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "the size of the similarity": lambda z: (unit(z) @ unit(z).T).abs(),
    "the square of the similarity": lambda z: (unit(z) @ unit(z).T).square(),
    "the negative angle": lambda z: -(unit(z) @ unit(z).T).clamp(-1 + 1e-9, 1 - 1e-9).acos(),
}


@pytest.mark.parametrize("words", SIMILARITIES)
def test_a_function_of_the_cosine_is_named(words: str) -> None:
    (fault,) = faults_of(lambda s, d: -ratios(s, d), SIMILARITIES[words])
    assert fault.startswith(words)


FURTHER: dict[str, Callable[[Tensor], Tensor]] = {
    "the squared lengths of the rows": lambda z: z.square().mean(),
    "the lengths of the rows": lambda z: z.norm(dim=-1).mean(),
    "the variance of the rows": lambda z: z.flatten(0, 1).var(0).mean(),
    "the variance of the rows of each view": lambda z: z.var(0).mean(),
    "the distance between a row's two views": lambda z: functional.mse_loss(z[:, 0], z[:, 1]),
}


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("words", FURTHER)
def test_a_further_term_is_named(words: str, cosine: bool) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, 2, d], labels [N, D]"""
        rows, y = torch.cat(features.unbind(1)), torch.cat((labels, labels))
        s = unit(rows) @ unit(rows).T if cosine else -distances(rows)
        terms = ratios(s / temperature, torch.cdist(y, y, p=1.0))
        return (
            0.1 * FURTHER[words](features) - terms[~torch.eye(len(rows), dtype=torch.bool)].mean()
        )

    (fault,) = recognised(loss).faults
    assert fault == f"a term is added to the loss that depends on {words}"


def test_other_weights_of_the_two_views_are_named() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, 2, d], labels [N, D]"""
        off, apart = ~torch.eye(len(labels), dtype=torch.bool), torch.cdist(labels, labels, p=1.0)
        own = [-ratios(-distances(z) / temperature, apart)[off].mean() for z in features.unbind(1)]
        return 1.4 * own[0] + 0.6 * own[1]

    assert recognised(loss).faults == ("the losses of the two views are weighted 0.7 and 0.3",)


def test_a_loss_that_is_close_to_a_member_is_that_member_with_a_gradient_that_is_off() -> None:
    focal = faults_of(lambda s, d: -ratios(s, d) * (1 - ratios(s, d).exp()).square())
    assert focal == ("on a small batch, its gradient is off by 1.8 degrees",)


def test_a_first_view_concatenated_with_itself_is_named() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, 2, d], labels [N, D]"""
        rows, y = torch.cat((features[:, 0], features[:, 0])), torch.cat((labels, labels))
        terms = ratios(-distances(rows) / temperature, torch.cdist(y, y, p=1.0))
        return -terms[~torch.eye(len(rows), dtype=torch.bool)].mean()

    faults = recognised(loss).faults
    assert faults == ("the first view concatenated with itself in place of the second",)


def test_a_mean_over_no_pair_is_said_of_two_rows_and_not_of_ordinary_ones() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d], labels [N, D]"""
        s, chosen = -distances(features) / temperature, torch.cdist(labels, labels, p=1.0)
        farther = candidates(chosen, strict=True)
        terms = torch.logaddexp(contrast(s, farther), s) - s
        return terms[farther.any(-1) & ~torch.eye(len(s), dtype=torch.bool)].mean()

    faults = recognised(loss).faults
    assert faults[0].startswith("strict inequality")
    assert faults[-1] == "the loss or its gradient is not finite on a batch of two rows"
