"""The family of losses as data, right members and wrong ones, many evaluated at once.

A member is a weighted sum over pairs of an anchor i and a partner j,

    sum of W(i,j) (log(contrast(i,j)) - s(i,j)),  contrast(i,j) = eps + sum exp s(i,k), k in S(i,j)

with s the similarity over the temperature, and S(i,j) the candidates. Every choice that
implementations are known to make is a field, so that a loss can be found among the members by its
numbers. A constant factor is no field: it changes the step size alone, and is read afterwards.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.verification.phrases import PHRASES

SIMILARITIES = {
    ("dot", True): "cosine",
    ("dot", False): "dot",
    ("euclidean", False): "negative_euclidean",
    ("squared", False): "negative_squared_euclidean",
    ("euclidean", True): "negative_euclidean_normalised",
    ("squared", True): "negative_squared_euclidean_normalised",
}
"""The name in a definition of each (similarity, normalised)."""
TWO_VIEWS = (
    "separate",
    "concatenated",
    "first only",
    "second only",
    "averaged rows",
    "interleaved rows",
    "interleaved labels",
)
STRICT = (">", "<")
WHOLE = {"truncated": torch.trunc, "rounded": torch.round}
"""What makes labels whole numbers."""
NOTHING = -1e6
"""Stands for the logarithm of an empty sum."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the family; ``PHRASES`` says what each choice means.

    Attributes:
        similarity: ``dot``, ``euclidean`` or ``squared``; the last two negative.
        normalised: whether rows are divided by their norms first.
        eps: in the denominator; 0 for none.
        eps_rule: whether eps is the floor of the denominator or is added to it.
        temperature: what s is divided by; negative where its sign is turned.
    """

    similarity: str = "dot"
    normalised: bool = True
    views: str = "separate"
    comparison: str = ">="
    keeps_partner: bool = True
    pairs: str = "all"
    self_candidate: str = "never"
    measured: str = "anchor"
    ties: str = "by_value"
    label_distance: str = "per_dimension"
    eps: float = 0.0
    eps_rule: str = "added"
    temperature: float = 1.0

    def faults(self) -> int:
        """The number of choices, on ties and on the anchor too, that are not the plain one."""
        plain = Member()
        names = ("comparison", "keeps_partner", "pairs", "self_candidate", "measured", "ties")
        odd = [n for n in names if getattr(self, n) != getattr(plain, n)]
        return len(odd) + (self.views not in ("single", "separate", "concatenated"))

    @property
    def joined(self) -> bool:
        """Whether the views are joined into one batch of 2N rows."""
        return self.views.startswith(("concatenated", "interleaved"))


def structures(views: Iterable[str], similarities: Iterable[tuple[str, bool]]) -> list[Member]:
    """Members that differ in the views, the similarity and the candidates of one dimension."""
    compared = [(c, True) for c in (">=", "<=")]
    compared += [(c, keeps) for c in STRICT for keeps in (True, False)]
    return [
        Member(similarity, normalised, how, comparison, keeps, pairs, anchor, measured, ties)
        for how in views
        for similarity, normalised in similarities
        for (comparison, keeps), pairs, anchor, measured, ties in itertools.product(
            compared,
            PHRASES["pairs"],
            PHRASES["self_candidate"],
            PHRASES["measured"],
            PHRASES["ties"],
        )
    ]


def as_measured(member: Member, labels: Tensor) -> Tensor:
    """The labels that a member takes distances of: whole numbers, or as they are."""
    return WHOLE[member.measured](labels) if member.measured in WHOLE else labels


def stacked_rows(how: str, views: Sequence[Tensor], labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The rows [..., n, d] and labels [n, D] of each batch whose losses a member adds up."""
    first, second = views[0], views[-1]
    if how in ("single", "first only"):
        return [(first, labels)]
    if how == "separate":
        return [(first, labels), (second, labels)]
    if how == "second only":
        return [(second, labels)]
    if how == "averaged rows":
        return [((first + second) / 2, labels)]
    rows = torch.cat((first, second), dim=-2)
    if how == "interleaved labels":
        return [(rows, labels.repeat_interleave(2, dim=0))]
    if how == "interleaved rows":
        rows = torch.stack((first, second), dim=-2).flatten(-3, -2)
    return [(rows, torch.cat((labels, labels)))]


