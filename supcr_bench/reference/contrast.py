"""The contrast sums of a batch: straight from the definition, and by sorting each anchor's row.

Both functions return, for V views of M labelled rows: the sum over all i != j and all views, a
scalar; its gradient w.r.t. the logits s, [V, M, M]; and the logarithm of what gets a floor:
each candidate sum, or each ratio, [V, M, M], +inf where i = j.
"""

import math

import torch
from torch import Tensor

from supcr_bench.values.definition import Definition

ContrastSums = tuple[Tensor, Tensor, Tensor]
ANCHORS_PER_BLOCK = 256
"""Most anchors in a block of the fast sums."""
TERMS_PER_BLOCK = 2**19
"""Most terms in a block of the direct sums: views times anchors times pairs and candidates."""


def direct_sums(
    logits: Tensor, delta: Tensor, definition: Definition, *, value_only: bool = False
) -> ContrastSums:
    """Sum over i != j of -log(exp s(i,j) / max(eps, sum over S(i,j) of exp s(i,k))).

    A definition that adds eps has the sum of both in place of their maximum. The returned log
    contrasts have the logarithm of the factor of eps subtracted.

    It sums every candidate set S(i,j) on its own, in N^3 work, and is the standard for all other
    code in this package. Autograd computes the gradient, so that none is derived by hand.

    Args:
        logits: [V, M, M] float64, s of each view.
        delta: [M, M] float64, label distances exactly as the labels' dtype rounds them.
        definition: gives the candidate rule and eps.
        value_only: the gradient is left undefined.
    """
    views, m, _ = logits.shape
    log_eps, rule = definition.log_eps, definition.eps_rule
    total = torch.zeros((), dtype=torch.float64)
    gradient = torch.empty_like(logits)
    log_contrasts = torch.empty_like(logits)
    for anchors in torch.split(torch.arange(m), max(1, TERMS_PER_BLOCK // (views * m * m))):
        s = logits[:, anchors].detach().requires_grad_()
        itself = anchors.unsqueeze(1) == torch.arange(m)
        candidates = delta[anchors].unsqueeze(1) >= delta[anchors].unsqueeze(2)  # [i, j, k]
        if definition.self_candidate == "never":
            candidates &= ~itself.unsqueeze(1)
        terms = s.unsqueeze(2).expand(views, len(anchors), m, m)
        contrast = torch.logsumexp(terms.masked_fill(~candidates, -math.inf), dim=3)
        denominator, scale = denominators(contrast, s, itself, log_eps, rule)
        floored = s - denominator if rule == "ratio_floor" else contrast - scale
        log_contrasts[:, anchors] = floored.detach().masked_fill(itself, math.inf)
        numerator = numerators(s, denominator, log_eps, rule)
        losses = (denominator - numerator).masked_fill(itself, 0)
        if not value_only:
            (gradient[:, anchors],) = torch.autograd.grad(losses.sum(), s)
        total += losses.detach().sum()
    return total, gradient, log_contrasts


def denominators(
    log_contrast: Tensor, logits: Tensor, itself: Tensor, log_eps: Tensor | float, rule: str
) -> tuple[Tensor, Tensor]:
    """Logarithms of the denominators of B anchors [..., B, M], and of the factor of eps.

    Args:
        log_contrast: [..., B, M], of the candidate sums.
        logits: [..., B, M], s of each anchor; the scale passes no gradient to them.
        itself: [B, M], where k = i.
        log_eps: logarithm of eps; -inf for none.
        rule: the definition's ``eps_rule``.
    """
    scale = torch.zeros_like(logits[..., :1])
    if "below" in rule:
        left_out = itself if "others" in rule else torch.zeros_like(itself)
        scale = logits.detach().masked_fill(left_out, -math.inf).amax(dim=-1, keepdim=True)
    if rule.startswith("ratio"):
        return log_contrast, scale
    join = torch.maximum if rule.startswith("floor") else torch.logaddexp
    return join(log_contrast, (scale + log_eps).expand_as(log_contrast)), scale


def numerators(logits: Tensor, denominator: Tensor, log_eps: Tensor | float, rule: str) -> Tensor:
    """The term that replaces s in log(contrast) - s if eps joins exp s / contrast in the logarithm.

    It is log(exp s + eps contrast), or the larger of the two; s itself under another rule.

    Args:
        logits: [..., M], s of each pair.
        denominator: [..., M], log(contrast) of each pair.
        log_eps: logarithm of the eps in the ratio; -inf for none.
        rule: the definition's ``eps_rule``.
    """
    if "ratio" not in rule:
        return logits
    join = torch.maximum if rule == "ratio_floor" else torch.logaddexp
    return join(logits, denominator + log_eps)


def _running_logsumexp(values: Tensor, order: Tensor, last_tied: Tensor) -> Tensor:
    """For each k, the log-sum-exp of the values in ``order`` up to the last that ties with k.

    Args:
        values: [V, B, M].
        order: [B, M], a sort of each row.
        last_tied: [B, M], for each place in the order, the last place whose key is the same.
    """
    order, last_tied = (at.expand(len(values), *at.shape) for at in (order, last_tied))
    running = torch.logcumsumexp(values.gather(2, order), dim=2).gather(2, last_tied)
    return torch.empty_like(running).scatter_(2, order, running)


def _last_tied(ordered: Tensor) -> Tensor:
    """For each place in sorted rows [B, M], the last place in the row with the same value."""
    m = ordered.shape[1]
    ends = torch.arange(m).expand_as(ordered).clone()
    ends[:, :-1].masked_fill_(ordered[:, :-1] == ordered[:, 1:], m)
    return ends.flip(1).cummin(dim=1).values.flip(1)


def fast_sums(
    logits: Tensor, delta: Tensor, definition: Definition, *, value_only: bool = False
) -> ContrastSums:
    """The sums of :func:`direct_sums` in N^2 log N, for batches of thousands.

    By falling label distance every candidate set is a prefix of the row; by rising distance, so are
    the partners whose candidate sets hold a given k. Each sum is a running log-sum-exp in float64,
    which never subtracts. With ``value_only``, the gradient and the contrasts are left undefined.
    """
    m, log_eps, rule = len(delta), definition.log_eps, definition.eps_rule
    total = torch.zeros((), dtype=torch.float64)
    gradient = torch.empty_like(logits)
    log_contrasts = torch.empty_like(logits)
    for start in range(0, m, ANCHORS_PER_BLOCK):
        anchors = torch.arange(start, min(start + ANCHORS_PER_BLOCK, m))
        itself = torch.zeros(len(anchors), m, dtype=torch.bool)
        itself[torch.arange(len(anchors)), anchors] = True
        ordered, rising = delta[anchors].sort(dim=1)

        s = logits[:, anchors]
        if definition.self_candidate == "never":
            s = s.masked_fill(itself, -math.inf)
        contrast = _running_logsumexp(s, rising.flip(1), _last_tied(ordered.flip(1)))
        denominator, scale = denominators(contrast, logits[:, anchors], itself, log_eps, rule)
        numerator = numerators(s, denominator, log_eps, rule)
        total += (denominator - numerator).masked_fill(itself, 0).sum()
        if value_only:
            continue

        # dL/ds(i,k) = sum over partners j with k in S(i,j) of exp(s(i,k) - log contrast(i,j)),
        # less 1 where k is a partner itself. A contrast at its floor passes no gradient. Where eps
        # joins the ratio, each partner's part is multiplied by ratio / (ratio + eps).
        kept = torch.zeros_like(s)
        if rule == "ratio_floor":
            kept = kept.masked_fill(numerator > s, -math.inf)
        elif "ratio" in rule:
            kept = s - numerator
        constant = itself
        if rule.startswith("floor"):
            constant = itself | (contrast < denominator)
        passed_on = (kept - denominator).masked_fill(constant, -math.inf)
        reach = _running_logsumexp(passed_on, rising, _last_tied(ordered))
        gradient[:, anchors] = torch.exp(s + reach) - kept.exp().masked_fill(itself, 0)
        floored = s - denominator if rule == "ratio_floor" else contrast - scale
        log_contrasts[:, anchors] = floored.masked_fill(itself, math.inf)
    return total, gradient, log_contrasts
