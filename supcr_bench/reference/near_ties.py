"""Label distances so close that rounding decides which of two is the larger.

A distance over several dimensions is a sum, and its rounding depends on the order of summation. Two
candidates whose distances differ by no more than this rounding may change places in a right
implementation too, and a term of the loss then has one candidate more or fewer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

TERMS_PER_BLOCK = 2**21
"""Most terms in a block: anchors times candidates, or undecided pairs times candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Label distances of M rows as the labels' dtype rounds them, and their doubt.

    Attributes:
        delta: [M, M] float64.
        doubt: [M, M] float64, how far another order of summation may move each; 0 where it is
            exact. ``None`` where all are.
        key: [M, M] float64, equal where the differences by dimension are: such distances are
            rounded alike.
    """

    delta: Tensor
    doubt: Tensor | None = None
    key: Tensor | None = None


def joint_distances(difference: Tensor, kind: str) -> Distances:
    """The ``kind`` (l1, l2 or max) of [M, M, D] absolute differences, in the labels' dtype."""
    if kind == "max":
        return Distances(difference.amax(dim=2).double())
    delta = (difference.sum(dim=2) if kind == "l1" else difference.norm(dim=2)).double()
    terms = difference if kind == "l1" else difference.square()
    dims, rounding = difference.shape[2], torch.finfo(difference.dtype).eps
    inexact = terms.sum(dim=2).double() != terms.double().sum(dim=2)
    if kind == "l2":
        inexact |= (terms.double() != difference.double().square()).any(dim=2)
    if dims < 2 or not bool(inexact.any()):
        return Distances(delta)
    weights = torch.arange(2, dims + 2, dtype=torch.float64).sqrt()
    key = (difference.double() * weights).sum(dim=2)
    return Distances(delta, torch.where(inexact, dims * rounding * delta, 0.0), key)


def undecided(logits: Tensor, distances: Distances, *, with_itself: bool) -> tuple[float, float]:
    """A bound on how far all near ties together move the sum of contrasts, and a row's gradient.

    The first is over pairs and views, the second on the absolute sum of its derivatives by the
    logits of any one row, as anchor and as candidate. ``logits`` are [V, M, M] float64, s of each
    view; ``with_itself`` says whether an anchor may be its own candidate.
    """
    value, rows = 0.0, torch.zeros(logits.shape[0], logits.shape[1], dtype=torch.float64)
    for i, fewest, most in _undecided_candidates(distances):
        if not with_itself:
            own = torch.zeros_like(most)
            own[torch.arange(len(i)), i] = True
            fewest, most = fewest & ~own, most & ~own
        some, all_ = (logits[:, i].masked_fill(~c, -torch.inf) for c in (fewest, most))
        value += float((all_.logsumexp(2) - some.logsumexp(2)).sum())
        moved = (all_.softmax(2) - some.softmax(2)).abs()
        rows += moved.sum(1)
        rows.index_add_(1, i, moved.sum(2))
    return value, float(rows.max()) if rows.numel() else 0.0


def _undecided_candidates(distances: Distances) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield anchors [B] of pairs with near ties, and their fewest and most candidates."""
    if distances.doubt is None or distances.key is None:
        return
    m = len(distances.delta)
    for anchors in torch.split(torch.arange(m), max(1, TERMS_PER_BLOCK // m)):
        delta, doubt = distances.delta[anchors], 2 * distances.doubt[anchors]
        key = distances.key[anchors]
        near = _between(delta, delta - doubt, delta + doubt)
        alike = _between(key, key, key)
        itself = anchors.unsqueeze(1) == torch.arange(m)
        at, j = torch.nonzero((near > alike) & ~itself, as_tuple=True)
        for some in torch.split(torch.arange(len(at)), max(1, TERMS_PER_BLOCK // m)):
            a, b = at[some], j[some]
            own, reach = delta[a, b].unsqueeze(1), doubt[a, b].unsqueeze(1)
            fewest = (delta[a] > own + reach) | (key[a] == key[a, b].unsqueeze(1))
            yield anchors[a], fewest, delta[a] >= own - reach


def _between(values: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """How many values of each row lie between the limits, or at them."""
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, lower.contiguous())
    return torch.searchsorted(ordered, upper.contiguous(), right=True) - below