def label_columns(how: str, labels: Tensor) -> list[Tensor]:
    """[n, n] signed label differences or distances of each loss that a member takes the mean of."""
    difference = labels.unsqueeze(0) - labels.unsqueeze(1)
    if how == "per_dimension":
        return list(difference.unbind(-1))
    joint: dict[str, Callable[[], Tensor]] = {
        "first": lambda: difference[..., 0],
        "last": lambda: difference[..., -1],
        "l1": lambda: difference.abs().sum(-1),
        "l2": lambda: difference.norm(dim=-1),
        "max": lambda: difference.abs().amax(-1),
        "sum": lambda: difference.sum(-1),
    }
    return [joint[how]()]


def similarities(rows: Tensor, member: Member) -> Tensor:
    """[..., n, n] similarities before the division by the temperature."""
    if member.normalised:
        rows = rows / rows.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    if member.similarity == "dot":
        return rows @ rows.mT
    distance = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return -distance.square() if member.similarity == "squared" else -distance


def places(member: Member, difference: Tensor) -> Tensor:
    """[n, n]: what a member compares, label distances or their positions in each row's sort."""
    signs = {"signed": difference, "signed turned": -difference}
    place = signs.get(member.measured, difference.abs())
    if member.ties == "by_value":
        return place
    sign = 1 if member.ties == "by_position" else -1
    return sign * (sign * place).argsort(dim=1, stable=True).argsort(dim=1)


def pair_weights(member: Member, others: Tensor, itself: Tensor) -> Tensor:
    """[B, n]: the weight W of each pair of B anchors.

    Args:
        member: gives the rule.
        others: [B, n], whether a pair has candidates other than the anchor.
        itself: [B, n], where a partner is the anchor itself.
    """
    n = itself.shape[1]
    used = torch.ones_like(itself) if member.pairs == "with itself" else ~itself
    if member.pairs in ("with candidates", "by anchor"):
        used = used & others
    if member.pairs == "once":
        used = used & (itself.cumsum(1) > 0)
    if member.pairs == "by anchor":
        return used.double() / used.sum(1, keepdim=True).clamp(min=1) / n
    return used.double() / (n * (n - 1))


def candidates(
    member: Member, difference: Tensor, anchors: slice = slice(None)
) -> tuple[Tensor, Tensor]:
    """[i, j, k]: whether k is in S(i,j); and [i, j]: the weight W of each pair.

    Args:
        member: gives the rule.
        difference: [n, n] signed label differences, or distances.
        anchors: the rows i that are asked for.
    """
    n = len(difference)
    rows = torch.arange(n)[anchors].unsqueeze(1)
    place = places(member, difference)
    own = place[anchors]
    limit = place.unsqueeze(0) if member.measured == "candidate" else own.unsqueeze(2)
    place = place.unsqueeze(0) if member.measured == "partner" else own.unsqueeze(1)
    chosen = {
        ">=": place >= limit,
        ">": place > limit,
        "<=": place <= limit,
        "<": place < limit,
    }[member.comparison].expand(len(rows), n, n)
    itself = torch.arange(n) == rows
    others = chosen & ~itself.unsqueeze(1)
    if member.self_candidate == "never":
        chosen = others
    elif member.self_candidate == "always":
        chosen = chosen | itself.unsqueeze(1)
    if member.comparison in STRICT and member.keeps_partner:
        chosen = chosen | torch.eye(n, dtype=torch.bool)
    return chosen, pair_weights(member, others.any(-1), itself)


def evaluate(
    members: Sequence[Member], views: Sequence[Tensor], labels: Tensor, *, warm: bool = False
) -> tuple[Tensor, Tensor]:
    """The sums [H, 2] of H members, and their gradients [H, 2, V N d], in float64.

    The first is the sum of W log(contrast), the second that of -W s; a loss is both together.

    Args:
        members: which.
        views: [N, d] each, one or two.
        labels: [N, D], none missing.
        warm: take the limit of a high temperature, where all candidates weigh the same, times
            that temperature; the sums mean nothing then.
    """
    sums = torch.zeros(len(members), 2, dtype=torch.float64)
    gradients = torch.zeros(len(members), 2, sum(v.numel() for v in views), dtype=torch.float64)
    alike: dict[tuple[object, ...], list[int]] = {}
    for at, m in enumerate(members):
        key = (
            m.similarity,
            m.normalised,
            m.views,
            m.label_distance,
            m.measured if m.measured in WHOLE else "",
        )
        alike.setdefault(key, []).append(at)
    rules: Rules = {}
    for indices in alike.values():
        some = [members[at] for at in indices]
        for at, (values, found) in enumerate(_parts(some, views, labels, rules, warm=warm)):
            sums[indices, at] = values
            gradients[indices, at] = found
    return sums, gradients


