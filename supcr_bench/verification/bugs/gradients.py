"""Right values, wrong gradients."""

from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

GRADIENT = PHRASES["gradient"]


class _ScaledGradient(torch.autograd.Function):
    """The identity, with a factor in its backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return grad_outputs[0] * ctx.factor, None


class _IgnoredUpstream(torch.autograd.Function):
    """The identity, whose backward takes grad_output for 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return torch.ones_like(grad_outputs[0])


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """x, with its gradient multiplied."""
    scaled: Tensor = _ScaledGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled


@seeded_bug(named=GRADIENT["first_detached"])
class FirstViewDetached(RightSupCR):
    """No gradient reaches the first view. A stop-gradient taken over from BYOL or SimSiam
    trains one encoder only."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed.detach(), intact), labels


@seeded_bug(named=GRADIENT["second_detached"])
class SecondViewDetached(RightSupCR):
    """No gradient reaches the second view. A target branch under no_grad: half of the gradient
    is gone and no value shows it."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed, intact.detach()), labels


@seeded_bug(named=GRADIENT["contrast_detached"])
class DenominatorDetached(RightSupCR):
    """No gradient passes through the denominator. Denominators computed with .data or in a side
    buffer: all is pulled together, nothing is pushed apart, and the embedding collapses."""

    def floor(self, contrast: Tensor) -> Tensor:
        return super().floor(contrast).detach()


@seeded_bug()
class NormDetached(RightSupCR):
    """The norm is a constant in the backward. With a constant norm the gradient has a part
    along the embedding, and the norms grow step by step."""

    def norms(self, rows: Tensor) -> Tensor:
        return super().norms(rows).detach()


@seeded_bug()
class GradientDoubled(RightSupCR):
    """Twice the gradient, in both views. A backward written by hand that counts i,j and j,i:
    the loss is right and the learning rate is twice what it says."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (scaled_gradient(perturbed, 2.0), scaled_gradient(intact, 2.0)), labels


@seeded_bug()
class GradientFlipped(RightSupCR):
    """The gradient of one view points the other way. A sign lost in a backward written by hand:
    one view climbs what the other descends."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed, scaled_gradient(intact, -1.0)), labels


@seeded_bug()
class UpstreamIgnored(RightSupCR):
    """Whatever is done to the loss afterwards does not reach the embeddings. A fused backward
    that leaves out grad_output is right for loss.backward() and wrong under loss scaling,
    accumulation or a weighted sum of losses."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _IgnoredUpstream.apply(loss), parts  # type: ignore[no-untyped-call]
