"""Mistakes in the term of a pair: what losses compute in place of log(contrast) - s."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from supcr_bench.verification.family import EARLY, NOTHING, SIMILARITIES, Member
from supcr_bench.verification.phrases import PHRASES

LARGE = [0.01, 0.02, 0.05, *(x / 10 for x in range(1, 10)), 1.0, 2.0, 5.0, 10.0]
OF_CANDIDATES = (
    "multiplied",
    "multiplied others",
    "from the partner",
    "hardest",
    "mean",
    "logistic",
)
"""The mistakes that need the candidates themselves, and not only the sum over them."""


def odd_terms(
    how: str,
    s: Tensor,
    chosen: Tensor,
    anchors: slice = slice(None),
    contrast: Tensor | None = None,
) -> Tensor:
    """The terms [..., B, n] of all pairs of B anchors, by a key of ``PHRASES["odd"]``.

    Args:
        how: the key; the mean of all ratios needs all anchors.
        s: [..., n, n] similarities over the temperature.
        chosen: [..., B, n, n], [i, j, k]: whether k is a candidate of the pair of i and j.
        anchors: the rows i.
        contrast: [..., B, n]; if it is given, only the keys ``OF_CANDIDATES`` read ``chosen``.
    """

    def over(s: Tensor, chosen: Tensor) -> Tensor:
        return s.masked_fill(~chosen, NOTHING).logsumexp(-1)

    n, own = s.shape[-1], s[..., anchors, :]
    apart = ~torch.eye(n, dtype=torch.bool)
    row, itself = own.unsqueeze(-2), ~apart[anchors]
    if contrast is None:
        contrast = own if how in OF_CANDIDATES else over(row, chosen)
    ratio = own - contrast
    others = ratio.masked_fill(itself, NOTHING)
    terms: dict[str, Callable[[], Tensor]] = {
        "multiplied": lambda: (row * chosen).logsumexp(-1) - own,
        "multiplied others": lambda: over(row * chosen, ~itself.unsqueeze(1)) - own,
        "from the partner": lambda: over(s.unsqueeze(-3), chosen) - own,
        "hardest": lambda: row.masked_fill(~chosen, NOTHING).amax(-1) - own,
        "mean": lambda: (row * chosen).sum(-1) / chosen.sum(-1).clamp(min=1) - own,
        "logistic": lambda: (
            (chosen & apart) * torch.nn.functional.softplus(row - own.unsqueeze(-1))
        ).sum(-1),
        "twice": lambda: torch.logaddexp(contrast, own) - own,
        "no logarithm": lambda: -ratio.exp(),
        "sum": lambda: contrast.exp() - own,
        "exponential": lambda: contrast - own.exp(),
        "squared": ratio.square,
        "mean of an anchor": lambda: (math.log(n - 1) - others.logsumexp(-1, True)).expand_as(own),
        "mean of all": lambda: (
            math.log(n * (n - 1)) - others.logsumexp((-1, -2), True).expand_as(own)
        ),
        "maximum": lambda: contrast - own.masked_fill(itself, NOTHING).amax(-1, keepdim=True) - own,
        "turned": lambda: contrast + own,
        "detached": lambda: contrast - own.detach(),
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
