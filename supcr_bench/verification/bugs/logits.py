"""Seeded bugs in the logits: views, temperature, similarity and the floor of the denominator."""

import math
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR, joined
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.formula import PHRASES

VIEWS = PHRASES["views"]


@wrong(RightSupCR, "dimension_loss", named=VIEWS["mean"])
def mean_of_views(self: RightSupCR, *arguments: Any) -> Tensor:
    """Averages the two views' losses, which should be summed. A later convention; against the
    claimed one it halves the loss, and with it the effective learning rate."""
    return RightSupCR.dimension_loss(self, *arguments) / 2


@wrong(RightSupCR, "arrange", named=VIEWS["concatenate"])
def views_concatenated(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Concatenates the views into one batch of 2 N rows. As in SimCLR and in the official code: the
    views then compete in one denominator, which is another loss."""
    return joined(first, second, labels)


@wrong(RightSupCR, "arrange", named=VIEWS["first_twice"])
def first_view_twice(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Uses the first view twice and the second never. A line copied and not edited: the loss looks
    right and half of the network is not trained."""
    return (first, first), labels


@wrong(RightSupCR, "arrange", named=VIEWS["second_twice"])
def second_view_twice(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Uses the second view twice and the first never. The same line copied the other way round."""
    return (second, second), labels


@wrong(RightSupCR, "arrange", named=VIEWS["single"])
def first_view_only(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """The second view adds nothing. It is accepted for the sake of the call, and dropped."""
    return (first,), labels


@wrong(RightNoSelf, "arrange", named=VIEWS["second_only"])
def second_view_only(self: RightNoSelf, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """The first view adds nothing. The running total is assigned where it should be added to."""
    return (second,), labels


@seeded_bug()
class AcrossViews(RightSupCR):
    """Each row of one view is compared with the rows of the other. Similarities between the
    views, as in CLIP, in place of within each of them."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        there, back = (perturbed, intact), (intact, perturbed)
        return (torch.cat(there, dim=1), torch.cat(back, dim=1)), labels

    def similarity(self, rows: Tensor) -> Tensor:
        own, other = rows.chunk(2, dim=1)
        return self.unit(own) @ self.unit(other).T


TEMPERATURE = PHRASES["temperature"]


@wrong(RightSupCR, "logits", named=TEMPERATURE["missing"])
def temperature_missing(self: RightSupCR, rows: Tensor) -> Tensor:
    """Does not divide by the temperature. Cosines make the softmax all but flat."""
    return self.similarity(rows)


@wrong(RightSupCR, "logits", named=TEMPERATURE["squared"])
def temperature_squared(self: RightSupCR, rows: Tensor) -> Tensor:
    """Divides by the temperature twice. In similarity and loss: 0.1 acts as 0.01."""
    return RightSupCR.logits(self, rows) / self.temperature


@wrong(RightNoSelf, "logits", named=TEMPERATURE["multiplies"])
def temperature_multiplied(self: RightNoSelf, rows: Tensor) -> Tensor:
    """Multiplies by the temperature. A logit scale, as in CLIP, taken for a temperature."""
    return self.similarity(rows) * self.temperature


@wrong(RightSupCR, "logits")
def temperature_hard_coded(self: RightSupCR, rows: Tensor) -> Tensor:
    """Always uses the default temperature. A sweep then shows that it does not matter."""
    return self.similarity(rows) / 0.1


@wrong(RightSupCR, "log_contrast")
def temperature_of_the_numerator_only(self: RightSupCR, s: Tensor, chosen: Tensor) -> Tensor:
    """Sums the candidates without the temperature. Of two places, one was missed."""
    return RightSupCR.log_contrast(self, s * self.temperature, chosen)


SIMILARITY = PHRASES["similarity"]


@wrong(RightSupCR, "similarity", named=SIMILARITY["dot"])
def dot_product(self: RightSupCR, rows: Tensor) -> Tensor:
    """Does not normalise the rows. If nobody else does, growing norms alone lower the loss."""
    return rows @ rows.T


@wrong(RightSupCR, "similarity", named=SIMILARITY["negative_euclidean"])
def negative_euclidean(self: RightSupCR, rows: Tensor) -> Tensor:
    """Takes the negative Euclidean distance of unnormalised rows as similarity. The official code's
    similarity, with its temperature of 2; at 0.1 and with norms that vary it is another loss."""
    distance: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return -distance


@wrong(RightNoSelf, "similarity", named=SIMILARITY["negative_squared_euclidean"])
def negative_squared_euclidean(self: RightNoSelf, rows: Tensor) -> Tensor:
    """Takes the negative squared Euclidean distance as similarity. On unit rows the squared
    distance is the cosine but for a factor of 2; on others it is not."""
    squares: Tensor = (rows.unsqueeze(1) - rows.unsqueeze(0)).square()
    return -squares.sum(dim=2)


@wrong(RightSupCR, "unit")
def columns_normalised(self: RightSupCR, rows: Tensor) -> Tensor:
    """Each column of the batch has length 1, not each row. dim=0 in place of dim=1 normalises
    over the batch: every row's similarity depends on all other rows."""
    lengths: Tensor = rows.norm(dim=0, keepdim=True)
    return rows / lengths.clamp(min=1e-12)


@wrong(RightSupCR, "norms")
def norm_plus_constant(self: RightSupCR, rows: Tensor) -> Tensor:
    """Divides rows by their norm plus a constant, so that no division by zero can happen. Added in
    place of clamped, the constant shortens every row and lets a gradient through along it."""
    return RightSupCR.norms(self, rows) + 0.01


@wrong(RightSupCR, "logits")
def scaled_by_columns(self: RightSupCR, rows: Tensor) -> Tensor:
    """Divides similarities by the root of the embedding size. Taken over from attention, the factor
    makes appended zero columns change the loss."""
    return RightSupCR.logits(self, rows) / math.sqrt(rows.shape[1])


LOG_EPS = math.log(1e-7)


@wrong(RightSupCR, "floor", caught_by="robustness", named=PHRASES["eps"]["added"])
def eps_added(self: RightSupCR, contrast: Tensor) -> Tensor:
    """Adds eps to every denominator. log(x + eps) is a habit; it agrees to seven digits until the
    temperature falls and the denominators come near eps."""
    return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@wrong(RightSupCR, "floor", caught_by="robustness", named=PHRASES["eps"]["none"])
def no_floor(self: RightSupCR, contrast: Tensor) -> Tensor:
    """Ignores eps: denominators have no floor. More right than the definition that it claims, and
    different from it below a temperature of about 0.06."""
    return contrast


@wrong(RightNoSelf, "floor", caught_by="robustness", named=PHRASES["eps"]["added"])
def no_self_eps_added(self: RightNoSelf, contrast: Tensor) -> Tensor:
    """Adds eps to every denominator. A needless guard bends the loss at low temperatures."""
    return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@wrong(RightNoSelf, "floor", caught_by="robustness", named=PHRASES["eps"]["floor"])
def no_self_floor(self: RightNoSelf, contrast: Tensor) -> Tensor:
    """Clamps denominators at a floor, though the definition has none. A clamp left over from
    another version makes far pairs constant at low temperatures: they get no gradient."""
    return contrast.clamp(min=LOG_EPS)


@wrong(RightSupCR, "log_contrast")
def floor_after_shift(self: RightSupCR, s: Tensor, chosen: Tensor) -> Tensor:
    """The floor acts on sums scaled by each anchor's largest exponential. So eps means eps times
    exp(maximum), which clamps far pairs at tau = 0.1 already."""
    top = s.detach().amax(dim=1, keepdim=True)
    contrast = RightSupCR.log_contrast(self, s - top, chosen)
    return contrast.clamp(min=LOG_EPS) + top
