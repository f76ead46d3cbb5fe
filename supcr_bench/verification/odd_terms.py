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


def _over(s: Tensor, chosen: Tensor) -> Tensor:
    """[..., i, j]: log of the sum of exp s(i,k) over the chosen k."""
    return s.masked_fill(~chosen, NOTHING).logsumexp(-1)


def odd_terms(how: str, s: Tensor, chosen: Tensor) -> Tensor:
    """The terms [..., n, n] of all pairs, by a key of ``PHRASES["odd"]``.

    Args:
        how: the key.
        s: [..., n, n] similarities over the temperature.
        chosen: [..., n, n, n], [i, j, k]: whether k is a candidate of the pair of i and j.
    """
    n = s.shape[-1]
    itself = torch.eye(n, dtype=torch.bool)
    row = s.unsqueeze(-2)
    contrast = _over(row, chosen)
    ratio = s - contrast
    multiplied = row * chosen
    others = ratio.masked_fill(itself, NOTHING)
    terms: dict[str, Callable[[], Tensor]] = {
        "multiplied": lambda: multiplied.logsumexp(-1) - s,
        "multiplied others": lambda: _over(multiplied, ~itself.unsqueeze(1)) - s,
        "twice": lambda: torch.logaddexp(contrast, s) - s,
        "no logarithm": lambda: -ratio.exp(),
        "sum": lambda: contrast.exp() - s,
        "exponential": lambda: contrast - s.exp(),
        "squared": ratio.square,
        "from the partner": lambda: _over(s.unsqueeze(-3), chosen) - s,
        "mean of an anchor": lambda: (math.log(n - 1) - others.logsumexp(-1, True)).expand_as(s),
        "mean of all": lambda: (math.log(n * (n - 1)) - others.logsumexp((-1, -2), True)).expand_as(
            s
        ),
        "maximum": lambda: contrast - s.masked_fill(itself, NOTHING).amax(-1, keepdim=True) - s,
        "turned": lambda: contrast + s,
        "detached": lambda: contrast - s.detach(),
        "hardest": lambda: row.masked_fill(~chosen, NOTHING).amax(-1) - s,
        "mean": lambda: multiplied.sum(-1) / chosen.sum(-1).clamp(min=1) - s,
        "logistic": lambda: (
            (chosen & ~itself) * torch.nn.functional.softplus(row - s.unsqueeze(-1))
        ).sum(-1),
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
