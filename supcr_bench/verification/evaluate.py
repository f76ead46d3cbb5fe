"""Losses and gradients of family members: of many on a small batch, or of one on a large."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from supcr_bench.reference.contrast import denominators, numerators
from supcr_bench.values.result import grouped
from supcr_bench.verification.family import (
    DETACHED,
    EARLY,
    NOTHING,
    STRICT,
    Member,
    Views,
    candidates,
    losses,
    numbers_of,
    pair_weights,
    places,
    rule_of,
)
from supcr_bench.verification.odd_terms import OF_CANDIDATES, odd_terms
from supcr_bench.verification.phrases import PHRASES

Rows = tuple[tuple[float, ...], ...]
"""A matrix as nested tuples of numbers, a key of the caches below."""
Pairs = tuple[Tensor, Tensor]
"""[n, n, n] candidates and [n, n] weights of pairs."""
ALL_KEPT = 300
"""The most members whose losses are all cached. Of a larger set, the last 8 are, except at the
temperature ``HOT``, at which every loss is compared with the same members."""
HOT = 1e6
"""A temperature at which all candidates weigh the same."""
ELEMENTS = 2**19
"""Most elements [i, j, k] of candidates of a large batch in memory at once."""


def evaluate(
    members: Sequence[Member], views: Views, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses [U] of members, and their gradients [U, V N d], in float64.

    Do not change the tensors in place: they are cached.

    Args:
        members: the H losses to evaluate; those of the same pairs and numbers are evaluated once.
        views: [N, d] each, one or two.
        labels: [N, D]; a row without a label is left out.

    Returns:
        the losses and gradients of U <= H members, and [H], the place of each member among them.
    """
    asked = _kept if len(members) <= ALL_KEPT or members[0].temperature == HOT else _large
    batch = (tuple(map(tuple, x.tolist())) for x in (*views, labels))
    return asked(tuple(members), *batch)


def _evaluate(members: tuple[Member, ...], *batch: Rows) -> tuple[Tensor, Tensor, Tensor]:
    columns = sum(len(rows) * len(rows[0]) for rows in batch[:-1])
    places, distinct = [0] * len(members), 0
    terms: list[Term] = []
    for kind, indices in grouped(range(len(members)), lambda at: members[at].kind).items():
        parts = _parts(kind, *batch)
        pairs = {at: [part.rules.of(members[at]) for part in parts] for at in indices}
        keys = {
            at: (*map(id, pairs[at]), numbers_of(members[at]), members[at].gradient)
            for at in indices
        }
        for alike in grouped(indices, keys.__getitem__).values():
            m = members[alike[0]]
            rule = m.odd or (m.eps_rule if m.eps else ""), m.gradient == DETACHED
            chosen = zip(parts, pairs[alike[0]], strict=True)
            terms += [Term(part, m, rule, of_part, distinct) for part, of_part in chosen]
            for at in alike:
                places[at] = distinct
            distinct += 1
    found = torch.zeros(distinct, dtype=torch.float64)
    gradients = torch.zeros(distinct, columns, dtype=torch.float64)
    for some in grouped(terms, lambda term: (len(term.part.similarities), *term.rule)).values():
        values, slopes = _terms(some)
        of_part = [id(term.part) for term in some]
        for own in grouped(range(len(some)), of_part.__getitem__).values():
            slots = [some[k].place for k in own]
            gradients[slots] += slopes[own] @ some[own[0]].part.jacobian
            found[slots] += values[own]
    return found, gradients, torch.tensor(places, dtype=torch.long)


_kept, _large = (functools.lru_cache(maxsize=most)(_evaluate) for most in (256, 8))


class Rules:
    """The candidates and weights of members, for given [n, n] label differences."""

    def __init__(self, differences: Rows) -> None:
        self._difference = torch.tensor(differences, dtype=torch.float64)
        self._ties = bool((self._difference.abs().sort().values.diff() == 0).any())
        self._by_answer: dict[bytes, Pairs] = {}
        self._by_rule: dict[tuple[object, ...], Pairs] = {}

    def of(self, m: Member) -> Pairs:
        """[n, n, n] candidates and [n, n] weights: one object for all members that share them."""
        within = m.measured not in ("candidate", "partner")  # distances in one row are compared
        ties = "" if within and not self._ties else m.ties
        rule = (rule_of(m), ties, m.pairs == "with itself" and m.views.startswith("across"))
        found = self._by_rule.get(rule)
        if found is None:
            chosen, weight = candidates(m, self._difference)
            answer = chosen.numpy().tobytes() + weight.numpy().tobytes()
            found = self._by_rule[rule] = self._by_answer.setdefault(answer, (chosen, weight))
        return found


_rules = functools.lru_cache(maxsize=64)(Rules)


class Part(NamedTuple):
    """One term of a loss that is a sum, such as that of one view.

    Attributes:
        similarities: [n, n], before the division by the temperature.
        jacobian: [n n, V N d], their derivatives w.r.t. the views.
    """

    similarities: Tensor
    jacobian: Tensor
    rules: Rules
    share: float


class Term(NamedTuple):
    """A part of one member, which stands for all members that have the same numbers there.

    Attributes:
        rule: the member's odd term, or its rule for eps; empty if it has neither. And whether the
            gradient goes through no denominator.
        place: where these members are among those evaluated.
    """

    part: Part
    member: Member
    rule: tuple[str, bool]
    pairs: Pairs
    place: int


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


