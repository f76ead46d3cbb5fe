"""Wrong weights, and a total that does not follow from its parts."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES


@seeded_bug(named=PHRASES["weights"]["ignored"])
class WeightsIgnored(RightSupCR):
    """The plain mean over dimensions. The argument is stored and never read; nobody notices
    while the weights are equal."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        return torch.ones_like(parts)


@seeded_bug(named=PHRASES["weights"]["summed"])
class WeightsNotNormalised(RightSupCR):
    """The weighted sum, not divided by the sum of the weights. Weights of 7 and 3 in place of
    0.7 and 0.3 then mean ten times the learning rate."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        return (parts * self.dimension_weights(parts)).sum()


@seeded_bug(named=PHRASES["empty_dimension"]["renormalise"])
class WeightsRenormalised(RightSupCR):
    """Dimensions without a valid pair hand their weight to the others. A later convention:
    sound in itself, but the loss jumps against the claimed one whenever a dimension has no
    valid pair."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        valid = (~torch.isnan(labels)).sum(dim=0) >= 2
        weights = torch.where(valid, self.dimension_weights(parts), 0.0)
        return (parts * weights).sum() / weights.sum().clamp(min=torch.finfo(parts.dtype).tiny)


@seeded_bug()
class WeightsThroughSoftmax(RightSupCR):
    """Normalised, but by a softmax. A softmax makes weights add up to one as well, but 0.7 and
    0.3 become 0.6 and 0.4."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        return super().dimension_weights(parts).softmax(dim=0)


@seeded_bug()
class AveragedTwice(RightSupCR):
    """The parts are right; their weighted mean is divided by D once more. A weighted mean, then
    .mean(): every logged part is right, and the gradient is D times too small."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        return super().combine(parts, labels) / len(parts)


@seeded_bug()
class PartsReturnedWeighted(RightSupCR):
    """The total is right; the vector beside it is already weighted. The training is right and
    its curves are not: dimensions with small weights look solved."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        weights = self.dimension_weights(parts)
        return loss, parts * weights / weights.sum()


@seeded_bug()
class PartsDetached(RightSupCR):
    """The vector beside the loss has no gradient. Whoever weights the parts on their own, by
    uncertainty say, trains on nothing."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return loss, parts.detach()


@seeded_bug(caught_by="robustness")
class TwoDimensionsByDefault(RightSupCR):
    """Two equal weights by default, whatever D is. A default of two weights broadcasts silently
    over one dimension and raises for three."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        if self.weights is None:
            return torch.ones(2).to(parts)
        return super().dimension_weights(parts)
