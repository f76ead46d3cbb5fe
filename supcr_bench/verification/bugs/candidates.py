"""Wrong candidate sets."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class StrictInequality(RightSupCR):
    """Farther than the partner, which is then no candidate itself."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) > delta.unsqueeze(2)


class ReversedInequality(RightSupCR):
    """At most as far as the partner."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) <= delta.unsqueeze(2)


class ReversedStrictInequality(RightSupCR):
    """Nearer than the partner."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) < delta.unsqueeze(2)


class SelfAlways(RightSupCR):
    """The diagonal is left in every denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


class SelfNever(RightSupCR):
    """The diagonal is taken out of every denominator."""

    itself_when_tied = False


class NoSelfButWhenTied(RightNoSelf):
    """The diagonal goes by the inequality like any other column."""

    itself_when_tied = True


class NoSelfButAlways(RightNoSelf):
    """The diagonal is left in every denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


def positions(delta: Tensor) -> Tensor:
    """Each row's places in sorted order: ties are told apart by their index."""
    return delta.argsort(dim=1, stable=True).argsort(dim=1)


class TiesByPosition(RightSupCR):
    """Suffixes of the sorted row, which begin in the midst of a tie."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(positions(delta), anchors)


class NoSelfTiesByPosition(RightNoSelf):
    """Suffixes of the sorted row, which begin in the midst of a tie."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(positions(delta), anchors)


class EveryoneIsACandidate(RightNoSelf):
    """Every other row, whatever its label: a plain softmax contrast."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(torch.zeros_like(delta), anchors)


class SignedDistance(RightSupCR):
    """Without the absolute value, so that smaller labels count as near."""

    def distances(self, y: Tensor) -> Tensor:
        return y.unsqueeze(0) - y.unsqueeze(1)


class RelativeDistance(RightSupCR):
    """As a share of the labels' own size."""

    def distances(self, y: Tensor) -> Tensor:
        size = y.abs().unsqueeze(1) + y.abs().unsqueeze(0)
        return super().distances(y) / size.clamp(min=1e-6)


class DiagonalSummed(RightSupCR):
    """The anchor is a partner of its own, among the pairs that are summed."""

    def anchor_sum(self, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
        contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
        return (contrast - s).sum()


COMPARISON = PHRASES["comparison"]
ITSELF = PHRASES["self_candidate"]

BUGS = (
    SeededBug(
        name="strict-inequality",
        factory=StrictInequality,
        group="definition",
        diagnosis=COMPARISON[">"],
        why="'farther than the partner' reads like the definition, but leaves the partner out of "
        "its own denominator, so that the loss is not a softmax and falls below zero.",
    ),
    SeededBug(
        name="reversed-inequality",
        factory=ReversedInequality,
        group="definition",
        diagnosis=COMPARISON["<="],
        why="With <= the anchor is pushed away from those whose labels are near: the ranking is "
        "trained upside down while the loss still goes down.",
    ),
    SeededBug(
        name="reversed-strict-inequality",
        factory=ReversedStrictInequality,
        group="definition",
        diagnosis=COMPARISON["<"],
        why="Two slips in one comparison: nearer rows are the negatives, and the partner is left "
        "out.",
    ),
    SeededBug(
        name="self-always",
        factory=SelfAlways,
        group="definition",
        diagnosis=ITSELF["always"],
        why="The diagonal of the similarity matrix was never masked; exp(1/tau) swamps every "
        "denominator.",
    ),
    SeededBug(
        name="self-never",
        factory=SelfNever,
        group="definition",
        diagnosis=ITSELF["never"],
        why="The diagonal is masked as in SimCLR; the torchcell convention keeps it where labels "
        "tie, and only tied labels show the difference.",
    ),
    SeededBug(
        name="no-self-but-when-tied",
        factory=NoSelfButWhenTied,
        group="definition",
        diagnosis=ITSELF["when_tied"],
        definition="no-self",
        why="The inequality alone lets the anchor in against every partner with the same label, "
        "which is all of them on binary labels.",
    ),
    SeededBug(
        name="no-self-but-always",
        factory=NoSelfButAlways,
        group="definition",
        diagnosis=ITSELF["always"],
        definition="no-self",
        why="The rule k != i was overlooked in the denominator.",
    ),
    SeededBug(
        name="ties-by-position",
        factory=TiesByPosition,
        group="definition",
        diagnosis=PHRASES["ties"]["by_position"],
        why="A sort and a cumulative sum need the first place of a tie; taking the partner's own "
        "place makes the loss depend on the order of the rows.",
    ),
    SeededBug(
        name="no-self-ties-by-position",
        factory=NoSelfTiesByPosition,
        group="definition",
        diagnosis=PHRASES["ties"]["by_position"],
        definition="no-self",
        why="The same with the anchor left out: right on continuous labels, wrong on counts and "
        "scores.",
    ),
    SeededBug(
        name="labels-ignored",
        factory=EveryoneIsACandidate,
        group="definition",
        diagnosis=None,
        definition="no-self",
        why="Every other row in the denominator is InfoNCE with every row a positive: nothing is "
        "ranked.",
    ),
    SeededBug(
        name="signed-label-distance",
        factory=SignedDistance,
        group="definition",
        diagnosis=None,
        why="A lost absolute value orders by label and not by distance, so that flipping the sign "
        "of the labels changes the loss.",
    ),
    SeededBug(
        name="relative-label-distance",
        factory=RelativeDistance,
        group="definition",
        diagnosis=None,
        why="A relative difference seems fair for labels of mixed size, but adding a constant to "
        "all labels then changes who is near.",
    ),
    SeededBug(
        name="diagonal-summed",
        factory=DiagonalSummed,
        group="definition",
        diagnosis=None,
        why="The diagonal is dropped from the count of pairs but not from the sum, where it adds "
        "a term that has no partner.",
    ),
)
