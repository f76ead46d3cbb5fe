"""Evaluates many members of the family at once: their losses and gradients on one batch."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from supcr_bench.reference.contrast import denominators, numerators
from supcr_bench.verification.family import NOTHING, Member, candidates, losses, rule_of

Rows = tuple[tuple[float, ...], ...]
"""A matrix as numbers, by which what was worked out for it is found again."""
ALL_KEPT = 300
"""Answers for more members are kept only where they are those of a probe that all losses get."""


def evaluate(
    members: Sequence[Member], views: Sequence[Tensor], labels: Tensor, *, warm: bool = False
) -> tuple[Tensor, Tensor]:
    """The sums [H, 2] of H members, and their gradients [H, 2, V N d], in float64.

    The first sum is that of W log(contrast), the second of -W s; a loss adds both. Do not change
    the tensors in place: they are cached.

    Args:
        members: the losses to evaluate.
        views: [N, d] each, one or two.
        labels: [N, D]; a row without a label is left out.
        warm: take the limit of a high temperature, where all candidates weigh the same, times
            that temperature; the sums mean nothing then.
    """
    asked = _kept if warm or len(members) <= ALL_KEPT else _last
    batch = (tuple(map(tuple, x.tolist())) for x in (*views, labels))
    sums, gradients = asked(tuple(members), warm, *batch)
    return sums, gradients


def _evaluate(members: tuple[Member, ...], warm: bool, *batch: Rows) -> tuple[Tensor, Tensor]:
    columns = sum(len(rows) * len(rows[0]) for rows in batch[:-1])
    sums = torch.zeros(len(members), 2, dtype=torch.float64)
    gradients = torch.zeros(len(members), 2, columns, dtype=torch.float64)
    terms: dict[tuple[int, str], list[tuple[Part, Member, list[int]]]] = {}
    kinds: dict[Member, list[int]] = {}
    for at, m in enumerate(members):
        kinds.setdefault(m.kind, []).append(at)
    for kind, indices in kinds.items():
        parts = _parts(kind, *batch)
        rules = list(dict.fromkeys(part.rules for part in parts))
        different: dict[tuple[object, ...], list[int]] = {}
        for at in indices:
            m = members[at]
            number = (m.temperature, m.partner, m.eps, m.eps_rule)
            different.setdefault((*(r.index(m) for r in rules), *number), []).append(at)
        for places in different.values():
            m = members[places[0]]
            for part in parts:
                key = len(part.similarities), m.eps_rule if m.eps else ""
                terms.setdefault(key, []).append((part, m, places))
    for (_, rule), some in terms.items():
        values, slopes = _terms([(part, m) for part, m, _ in some], rule, warm=warm)
        of_part: dict[int, list[int]] = {}
        for at, (part, *_) in enumerate(some):
            of_part.setdefault(id(part), []).append(at)
        for own in of_part.values():
            found = slopes[own] @ some[own[0]][0].jacobian
            which = [at for at, k in enumerate(own) for _ in some[k][2]]
            places = [place for k in own for place in some[k][2]]
            gradients[places] += found[which]
            sums[places] += values[own][which]
    return sums, gradients


_kept, _last = (functools.lru_cache(maxsize=most)(_evaluate) for most in (256, 1))


class Rules:
    """The distinct candidates [n, n, n] and weights [n, n] of members, for given labels."""

    def __init__(self, difference: Tensor) -> None:
        self._difference = difference
        self._ties = bool((difference.abs().sort().values.diff() == 0).any())
        self._answers: list[tuple[Tensor, Tensor]] = []
        self._by_answer: dict[bytes, int] = {}
        self._by_rule: dict[tuple[object, ...], int] = {}

    def of(self, member: Member) -> tuple[Tensor, Tensor]:
        """[n, n, n] candidates and [n, n] weights."""
        return self._answers[self.index(member)]

    def index(self, m: Member) -> int:
        """An index that members with the same candidates and weights share."""
        within = m.measured not in ("candidate", "partner")  # distances in one row are compared
        ties = "" if within and not self._ties else m.ties
        rule = (rule_of(m), ties, m.pairs == "with itself" and m.views.startswith("across"))
        if rule not in self._by_rule:
            chosen, weight = candidates(m, self._difference)
            answer = chosen.numpy().tobytes() + weight.numpy().tobytes()
            at = self._by_answer.setdefault(answer, len(self._answers))
            if at == len(self._answers):
                self._answers.append((chosen, weight))
            self._by_rule[rule] = at
        return self._by_rule[rule]


@functools.lru_cache(maxsize=64)
def _rules(differences: Rows) -> Rules:
    return Rules(torch.tensor(differences, dtype=torch.float64))


class Part(NamedTuple):
    """One of the losses that members of a kind add up.

    Attributes:
        similarities: [n, n], before the division by the temperature.
        jacobian: [n n, V N d], their derivatives w.r.t. the views.
        rules: the candidates and weights of pairs.
        share: the weight of the loss.
    """

    similarities: Tensor
    jacobian: Tensor
    rules: Rules
    share: float


@functools.lru_cache(maxsize=512)
def _parts(kind: Member, *batch: Rows) -> list[Part]:
    """The losses that each member of a kind adds up, on the views and labels of one batch."""
    *views, labels = (torch.tensor(rows, dtype=torch.float64) for rows in batch)
    found = list(losses(kind, views, labels))
    copied = {}
    for n in {len(similarities) for similarities, _, _ in found}:
        # One copy of the views for each similarity gives all their derivatives in one pass.
        leaves = [v.expand(n * n, *v.shape).clone().requires_grad_() for v in views]
        copied[n] = leaves, [s.flatten(1).diagonal() for s, _, _ in losses(kind, leaves, labels)]
    parts = []
    for at, (similarities, difference, share) in enumerate(found):
        leaves, copies = copied[len(similarities)]
        slopes = torch.autograd.grad(
            copies[at].sum(), leaves, retain_graph=True, materialize_grads=True
        )
        jacobian = torch.cat([slope.flatten(1) for slope in slopes], dim=1)
        rules = _rules(tuple(map(tuple, difference.tolist())))
        parts.append(Part(similarities, jacobian, rules, share))
    return parts


def _terms(some: Sequence[tuple[Part, Member]], rule: str, *, warm: bool) -> tuple[Tensor, Tensor]:
    """The values [R, 2] of both sums of R parts, and their derivatives [R, 2, n n] by similarities.

    All parts have n rows, and all members add eps by the same ``rule``.
    """

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)

    similarities = torch.stack([part.similarities for part, _ in some]).requires_grad_()
    chosen, weight = map(torch.stack, zip(*(part.rules.of(m) for part, m in some), strict=True))
    weight = weight * column([part.share for part, _ in some])
    partner = column([m.partner for _, m in some])
    if warm:
        alike = (weight / chosen.sum(-1).clamp(min=1)).unsqueeze(-1) * chosen
        contrast, pulled = alike.sum(2) * similarities, weight * partner * similarities
    else:
        s = similarities / column([m.temperature for _, m in some])
        log_eps = column([m.eps for _, m in some]).log()
        empty = ~chosen.any(-1)
        held = s.unsqueeze(2).masked_fill(~chosen, -torch.inf)
        contrast = held.masked_fill(empty.unsqueeze(-1), 0.0).logsumexp(-1)
        contrast = contrast.masked_fill(empty, NOTHING)
        itself = torch.eye(s.shape[-1], dtype=torch.bool)
        contrast, _ = denominators(contrast, s.detach(), itself, log_eps, rule)
        pulled = weight * numerators(partner * s, contrast, log_eps, rule)
        contrast = weight * contrast
    both = contrast.sum((1, 2)), -pulled.sum((1, 2))
    slopes = [torch.autograd.grad(x.sum(), similarities, retain_graph=True)[0] for x in both]
    return torch.stack(both, 1).detach(), torch.stack(slopes, 1).flatten(2)
