"""The contrast sums of a batch: straight from the definition, or by sorting each anchor's row."""

import math
from typing import Literal

import torch
from torch import Tensor

from supcr_bench.values.definition import Definition

Method = Literal["direct", "fast"]
ANCHORS_PER_BLOCK = 64
"""Most anchors in a block of the fast sums."""
TERMS_PER_BLOCK = 2**19
"""Most terms in a block of the direct sums: views times anchors times pairs and candidates."""
NOTHING = -1e300
"""Stands for the logarithm of 0, from which the backward of logcumsumexp would make NaN."""


def contrast_sums(
    logits: Tensor,
    delta: Tensor,
    definition: Definition,
    method: Method,
    *,
    value_only: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over i != j of -log(exp s(i,j) / max(eps, sum over S(i,j) of exp s(i,k))).

    A definition that adds eps has the sum of both in place of their maximum. Autograd computes the
    gradient, so that none is derived by hand.

    Args:
        logits: [V, M, M] float64, s of each of V views of M labelled rows.
        delta: [M, M] float64, label distances exactly as the labels' dtype rounds them.
        definition: gives the candidate rule and eps.
        method: ``direct`` sums every candidate set S(i,j) on its own, in N^3 work, and is the
            standard for all other code in this package; ``fast`` takes N^2 log N.
        value_only: the gradient is left 0.

    Returns:
        the sum over all pairs and views, a scalar; its gradient w.r.t. the logits, [V, M, M]; and
        the logarithm of what gets a floor: each candidate sum, over the factor of eps, or each
        ratio, [V, M, M], +inf where i = j.
    """
    views, m, _ = logits.shape
    log_eps, rule = definition.log_eps, definition.eps_rule
    total = torch.zeros((), dtype=torch.float64)
    gradient = torch.zeros_like(logits)
    log_contrasts = torch.empty_like(logits)
    direct = method == "direct"
    block = max(1, TERMS_PER_BLOCK // (views * m * m)) if direct else ANCHORS_PER_BLOCK
    for anchors in torch.split(torch.arange(m), block):
        s = logits[:, anchors].detach().requires_grad_(not value_only)
        itself = anchors.unsqueeze(1) == torch.arange(m)
        left_out = itself & (definition.self_candidate == "never")
        contrast = (_direct if direct else _fast)(s, delta[anchors], left_out)
        denominator, scale = denominators(contrast, s, itself, log_eps, rule)
        floored = s - denominator if rule == "ratio_floor" else contrast - scale
        log_contrasts[:, anchors] = floored.detach().masked_fill(itself, math.inf)
        numerator = numerators(s, denominator, log_eps, rule)
        losses = (denominator - numerator).masked_fill(itself, 0)
        if not value_only:
            (gradient[:, anchors],) = torch.autograd.grad(losses.sum(), s)
        total += losses.detach().sum()
    return total, gradient, log_contrasts


def _direct(s: Tensor, delta: Tensor, left_out: Tensor) -> Tensor:
    """The logarithm of each pair's candidate sum, [V, B, M] as ``s``, for B anchors."""
    candidates = delta.unsqueeze(1) >= delta.unsqueeze(2)  # [i, j, k]
    candidates &= ~left_out.unsqueeze(1)
    terms = s.unsqueeze(2).expand(-1, -1, s.shape[2], -1)
    return torch.logsumexp(terms.masked_fill(~candidates, -math.inf), dim=3)


def _fast(s: Tensor, delta: Tensor, left_out: Tensor) -> Tensor:
    """The same: by falling label distance, every candidate set is the beginning of the row."""
    place, order = (-delta).sort(dim=1)
    size = torch.searchsorted(place, place, right=True)
    last = torch.empty_like(order).scatter_(1, order, size - 1)
    running = s.masked_fill(left_out, NOTHING).gather(2, order.expand_as(s)).logcumsumexp(dim=2)
    return running.gather(2, last.expand_as(s))


def denominators(
    log_contrast: Tensor, logits: Tensor, itself: Tensor, log_eps: Tensor | float, rule: str
) -> tuple[Tensor, Tensor]:
    """Logarithms of the denominators of B anchors [..., B, M], and of the factor of eps.

    ``log_contrast`` is of the candidate sums, and ``logits`` are s, both [..., B, M]; the factor
    passes no gradient to them. ``itself`` [B, M] says where k = i, ``rule`` the definition's.
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

    The term is log(exp s + eps contrast), or the larger of the two; s itself under another rule.
    ``logits`` are s and ``denominator`` is log(contrast) of each pair, both [..., M]; ``log_eps``
    is the logarithm of the eps in the ratio.
    """
    if "ratio" not in rule:
        return logits
    join = torch.maximum if rule == "ratio_floor" else torch.logaddexp
    return join(logits, denominator + log_eps)
