"""Evaluates many members of the family at once: their losses and gradients on one batch."""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from supcr_bench.reference.contrast import log_eps_scale, with_ratio_eps
from supcr_bench.verification.family import NOTHING, WHOLE, Member, candidates, losses, rule_of


def evaluate(
    members: Sequence[Member], views: Sequence[Tensor], labels: Tensor, *, warm: bool = False
) -> tuple[Tensor, Tensor]:
    """The sums [H, 2] of H members, and their gradients [H, 2, V N d], in float64.

    The first is the sum of W log(contrast), the second that of -W s; a loss is both together.

    Args:
        members: which.
        views: [N, d] each, one or two.
        labels: [N, D]; a row without a label is left out.
        warm: take the limit of a high temperature, where all candidates weigh the same, times
            that temperature; the sums mean nothing then.
    """
    sums = torch.zeros(len(members), 2, dtype=torch.float64)
    gradients = torch.zeros(len(members), 2, sum(v.numel() for v in views), dtype=torch.float64)
    alike: dict[tuple[object, ...], list[int]] = {}
    for at, m in enumerate(members):
        whole = m.measured if m.measured in WHOLE else ""
        key = (m.similarity, m.normalised, m.views, m.label_distance, whole, m.gradient)
        alike.setdefault(key, []).append(at)
    for indices in alike.values():
        some = [members[at] for at in indices]
        first, which = different(some, views, labels)
        for at, (values, found) in enumerate(_parts(first, views, labels, warm=warm)):
            sums[indices, at] = values[which]
            gradients[indices, at] = found[which]
    return sums, gradients


class Rules:
    """The different candidates [n, n, n] and weights [n, n] of members, for label differences."""

    def __init__(self, difference: Tensor) -> None:
        self._difference = difference
        self._ties = bool((difference.abs().sort().values.diff() == 0).any())
        self._answers: list[tuple[Tensor, Tensor]] = []
        self._by_answer: dict[bytes, int] = {}
        self._by_rule: dict[tuple[object, ...], int] = {}

    def of(self, members: Iterable[Member]) -> tuple[Tensor, Tensor]:
        """[H, n, n, n] candidates and [H, n, n] weights of H members."""
        answers = [self._answers[self.index(m)] for m in members]
        return torch.stack([c for c, _ in answers]), torch.stack([w for _, w in answers])

    def index(self, m: Member) -> int:
        """The number of a member's candidates and weights; of another with the same, the same."""
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
def _rules(differences: tuple[tuple[float, ...], ...]) -> Rules:
    return Rules(torch.tensor(differences, dtype=torch.float64))


def _rules_for(difference: Tensor) -> Rules:
    return _rules(tuple(map(tuple, difference.tolist())))


def different(
    members: Sequence[Member], views: Sequence[Tensor], labels: Tensor
) -> tuple[list[Member], list[int]]:
    """Members of which no two give the same numbers, and which of them is like each member."""
    if len(members) == 1:
        return list(members), [0]
    rules = [_rules_for(difference) for _, difference, _ in losses(members[0], views, labels)]
    first: dict[tuple[object, ...], int] = {}
    different: list[Member] = []
    which = []
    for m in members:
        key = (*[r.index(m) for r in rules], m.temperature, m.partner, m.eps, m.eps_rule)
        which.append(first.setdefault(key, len(different)))
        if which[-1] == len(different):
            different.append(m)
    return different, which


def _parts(
    members: Sequence[Member], views: Sequence[Tensor], labels: Tensor, *, warm: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the values [H] of either sum, and its gradients [H, V N d]."""

    def column(values: Iterable[float]) -> Tensor:
        return torch.tensor(list(values), dtype=torch.float64).view(-1, 1, 1)

    scale = column(1 / m.temperature for m in members)
    partner = column(m.partner for m in members)
    added = [m.eps if not m.eps_rule.startswith("ratio") else 0.0 for m in members]
    log_eps = column(math.log(eps) if eps else -math.inf for eps in added)
    ratios = [at for at, m in enumerate(members) if m.eps and "ratio" in m.eps_rule]
    floors = column(float(m.eps_rule.startswith("floor")) for m in members).bool()
    used = list(dict.fromkeys(m.eps_rule for m in members if m.eps)) or ["added"]
    rule_at = [used.index(m.eps_rule) if m.eps else 0 for m in members]
    leaves = [v.double().expand(len(members), *v.shape).clone().requires_grad_() for v in views]
    zero = torch.stack([leaf.flatten(1).sum(1) for leaf in leaves]).sum(0) * 0.0
    sums = [zero, zero]
    for s, difference, share in losses(members[0], leaves, labels):
        chosen, weight = _rules_for(difference).of(members)
        weight = weight * share
        if warm:
            alike = weight / chosen.sum(-1).clamp(min=1)
            shares = (alike.unsqueeze(-1) * chosen).sum(2)
            sums[0] = sums[0] + (shares * s).sum((1, 2))
        else:
            s = s * scale
            empty = ~chosen.any(-1)
            terms = s.unsqueeze(2).masked_fill(~chosen, -torch.inf)
            contrast = terms.masked_fill(empty.unsqueeze(-1), 0.0).logsumexp(-1)
            contrast = contrast.masked_fill(empty, NOTHING)
            itself = torch.eye(s.shape[-1], dtype=torch.bool)
            scales = torch.stack([log_eps_scale(s.detach(), itself, rule) for rule in used])
            floor = (log_eps + scales[rule_at, range(len(members))]).expand_as(contrast)
            contrast = torch.where(
                floors, torch.maximum(contrast, floor), torch.logaddexp(contrast, floor)
            )
            sums[0] = sums[0] + (weight * contrast).sum((1, 2))
        pulled = partner * s
        if ratios and not warm:
            pulled = torch.stack(
                [
                    with_ratio_eps(own, denominator, m.eps, m.eps_rule)
                    for m, own, denominator in zip(members, pulled, contrast, strict=True)
                ]
            )
        sums[1] = sums[1] - (weight * pulled).sum((1, 2))
    for part in sums:
        slopes = torch.autograd.grad(part.sum(), leaves, retain_graph=True)
        yield part.detach(), torch.cat([slope.flatten(1) for slope in slopes], dim=1)
