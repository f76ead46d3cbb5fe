"""The floor of the denominator."""

import math

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

LOG_EPS = math.log(1e-7)


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["added"])
class EpsAdded(RightSupCR):
    """Added to every denominator. log(x + eps) is a habit; it agrees to seven digits until the
    temperature falls and the denominators come near eps."""

    def floor(self, contrast: Tensor) -> Tensor:
        return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["none"])
class NoFloor(RightSupCR):
    """The argument is ignored. More right than the definition that it claims, and different
    from it below a temperature of about 0.06."""

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["added"])
class NoSelfEpsAdded(RightNoSelf):
    """Added to every denominator. A guard against log(0) that the log-sum-exp does not need
    bends the loss at low temperatures."""

    def floor(self, contrast: Tensor) -> Tensor:
        return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["floor"])
class NoSelfFloor(RightNoSelf):
    """A floor where the definition has none. A clamp left over from another version makes far
    pairs constant at low temperatures: they get no gradient."""

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast.clamp(min=LOG_EPS)


@seeded_bug()
class FloorAfterShift(RightSupCR):
    """The floor acts on sums that were scaled by each anchor's largest exponential. Once the
    maximum is subtracted for stability, eps means eps times exp(maximum): at tau = 0.1 it
    already clamps the far pairs."""

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        top = s.detach().amax(dim=1, keepdim=True)
        contrast = super().log_contrast(s - top, chosen)
        return contrast.clamp(min=LOG_EPS) + top
