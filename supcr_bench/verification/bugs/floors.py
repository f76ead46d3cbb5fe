"""The floor of the denominator."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

import math

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES

LOG_EPS = math.log(1e-7)


class EpsAdded(RightSupCR):
    """Added to every denominator."""

    def floor(self, contrast: Tensor) -> Tensor:
        return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


class NoFloor(RightSupCR):
    """The argument is ignored."""

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast


class NoSelfEpsAdded(RightNoSelf):
    """Added to every denominator."""

    def floor(self, contrast: Tensor) -> Tensor:
        return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


class NoSelfFloor(RightNoSelf):
    """A floor where the definition has none."""

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast.clamp(min=LOG_EPS)


class FloorAfterShift(RightSupCR):
    """The floor acts on sums that were scaled by each anchor's largest exponential."""

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        top = s.detach().amax(dim=1, keepdim=True)
        contrast = super().log_contrast(s - top, chosen)
        return contrast.clamp(min=LOG_EPS) + top


BUGS = (
    SeededBug(
        name="eps-added",
        factory=EpsAdded,
        group="robustness",
        diagnosis=PHRASES["eps"]["added"],
        why="log(x + eps) is a habit; it agrees to seven digits until the temperature falls and "
        "the denominators come near eps.",
    ),
    SeededBug(
        name="no-floor",
        factory=NoFloor,
        group="robustness",
        diagnosis=PHRASES["eps"]["none"],
        why="More right than the definition that it claims, and different from it below a "
        "temperature of about 0.06.",
    ),
    SeededBug(
        name="no-self-eps-added",
        factory=NoSelfEpsAdded,
        group="robustness",
        diagnosis=PHRASES["eps"]["added"],
        definition="no-self",
        why="A guard against log(0) that the log-sum-exp does not need bends the loss at low "
        "temperatures.",
    ),
    SeededBug(
        name="no-self-floor",
        factory=NoSelfFloor,
        group="robustness",
        diagnosis=PHRASES["eps"]["floor"],
        definition="no-self",
        why="A clamp left over from another version makes far pairs constant at low "
        "temperatures: they get no gradient.",
    ),
    SeededBug(
        name="floor-after-shift",
        factory=FloorAfterShift,
        group="definition",
        diagnosis=None,
        why="Once the maximum is subtracted for stability, eps means eps times exp(maximum): at "
        "tau = 0.1 it already clamps the far pairs.",
    ),
)
