"""Seeded bugs in the logits: views, temperature, similarity and the floor of the denominator."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR, joined
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

VIEWS = PHRASES["views"]


@seeded_bug(named=VIEWS["mean"])
class MeanOfViews(RightSupCR):
    """Averages the two views' losses, which should be summed. A later convention; against the
    claimed one it halves the loss, and with it the effective learning rate."""

    def dimension_loss(
        self, views: Sequence[Tensor], rows: Tensor, delta: Tensor, n: int
    ) -> Tensor:
        return super().dimension_loss(views, rows, delta, n) / 2


@seeded_bug(named=VIEWS["concatenate"])
class ViewsConcatenated(RightSupCR):
    """Concatenates the views into one batch of 2 N rows. As in SimCLR and in the official code: the
    views then compete in one denominator, which is another loss."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return joined(perturbed, intact, labels)


@seeded_bug(named=VIEWS["first_twice"])
class FirstViewTwice(RightSupCR):
    """Uses the first view twice and the second never. A line copied and not edited: the loss looks
    right and half of the network is not trained."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed, perturbed), labels


@seeded_bug(named=VIEWS["second_twice"])
class SecondViewTwice(RightSupCR):
    """Uses the second view twice and the first never. The same line copied the other way round."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (intact, intact), labels


@seeded_bug(named=VIEWS["single"])
class FirstViewOnly(RightSupCR):
    """The second view adds nothing. The second view is accepted for the sake of the call, and
    dropped."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed,), labels


@seeded_bug(named=VIEWS["second_only"])
class SecondViewOnly(RightNoSelf):
    """The first view adds nothing. The running total is assigned where it should be added
    to."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (intact,), labels


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


@seeded_bug(named=TEMPERATURE["missing"])
class TemperatureMissing(RightSupCR):
    """Does not divide the similarities by the temperature. Without it cosines lie between -1 and 1,
    and the softmax is all but flat."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows)


@seeded_bug(named=TEMPERATURE["squared"])
class TemperatureSquared(RightSupCR):
    """Divides by the temperature twice. Divided once in the similarity and once more in the loss:
    0.1 acts as 0.01."""

    def logits(self, rows: Tensor) -> Tensor:
        return super().logits(rows) / self.temperature


@seeded_bug(named=TEMPERATURE["multiplies"])
class TemperatureMultiplied(RightNoSelf):
    """Multiplies by the temperature. A logit scale, as in CLIP, taken for a temperature."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows) * self.temperature


@seeded_bug()
class TemperatureHardCoded(RightSupCR):
    """Always uses the default temperature. A sweep over temperatures then shows that the
    temperature does not matter."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows) / 0.1


@seeded_bug()
class TemperatureOfTheNumeratorOnly(RightSupCR):
    """Sums the candidates without the temperature. Numerator and denominator are computed in two
    places, and one was missed."""

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        return super().log_contrast(s * self.temperature, chosen)


SIMILARITY = PHRASES["similarity"]


@seeded_bug(named=SIMILARITY["dot"])
class DotProduct(RightSupCR):
    """Does not normalise the rows. The caller was expected to normalise; if not, the loss falls by
    growing norms alone."""

    def similarity(self, rows: Tensor) -> Tensor:
        return rows @ rows.T


@seeded_bug(named=SIMILARITY["negative_euclidean"])
class NegativeEuclidean(RightSupCR):
    """Takes the negative Euclidean distance of unnormalised rows as similarity. The official code's
    similarity, with its temperature of 2; at 0.1 and with norms that vary it is another loss."""

    def similarity(self, rows: Tensor) -> Tensor:
        distance: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        return -distance


@seeded_bug(named=SIMILARITY["negative_squared_euclidean"])
class NegativeSquaredEuclidean(RightNoSelf):
    """Takes the negative squared Euclidean distance as similarity. On unit rows the squared
    distance is the cosine but for a factor of 2; on others it is not."""

    def similarity(self, rows: Tensor) -> Tensor:
        squares: Tensor = (rows.unsqueeze(1) - rows.unsqueeze(0)).square()
        return -squares.sum(dim=2)


@seeded_bug()
class ColumnsNormalised(RightSupCR):
    """Each column of the batch has length 1, not each row. dim=0 in place of dim=1 normalises
    over the batch: every row's similarity depends on all other rows."""

    def unit(self, rows: Tensor) -> Tensor:
        lengths: Tensor = rows.norm(dim=0, keepdim=True)
        return rows / lengths.clamp(min=1e-12)


@seeded_bug()
class NormPlusConstant(RightSupCR):
    """Divides rows by their norm plus a constant, so that no division by zero can happen. Added in
    place of clamped, the constant shortens every row and lets a gradient through along it."""

    def norms(self, rows: Tensor) -> Tensor:
        return super().norms(rows) + 0.01


@seeded_bug()
class ScaledByColumns(RightSupCR):
    """Divides similarities by the root of the embedding size, as attention does. A factor taken
    over from attention makes the temperature depend on the embedding size: appended zero columns
    change the loss."""

    def logits(self, rows: Tensor) -> Tensor:
        return super().logits(rows) / math.sqrt(rows.shape[1])


LOG_EPS = math.log(1e-7)


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["added"])
class EpsAdded(RightSupCR):
    """Adds eps to every denominator. log(x + eps) is a habit; it agrees to seven digits until the
    temperature falls and the denominators come near eps."""

    def floor(self, contrast: Tensor) -> Tensor:
        return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["none"])
class NoFloor(RightSupCR):
    """Ignores eps: denominators have no floor. More right than the definition that it claims, and
    different from it below a temperature of about 0.06."""

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["added"])
class NoSelfEpsAdded(RightNoSelf):
    """Adds eps to every denominator. A guard against log(0) that the log-sum-exp does not need
    bends the loss at low temperatures."""

    def floor(self, contrast: Tensor) -> Tensor:
        return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


@seeded_bug(caught_by="robustness", named=PHRASES["eps"]["floor"])
class NoSelfFloor(RightNoSelf):
    """Clamps denominators at a floor, though the definition has none. A clamp left over from
    another version makes far pairs constant at low temperatures: they get no gradient."""

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
