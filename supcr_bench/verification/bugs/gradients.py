"""Right values, wrong gradients."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class _ScaledGradient(torch.autograd.Function):
    """The identity, with a factor in its backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> Any:
        return arriving[0] * ctx.factor, None


class _IgnoredUpstream(torch.autograd.Function):
    """The identity, whose backward takes the arriving gradient for 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> Any:
        return torch.ones_like(arriving[0])


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """x, with its gradient multiplied."""
    scaled: Tensor = _ScaledGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled


class FirstViewDetached(RightSupCR):
    """No gradient reaches the first view."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (perturbed.detach(), intact), labels


class SecondViewDetached(RightSupCR):
    """No gradient reaches the second view."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (perturbed, intact.detach()), labels


class DenominatorDetached(RightSupCR):
    """No gradient passes through the denominator."""

    def floor(self, contrast: Tensor) -> Tensor:
        return super().floor(contrast).detach()


class NormDetached(RightSupCR):
    """The norm is a constant in the backward."""

    def norms(self, rows: Tensor) -> Tensor:
        return super().norms(rows).detach()


class GradientDoubled(RightSupCR):
    """Twice the gradient, in both views."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (scaled_gradient(perturbed, 2.0), scaled_gradient(intact, 2.0)), labels


class GradientFlipped(RightSupCR):
    """The gradient of one view points the other way."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (perturbed, scaled_gradient(intact, -1.0)), labels


class UpstreamIgnored(RightSupCR):
    """Whatever is done to the loss afterwards does not reach the embeddings."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _IgnoredUpstream.apply(loss), parts  # type: ignore[no-untyped-call]


GRADIENT = PHRASES["gradient"]

BUGS = (
    SeededBug(
        name="first-view-detached",
        factory=FirstViewDetached,
        group="definition",
        diagnosis=GRADIENT["first_detached"],
        why="A stop-gradient taken over from BYOL or SimSiam trains one encoder only.",
    ),
    SeededBug(
        name="second-view-detached",
        factory=SecondViewDetached,
        group="definition",
        diagnosis=GRADIENT["second_detached"],
        why="A target branch under no_grad: half of the gradient is gone and no value shows it.",
    ),
    SeededBug(
        name="denominator-detached",
        factory=DenominatorDetached,
        group="definition",
        diagnosis=GRADIENT["contrast_detached"],
        why="Denominators computed with .data or in a side buffer: all is pulled together, "
        "nothing is pushed apart, and the embedding collapses.",
    ),
    SeededBug(
        name="norm-detached",
        factory=NormDetached,
        group="definition",
        diagnosis=None,
        why="With a constant norm the gradient has a part along the embedding, and the norms grow "
        "step by step.",
    ),
    SeededBug(
        name="gradient-doubled",
        factory=GradientDoubled,
        group="definition",
        diagnosis=None,
        why="A backward written by hand that counts i,j and j,i: the loss is right and the "
        "learning rate is twice what it says.",
    ),
    SeededBug(
        name="gradient-flipped",
        factory=GradientFlipped,
        group="definition",
        diagnosis=None,
        why="A sign lost in a backward written by hand: one view climbs what the other descends.",
    ),
    SeededBug(
        name="upstream-ignored",
        factory=UpstreamIgnored,
        group="definition",
        diagnosis=None,
        why="A fused backward that leaves out grad_output is right for loss.backward() and wrong "
        "under loss scaling, accumulation or a weighted sum of losses.",
    ),
)
