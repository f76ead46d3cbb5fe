"""Contrast sums straight from the definition: every candidate set is summed on its own.

N^3 work; everything else in this package is compared with this. Autograd computes the gradient, so
that none is derived by hand.
"""

import math

import torch
from torch import Tensor

from supcr_bench.reference.contrast import ContrastSums
from supcr_bench.values.definition import Definition


def direct_sums(logits: Tensor, delta: Tensor, definition: Definition) -> ContrastSums:
    """Sum over i != j of -log(exp s(i,j) / max(eps, sum over S(i,j) of exp s(i,k))).

    Args:
        logits: [V, M, M] float64, s of each view.
        delta: [M, M] float64, label distances exactly as the labels' dtype rounds them.
        definition: gives the candidate rule and eps.
    """
    views, m, _ = logits.shape
    log_eps = -math.inf if definition.eps is None else math.log(definition.eps)
    total = torch.zeros((), dtype=torch.float64)
    gradient = torch.empty_like(logits)
    log_contrasts = torch.empty_like(logits)
    for i in range(m):
        s = logits[:, i].detach().requires_grad_()
        candidates = delta[i].unsqueeze(0) >= delta[i].unsqueeze(1)  # [j, k]
        if definition.self_candidate == "never":
            candidates[:, i] = False
        partner = torch.arange(m) != i
        terms = s.unsqueeze(1).expand(views, m, m).masked_fill(~candidates, -math.inf)
        contrast = torch.logsumexp(terms[:, partner], dim=2)
        log_contrasts[:, i, partner] = contrast.detach()
        log_contrasts[:, i, i] = math.inf
        anchor_loss = (contrast.clamp(min=log_eps) - s[:, partner]).sum()
        (gradient[:, i],) = torch.autograd.grad(anchor_loss, s)
        total += anchor_loss.detach()
    return ContrastSums(total, gradient, log_contrasts)
