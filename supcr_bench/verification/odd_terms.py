"""Mistakes in the term of a pair: what losses compute in place of log(contrast) - s."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from supcr_bench.verification.family import EARLY, NOTHING, SIMILARITIES, Member, losses
from supcr_bench.verification.phrases import PHRASES

LARGE = [0.01, 0.02, 0.05, *(x / 10 for x in range(1, 10)), 1.0, 2.0, 5.0, 10.0]
CUTS = 80
OF_CANDIDATES = (
    "multiplied",
    "multiplied others",
    "from the partner",
    "hardest",
    "mean",
    "logistic",
)
"""The mistakes that need the candidates themselves, and not only the sum over them."""


def _over(s: Tensor, chosen: Tensor) -> Tensor:
    """[..., i, j]: log of the sum of exp s(i,k) over the chosen k."""
    return s.masked_fill(~chosen, NOTHING).logsumexp(-1)


def odd_terms(how: str, s: Tensor, chosen: Tensor, anchors: slice = slice(None)) -> Tensor:
    """The terms [..., B, n] of all pairs of B anchors, by a key of ``PHRASES["odd"]``.

    Args:
        how: the key; the mean of all ratios needs all anchors.
        s: [..., n, n] similarities over the temperature.
        chosen: [..., B, n, n], [i, j, k]: whether k is a candidate of the pair of i and j.
        anchors: the rows i.
    """
    own, apart = s[..., anchors, :], ~torch.eye(s.shape[-1], dtype=torch.bool)
    row, itself = own.unsqueeze(-2), ~apart[anchors]
    if how not in OF_CANDIDATES:
        return odd_terms_of_sums(how, own, _over(row, chosen), itself)
    terms: dict[str, Callable[[], Tensor]] = {
        "multiplied": lambda: (row * chosen).logsumexp(-1) - own,
        "multiplied others": lambda: _over(row * chosen, ~itself.unsqueeze(1)) - own,
        "from the partner": lambda: _over(s.unsqueeze(-3), chosen) - own,
        "hardest": lambda: row.masked_fill(~chosen, NOTHING).amax(-1) - own,
        "mean": lambda: (row * chosen).sum(-1) / chosen.sum(-1).clamp(min=1) - own,
        "logistic": lambda: (
            (chosen & apart) * torch.nn.functional.softplus(row - own.unsqueeze(-1))
        ).sum(-1),
    }
    return terms[how]().masked_fill(itself, 0.0)


def odd_terms_of_sums(how: str, s: Tensor, contrast: Tensor, itself: Tensor) -> Tensor:
    """:func:`odd_terms`, unless of a key in ``OF_CANDIDATES``, from log sums over candidates.

    Similarities ``s``, ``contrast`` and where a partner is the anchor ``itself``: [..., B, n].
    """
    n = s.shape[-1]
    ratio = s - contrast
    others = ratio.masked_fill(itself, NOTHING)
    terms: dict[str, Callable[[], Tensor]] = {
        "twice": lambda: torch.logaddexp(contrast, s) - s,
        "no logarithm": lambda: -ratio.exp(),
        "sum": lambda: contrast.exp() - s,
        "exponential": lambda: contrast - s.exp(),
        "squared": ratio.square,
        "mean of an anchor": lambda: (math.log(n - 1) - others.logsumexp(-1, True)).expand_as(s),
        "mean of all": lambda: (math.log(n * (n - 1)) - others.logsumexp((-1, -2), True)).expand_as(
            s
        ),
        "maximum": lambda: contrast - s.masked_fill(itself, NOTHING).amax(-1, keepdim=True) - s,
        "turned": lambda: contrast + s,
        "detached": lambda: contrast - s.detach(),
    }
    return terms[how]().masked_fill(itself, 0.0)


def plain_members(views: Sequence[str], normalised: bool | str) -> list[Member]:
    """A member of each similarity and use of the views, with plain pairs and candidates."""
    return [
        Member(kind, unit, how)
        for (kind, unit), how in itertools.product(SIMILARITIES, views)
        if unit == normalised and not (unit and kind == "squared")  # which is a cosine at half tau
    ]


def odd_members(views: Sequence[str], normalised: bool | str) -> Iterator[Member]:
    """The members with one such mistake, or a large eps where a denominator may be empty."""
    for plain in plain_members(views, normalised):
        yield plain._replace(comparison=EARLY, ties="by_position")
        loose = [plain._replace(self_candidate=own) for own in PHRASES["self_candidate"]]
        strict = plain._replace(comparison=">")
        some = strict._replace(pairs="with candidates")
        for m, eps, rule in itertools.product(loose, LARGE, ("added", "floor")):
            yield m._replace(comparison=">", keeps_partner=False, eps=eps, eps_rule=rule)
        for m in (*loose, strict, some, some._replace(keeps_partner=False)):
            yield from (m._replace(odd=odd) for odd in PHRASES["odd"])
        yield from (plain._replace(pairs=pairs) for pairs in PHRASES["odd pairs"])


def cut_members(plain: Member, views: Sequence[Tensor], labels: Tensor) -> list[list[Member]]:
    """Members with similarities cut at places along their range, in the order of the places."""
    values = torch.cat([s.flatten() for s, _, _ in losses(plain, views, labels)])
    steps = torch.linspace(float(values.min()), float(values.max()), CUTS).tolist()
    return [[plain._replace(low=x) for x in steps], [plain._replace(high=x) for x in steps]]


def mean_of_largest(member: Member, views: Sequence[Tensor], labels: Tensor) -> float:
    """The sum over a member's losses of the mean of each row's largest similarity to another."""
    total = 0.0
    for s, _, share in losses(member, views, labels):
        itself = torch.eye(s.shape[-1], dtype=torch.bool)
        largest = (s / member.temperature).masked_fill(itself, -math.inf).amax(-1)
        total += share * float(largest.mean())
    return total
