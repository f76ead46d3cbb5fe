"""Wrong weights, and a total that does not follow from its parts."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class WeightsIgnored(RightSupCR):
    """The plain mean over dimensions."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        return torch.ones_like(parts)


class WeightsSummed(RightSupCR):
    """The weighted sum, not divided by the sum of the weights."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        return (parts * self.dimension_weights(parts)).sum()


class WeightsRenormalised(RightSupCR):
    """Dimensions without a valid pair hand their weight to the others."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        valid = (~torch.isnan(labels)).sum(dim=0) >= 2
        weights = torch.where(valid, self.dimension_weights(parts), 0.0)
        return (parts * weights).sum() / weights.sum().clamp(min=torch.finfo(parts.dtype).tiny)


class WeightsThroughSoftmax(RightSupCR):
    """Normalised, but by a softmax."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        return super().dimension_weights(parts).softmax(dim=0)


class AveragedTwice(RightSupCR):
    """The parts are right; their weighted mean is divided by D once more."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        return super().combine(parts, labels) / len(parts)


class PartsReturnedWeighted(RightSupCR):
    """The total is right; the vector beside it is already weighted."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        weights = self.dimension_weights(parts)
        return loss, parts * weights / weights.sum()


class PartsDetached(RightSupCR):
    """The vector beside the loss has no gradient."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return loss, parts.detach()


class TwoDimensionsByDefault(RightSupCR):
    """Two equal weights by default, whatever D is."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        if self.weights is None:
            return torch.ones(2).to(parts)
        return super().dimension_weights(parts)


BUGS = (
    SeededBug(
        name="weights-ignored",
        factory=WeightsIgnored,
        group="definition",
        diagnosis=PHRASES["weights"]["ignored"],
        why="The argument is stored and never read; nobody notices while the weights are equal.",
    ),
    SeededBug(
        name="weights-not-normalised",
        factory=WeightsSummed,
        group="definition",
        diagnosis=PHRASES["weights"]["summed"],
        why="Weights of 7 and 3 in place of 0.7 and 0.3 then mean ten times the learning rate.",
    ),
    SeededBug(
        name="weights-renormalised",
        factory=WeightsRenormalised,
        group="definition",
        diagnosis=PHRASES["empty_dimension"]["renormalise"],
        why="A later convention: sound in itself, but the loss jumps against the claimed one "
        "whenever a dimension has no valid pair.",
    ),
    SeededBug(
        name="weights-through-softmax",
        factory=WeightsThroughSoftmax,
        group="definition",
        diagnosis=None,
        why="A softmax makes weights add up to one as well, but 0.7 and 0.3 become 0.6 and 0.4.",
    ),
    SeededBug(
        name="averaged-twice",
        factory=AveragedTwice,
        group="definition",
        diagnosis=None,
        why="A weighted mean, then .mean(): every logged part is right, and the gradient is D "
        "times too small.",
    ),
    SeededBug(
        name="parts-returned-weighted",
        factory=PartsReturnedWeighted,
        group="definition",
        diagnosis=None,
        why="The training is right and its curves are not: dimensions with small weights look "
        "solved.",
    ),
    SeededBug(
        name="parts-detached",
        factory=PartsDetached,
        group="definition",
        diagnosis=None,
        why="Whoever weights the parts on their own, by uncertainty say, trains on nothing.",
    ),
    SeededBug(
        name="two-dimensions-by-default",
        factory=TwoDimensionsByDefault,
        group="robustness",
        diagnosis=None,
        why="A default of two weights broadcasts silently over one dimension and raises for three.",
    ),
)
