"""Wrong candidate sets."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

COMPARISON = PHRASES["comparison"]
ITSELF = PHRASES["self_candidate"]


@seeded_bug(named=COMPARISON[">"])
class StrictInequality(RightSupCR):
    """Farther than the partner, which is then no candidate itself. 'farther than the partner'
    reads like the definition, but leaves the partner out of its own denominator, so that the
    loss is not a softmax and falls below zero."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) > delta.unsqueeze(2)


@seeded_bug(named=COMPARISON["<="])
class ReversedInequality(RightSupCR):
    """At most as far as the partner. With <= the anchor is pushed away from those whose labels
    are near: the ranking is trained upside down while the loss still goes down."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) <= delta.unsqueeze(2)


@seeded_bug(named=COMPARISON["<"])
class ReversedStrictInequality(RightSupCR):
    """Nearer than the partner. Two slips in one comparison: nearer rows are the negatives, and
    the partner is left out."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) < delta.unsqueeze(2)


@seeded_bug(named=ITSELF["always"])
class SelfAlways(RightSupCR):
    """The diagonal is left in every denominator. The diagonal of the similarity matrix was
    never masked; exp(1/tau) swamps every denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


@seeded_bug(named=ITSELF["never"])
class SelfNever(RightSupCR):
    """The diagonal is taken out of every denominator. The diagonal is masked as in SimCLR; the
    torchcell convention keeps it where labels tie, and only tied labels show the difference."""

    itself_when_tied = False


@seeded_bug(named=ITSELF["when_tied"])
class NoSelfButWhenTied(RightNoSelf):
    """The diagonal goes by the inequality like any other column. The inequality alone lets the
    anchor in against every partner with the same label, which is all of them on binary
    labels."""

    itself_when_tied = True


@seeded_bug(named=ITSELF["always"])
class NoSelfButAlways(RightNoSelf):
    """The diagonal is left in every denominator. The paper's k != i was overlooked in the
    denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


def positions(delta: Tensor) -> Tensor:
    """Each row's places in sorted order: ties are told apart by their index."""
    return delta.argsort(dim=1, stable=True).argsort(dim=1)


@seeded_bug(named=PHRASES["ties"]["by_position"])
class TiesByPosition(RightSupCR):
    """Suffixes of the sorted row, which begin in the midst of a tie. A sort and a cumulative
    sum need the first place of a tie; taking the partner's own place makes the loss depend on
    the order of the rows."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(positions(delta), anchors)


@seeded_bug(named=PHRASES["ties"]["by_position"])
class NoSelfTiesByPosition(RightNoSelf):
    """Suffixes of the sorted row, which begin in the midst of a tie. The same with the anchor
    left out: right on continuous labels, wrong on counts and scores."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(positions(delta), anchors)


@seeded_bug()
class LabelsIgnored(RightNoSelf):
    """Every other row, whatever its label: a plain softmax contrast. Every other row in the
    denominator is InfoNCE with every row a positive: nothing is ranked."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(torch.zeros_like(delta), anchors)


@seeded_bug()
class SignedLabelDistance(RightSupCR):
    """Without the absolute value, so that smaller labels count as near. A lost absolute value
    orders by label and not by distance, so that flipping the sign of the labels changes the
    loss."""

    def distances(self, y: Tensor) -> Tensor:
        return y.unsqueeze(0) - y.unsqueeze(1)


@seeded_bug()
class RelativeLabelDistance(RightSupCR):
    """As a share of the labels' own size. A relative difference seems fair for labels of mixed
    size, but adding a constant to all labels then changes who is near."""

    def distances(self, y: Tensor) -> Tensor:
        size = y.abs().unsqueeze(1) + y.abs().unsqueeze(0)
        return super().distances(y) / size.clamp(min=1e-6)


@seeded_bug()
class DiagonalSummed(RightSupCR):
    """The anchor is a partner of its own, among the pairs that are summed. The diagonal is
    dropped from the count of pairs but not from the sum, where it adds a term that has no
    partner."""

    def anchor_sum(self, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
        contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
        return (contrast - s).sum()
