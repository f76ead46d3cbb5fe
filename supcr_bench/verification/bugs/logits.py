"""Seeded bugs in the logits: views, temperature, similarity and the floor of the denominator."""

import math
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR, joined
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.phrases import PHRASES

VIEWS = PHRASES["views"]


@wrong(RightSupCR, "dimension_loss", named=VIEWS["mean"])
def mean_of_views(self: RightSupCR, *arguments: Any) -> Tensor:
    """Averages the losses of the two views instead of adding them."""
    return RightSupCR.dimension_loss(self, *arguments) / 2


@wrong(RightSupCR, "arrange", named=VIEWS["concatenate"])
def views_concatenated(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Joins the two views into one batch of 2 N rows, as SimCLR does."""
    return joined(first, second, labels)


@wrong(RightSupCR, "arrange", named=VIEWS["first twice"])
def first_view_twice(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Uses the first view twice and the second never."""
    return (first, first), labels


@wrong(RightSupCR, "arrange", named=VIEWS["second twice"])
def second_view_twice(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Uses the second view twice and the first never."""
    return (second, second), labels


@wrong(RightSupCR, "arrange", named=VIEWS["first only"])
def first_view_only(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Ignores the second view."""
    return (first,), labels


@wrong(RightNoSelf, "arrange", named=VIEWS["second only"])
def second_view_only(self: RightNoSelf, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Ignores the first view."""
    return (second,), labels


@seeded_bug()
class AcrossViews(RightSupCR):
    """Compares each row of one view with the rows of the other, as CLIP does."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        there, back = (perturbed, intact), (intact, perturbed)
        return (torch.cat(there, dim=1), torch.cat(back, dim=1)), labels

    def similarity(self, rows: Tensor) -> Tensor:
        own, other = rows.chunk(2, dim=1)
        return self.unit(own) @ self.unit(other).T


TEMPERATURE = PHRASES["temperature"]


@wrong(RightSupCR, "logits", named=TEMPERATURE["missing"])
def temperature_missing(self: RightSupCR, rows: Tensor) -> Tensor:
    """Does not divide by the temperature."""
    return self.similarity(rows)


@wrong(RightSupCR, "logits", named=TEMPERATURE["squared"])
def temperature_squared(self: RightSupCR, rows: Tensor) -> Tensor:
    """Divides by the temperature twice."""
    return RightSupCR.logits(self, rows) / self.temperature


@wrong(RightNoSelf, "logits", named=TEMPERATURE["multiplies"])
def temperature_multiplied(self: RightNoSelf, rows: Tensor) -> Tensor:
    """Multiplies by the temperature instead of dividing by it."""
    return self.similarity(rows) * self.temperature


@wrong(RightSupCR, "logits")
def temperature_hard_coded(self: RightSupCR, rows: Tensor) -> Tensor:
    """Always uses the default temperature."""
    return self.similarity(rows) / 0.1


@wrong(RightSupCR, "log_contrast")
def temperature_of_the_numerator_only(self: RightSupCR, s: Tensor, chosen: Tensor) -> Tensor:
    """Divides by the temperature in the numerator, but not in the denominator."""
    return RightSupCR.log_contrast(self, s * self.temperature, chosen)


SIMILARITY = PHRASES["similarity"]


@wrong(RightSupCR, "similarity", named=SIMILARITY["dot"])
def dot_product(self: RightSupCR, rows: Tensor) -> Tensor:
    """Uses the dot product of unnormalised rows as similarity."""
    return rows @ rows.T


@wrong(RightSupCR, "similarity", named=SIMILARITY["negative_euclidean"])
def negative_euclidean(self: RightSupCR, rows: Tensor) -> Tensor:
    """Uses the negative Euclidean distance of unnormalised rows as similarity."""
    distance: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return -distance


@wrong(RightNoSelf, "similarity", named=SIMILARITY["negative_squared_euclidean"])
def negative_squared_euclidean(self: RightNoSelf, rows: Tensor) -> Tensor:
    """Uses the negative squared Euclidean distance as similarity."""
    squares: Tensor = (rows.unsqueeze(1) - rows.unsqueeze(0)).square()
    return -squares.sum(dim=2)


@wrong(RightSupCR, "unit")
def columns_normalised(self: RightSupCR, rows: Tensor) -> Tensor:
    """Normalises each column of the batch instead of each row."""
    lengths: Tensor = rows.norm(dim=0, keepdim=True)
    return rows / lengths.clamp(min=1e-12)


@wrong(RightSupCR, "norms")
def norm_plus_constant(self: RightSupCR, rows: Tensor) -> Tensor:
    """Adds 0.01 to every norm, to avoid a division by zero."""
    return RightSupCR.norms(self, rows) + 0.01


@wrong(RightSupCR, "logits")
def scaled_by_columns(self: RightSupCR, rows: Tensor) -> Tensor:
    """Divides similarities by the square root of d, as attention does."""
    return RightSupCR.logits(self, rows) / math.sqrt(rows.shape[1])


LOG_EPS = math.log(1e-7)


@wrong(RightSupCR, "floor", caught_by="robustness", named=PHRASES["eps"]["added"])
def eps_added(self: RightSupCR, contrast: Tensor) -> Tensor:
    """Adds eps to every denominator instead of using it as a lower limit."""
    return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@wrong(RightSupCR, "floor", caught_by="robustness", named=PHRASES["eps"]["none"])
def no_floor(self: RightSupCR, contrast: Tensor) -> Tensor:
    """Ignores eps: denominators have no lower limit."""
    return contrast


@wrong(RightNoSelf, "floor", caught_by="robustness", named=PHRASES["eps"]["added"])
def no_self_eps_added(self: RightNoSelf, contrast: Tensor) -> Tensor:
    """Adds eps to every denominator, although the definition has no eps."""
    return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@wrong(RightNoSelf, "floor", caught_by="robustness", named=PHRASES["eps"]["floor"])
def no_self_floor(self: RightNoSelf, contrast: Tensor) -> Tensor:
    """Limits denominators to at least 1e-7, although the definition has no limit."""
    return contrast.clamp(min=LOG_EPS)


@wrong(RightSupCR, "log_contrast")
def floor_after_shift(self: RightSupCR, s: Tensor, chosen: Tensor) -> Tensor:
    """Applies eps to denominators that are divided by their largest exponential."""
    top = s.detach().amax(dim=1, keepdim=True)
    contrast = RightSupCR.log_contrast(self, s - top, chosen)
    return contrast.clamp(min=LOG_EPS) + top