def _terms(terms: Sequence[Term]) -> tuple[Tensor, Tensor]:
    """The values [R] of R terms of the same rule, with n rows each; and their slopes [R, n n]."""

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)

    members = [term.member for term in terms]
    rule, detached = terms[0].rule
    leaf = torch.stack([term.part.similarities for term in terms]).requires_grad_()
    chosen, weight = map(torch.stack, zip(*(term.pairs for term in terms), strict=True))
    weight = weight * column([term.part.share for term in terms])
    partner = column([m.partner for m in members])
    s = leaf / column([m.temperature for m in members])
    if rule in PHRASES["odd"]:
        of_contrast, pulled = weight * odd_terms(rule, s, chosen), torch.zeros_like(s)
    else:
        empty, log_eps = ~chosen.any(-1), column([m.eps for m in members]).log()
        held = s.unsqueeze(2).masked_fill(~chosen, -torch.inf)
        contrast = held.masked_fill(empty.unsqueeze(-1), 0.0).logsumexp(-1)
        contrast = contrast.masked_fill(empty, NOTHING)
        if rule:
            itself = torch.eye(s.shape[-1], dtype=torch.bool)
            contrast, _ = denominators(contrast, s.detach(), itself, log_eps, rule)
        pulled = weight * numerators(partner * s, contrast, log_eps, rule)
        of_contrast = weight * contrast
    values = ((of_contrast.detach() if detached else of_contrast) - pulled).sum((1, 2))
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0].flatten(1)


def evaluate_large(
    member: Member, views: Views, labels: Tensor, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, list[Tensor]]:
    """Gradient [V N d] of a member, and its terms [n, n], which add up to the loss.

    For batches of hundreds of rows: in place of the [n, n, n] candidates of :func:`evaluate`, it
    sorts each anchor's row, or holds the candidates of a few anchors at a time. Rows with a missing
    label are left out.
    """
    leaves = [v.detach().to(dtype).requires_grad_() for v in views]
    log_eps, rule = torch.tensor(member.eps, dtype=torch.float64).log(), member.eps_rule
    in_row = member.measured not in ("partner", "candidate")
    sorts = in_row and (member.comparison in STRICT or member.keeps_partner)
    sorts = sorts and member.odd not in OF_CANDIDATES and member.comparison != EARLY
    pulled: list[Tensor] = []
    terms: list[Tensor] = []
    for similarity, difference, share in losses(member, leaves, labels):
        logits, n = similarity / member.temperature, len(similarity)
        s, itself = logits.detach().requires_grad_(), torch.eye(n, dtype=torch.bool)
        block = n if sorts else max(1, ELEMENTS // n**2)
        found = []
        for anchors in (slice(start, start + block) for start in range(0, n, block)):
            own = s[anchors]
            if sorts:
                contrast, weight = _by_sorting(member, s, difference)
                chosen = weight > 0  # which no term after a sort reads
            else:
                chosen, weight = candidates(member, difference, anchors)
                contrast = own.unsqueeze(1).masked_fill(~chosen, NOTHING).logsumexp(dim=2)
            if member.odd:
                term = odd_terms(member.odd, s, chosen, anchors, contrast)
            else:
                contrast = contrast.masked_fill(contrast < NOTHING / 2, NOTHING)
                contrast, _ = denominators(contrast, own, itself[anchors], log_eps, rule)
                term = -numerators(member.partner * own, contrast, log_eps, rule)
                term = term + (contrast.detach() if member.gradient == DETACHED else contrast)
            term = torch.where(weight > 0, term, 0.0) * weight.to(s) * share
            term.sum().backward()  # type: ignore[no-untyped-call]
            found.append(term.detach())
        terms.append(torch.cat(found))
        assert s.grad is not None
        pulled.append((logits * s.grad).sum())
    gradient = torch.autograd.grad(torch.stack(pulled).sum(), leaves, materialize_grads=True)
    return torch.cat([g.flatten() for g in gradient]), terms


def _by_sorting(member: Member, s: Tensor, difference: Tensor) -> tuple[Tensor, Tensor]:
    """log(contrast) and the weights of all pairs, [n, n] each.

    By falling or rising label distance, every candidate set is the beginning of the row.
    """
    itself = torch.eye(len(s), dtype=torch.bool)
    strict = member.comparison in STRICT
    place = places(member, difference)
    place = (-place if member.comparison.startswith(">") else place).contiguous()
    order = place.argsort(dim=1)
    size = torch.searchsorted(place.gather(1, order), place, right=not strict)
    own, anchor = place.diagonal().unsqueeze(1), s.diagonal().unsqueeze(1)
    others = size > (own < place if strict else own <= place).long()
    partner, s = s, s if member.self_candidate == "when_tied" else s.masked_fill(itself, NOTHING)
    begun = torch.cat((torch.full_like(anchor, NOTHING), s.gather(1, order)), dim=1)
    contrast = begun.logcumsumexp(dim=1).gather(1, size)
    if member.self_candidate == "always":
        contrast = torch.logaddexp(contrast, anchor)
        partner = s
    if strict and member.keeps_partner:
        contrast = torch.logaddexp(contrast, partner)
    return contrast, pair_weights(member, others, itself)