Rules = dict[bytes, tuple[dict[tuple[object, ...], int], list[tuple[Tensor, Tensor]]]]
"""For each matrix of label differences, the index of the rule's answer in the distinct ones."""


def _batches(
    members: Sequence[Member], views: Sequence[Tensor], labels: Tensor, rules: Rules
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield the similarities [..., n, n] of each loss, and how its members choose candidates.

    That is: the different [U, n, n, n] candidates, their weights [U, n, n], and the place [H] of
    each member's among them.
    """
    one = members[0]
    labels = as_measured(one, labels)
    for rows, y in stacked_rows(one.views, views, labels):
        s = similarities(rows, one)
        columns = label_columns(one.label_distance, y)
        for difference in columns:
            index, answers = rules.setdefault(difference.numpy().tobytes(), ({}, []))
            known = {
                c.numpy().tobytes() + w.numpy().tobytes(): at for at, (c, w) in enumerate(answers)
            }
            for m in members:
                if _rule(m) not in index:
                    chosen, weight = candidates(m, difference)
                    key = chosen.numpy().tobytes() + weight.numpy().tobytes()
                    if key not in known:
                        known[key] = len(answers)
                        answers.append((chosen, weight))
                    index[_rule(m)] = known[key]
            wanted = torch.tensor([index[_rule(m)] for m in members])
            used, at = torch.unique(wanted, return_inverse=True)
            chosen, weight = (torch.stack([answers[u][part] for u in used]) for part in (0, 1))
            yield s, chosen, weight / len(columns), at


def _rule(m: Member) -> tuple[object, ...]:
    return m.comparison, m.keeps_partner, m.pairs, m.self_candidate, m.measured, m.ties


Part = tuple[Tensor, Tensor]
"""The values [H] of one sum, and its gradients [H, V N d]."""


def _parts(
    members: Sequence[Member],
    views: Sequence[Tensor],
    labels: Tensor,
    rules: Rules,
    *,
    warm: bool,
) -> Iterator[Part]:
    def column(values: Iterable[float]) -> Tensor:
        return torch.tensor(list(values), dtype=torch.float64).view(-1, 1, 1)

    scale = column(1 / m.temperature for m in members)
    log_eps = column(math.log(m.eps) if m.eps else -math.inf for m in members)
    floors = column(float(m.eps_rule == "floor") for m in members).bool()
    leaves = [v.double().expand(len(members), *v.shape).clone().requires_grad_() for v in views]
    sums = [torch.zeros(len(members), dtype=torch.float64) for _ in range(2)]
    for s, chosen, weight, at in _batches(members, leaves, labels, rules):
        if warm:
            share = weight / chosen.sum(-1).clamp(min=1)
            pulled = (share.unsqueeze(-1) * chosen).sum(2)
            sums[0] = sums[0] + (pulled[at] * s).sum((1, 2))
        else:
            s, allowed = s * scale, chosen[at]
            empty = ~allowed.any(-1)
            terms = s.unsqueeze(2).masked_fill(~allowed, -torch.inf)
            contrast = terms.masked_fill(empty.unsqueeze(-1), 0.0).logsumexp(-1)
            contrast = contrast.masked_fill(empty, NOTHING)
            floor = log_eps.expand_as(contrast)
            contrast = torch.where(
                floors, torch.maximum(contrast, floor), torch.logaddexp(contrast, floor)
            )
            sums[0] = sums[0] + (weight[at] * contrast).sum((1, 2))
        sums[1] = sums[1] - (weight[at] * s).sum((1, 2))
    for part in sums:
        slopes = torch.autograd.grad(part.sum(), leaves, retain_graph=True, materialize_grads=True)
        yield part.detach(), torch.cat([slope.flatten(1) for slope in slopes], dim=1)
