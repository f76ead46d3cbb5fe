"""One member of the family on batches of hundreds of rows."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from supcr_bench.reference.contrast import denominators, numerators
from supcr_bench.verification.family import (
    NOTHING,
    STRICT,
    Member,
    candidates,
    losses,
    pair_weights,
    places,
)

ELEMENTS = 2**19
"""Most elements [i, j, k] of candidates in memory at once."""


def evaluate_large(
    member: Member, views: Sequence[Tensor], labels: Tensor, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, list[Tensor]]:
    """Gradient [V N d] of a member, and its terms [n, n], which add up to the loss.

    For batches of hundreds of rows: in place of the [n, n, n] candidates that
    :func:`~supcr_bench.verification.family.evaluate`
    makes, it sorts each anchor's row, or holds the candidates of a few anchors at a time. Rows with
    a missing label are left out.
    """
    leaves = [v.detach().to(dtype).requires_grad_() for v in views]
    log_eps = torch.tensor(member.eps, dtype=torch.float64).log()
    pulled: list[Tensor] = []
    terms: list[Tensor] = []
    for similarity, difference, share in losses(member, leaves, labels):
        logits = similarity / member.temperature
        s = logits.detach().requires_grad_()
        found = []
        for contrast, weight, anchors in _contrasts(member, s, difference):
            partner = member.partner * s[anchors]
            term = contrast - numerators(partner, contrast, log_eps, member.eps_rule)
            term = torch.where(weight > 0, term, 0.0) * weight * share
            term.sum().backward()  # type: ignore[no-untyped-call]
            found.append(term.detach())
        terms.append(torch.cat(found))
        assert s.grad is not None
        pulled.append((logits * s.grad).sum())
    torch.stack(pulled).sum().backward()  # type: ignore[no-untyped-call]
    gradient = [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves]
    return torch.cat([g.flatten() for g in gradient]), terms


def _contrasts(
    member: Member, s: Tensor, difference: Tensor
) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Yield log(contrast) and the weights of pairs, [B, n] each, for B anchors at a time."""
    n = len(s)
    strict = member.comparison in STRICT
    sorts = member.measured not in ("partner", "candidate") and (strict or member.keeps_partner)
    block = n if sorts else max(1, ELEMENTS // n**2)
    for anchors in (slice(start, start + block) for start in range(0, n, block)):
        if sorts:
            contrast, weight = _by_sorting(member, s, difference)
        else:
            chosen, weight = candidates(member, difference, anchors)
            held = s[anchors].unsqueeze(1).masked_fill(~chosen, NOTHING)
            contrast = held.logsumexp(dim=2)
        contrast = contrast.masked_fill(contrast < NOTHING / 2, NOTHING)
        itself = torch.eye(n, dtype=torch.bool)[anchors]
        log_eps = torch.tensor(member.eps, dtype=torch.float64).log()
        contrast, _ = denominators(contrast, s[anchors], itself, log_eps, member.eps_rule)
        yield contrast, weight.to(s), anchors


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
