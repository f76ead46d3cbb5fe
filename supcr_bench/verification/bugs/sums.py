"""Seeded bugs in the sums: candidate sets, counts, missing labels and weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

COMPARISON = PHRASES["comparison"]
ITSELF = PHRASES["self_candidate"]


@seeded_bug(named=COMPARISON[">"])
class StrictInequality(RightSupCR):
    """Takes only candidates farther than the partner, which leaves out the partner itself. 'farther
    than the partner' reads like the definition, but leaves the partner out of its own denominator,
    so that the loss is not a softmax and falls below zero."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) > delta.unsqueeze(2)


@seeded_bug(named=COMPARISON["<="])
class ReversedInequality(RightSupCR):
    """Takes candidates at most as far as the partner. With <= the anchor is pushed away from those
    whose labels are near: the ranking is trained upside down while the loss still goes down."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) <= delta.unsqueeze(2)


@seeded_bug(named=COMPARISON["<"])
class ReversedStrictInequality(RightSupCR):
    """Takes candidates nearer than the partner. Two slips in one comparison: nearer rows are the
    negatives, and the partner is left out."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return delta.unsqueeze(1) < delta.unsqueeze(2)


@seeded_bug(named=ITSELF["always"])
class SelfAlways(RightSupCR):
    """Leaves the diagonal in every denominator. The diagonal of the similarity matrix was
    never masked; exp(1/tau) swamps every denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


@seeded_bug(named=ITSELF["never"])
class SelfNever(RightSupCR):
    """Takes the diagonal out of every denominator. The diagonal is masked as in SimCLR; the
    torchcell convention keeps it where labels tie, and only tied labels show the difference."""

    itself_when_tied = False


@seeded_bug(named=ITSELF["when_tied"])
class NoSelfButWhenTied(RightNoSelf):
    """Treats the anchor as a candidate wherever a partner's label ties with its own. The inequality
    makes the anchor a candidate for every partner with the same label; binary labels tie often."""

    itself_when_tied = True


@seeded_bug(named=ITSELF["always"])
class NoSelfButAlways(RightNoSelf):
    """Leaves the diagonal in every denominator. The paper's k != i was overlooked in the
    denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


def positions(delta: Tensor) -> Tensor:
    """The index of each row's entries in sorted order; ties get different indices."""
    return delta.argsort(dim=1, stable=True).argsort(dim=1)


@seeded_bug(named=PHRASES["ties"]["by_position"])
class TiesByPosition(RightSupCR):
    """Sums suffixes of the sorted row that begin in the middle of a tie. A sort and a cumulative
    sum need the first place of a tie; taking the partner's own place makes the loss depend on
    the order of the rows."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(positions(delta), anchors)


@seeded_bug(named=PHRASES["ties"]["by_position"])
class NoSelfTiesByPosition(RightNoSelf):
    """Sums suffixes of the sorted row that begin in the middle of a tie. The same with the anchor
    left out: right on continuous labels, wrong on counts and scores."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(positions(delta), anchors)


@seeded_bug()
class LabelsIgnored(RightNoSelf):
    """Takes every other row as a candidate, whatever its label: a plain softmax contrast. Every
    other row in the denominator is InfoNCE with every row a positive: nothing is ranked."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(torch.zeros_like(delta), anchors)


@seeded_bug()
class SignedLabelDistance(RightSupCR):
    """Omits the absolute value of label differences, so that smaller labels count as near. A lost
    absolute value orders by label and not by distance, so that flipping the sign of the labels
    changes the loss."""

    def distances(self, y: Tensor) -> Tensor:
        return y.unsqueeze(0) - y.unsqueeze(1)


@seeded_bug()
class RelativeLabelDistance(RightSupCR):
    """Divides label distances by the size of the labels. A relative difference seems fair for
    labels of mixed size, but adding a constant to all labels then changes who is near."""

    def distances(self, y: Tensor) -> Tensor:
        size = y.abs().unsqueeze(1) + y.abs().unsqueeze(0)
        return super().distances(y) / size.clamp(min=1e-6)


@seeded_bug()
class DiagonalSummed(RightSupCR):
    """Sums the diagonal too, as if the anchor were its own partner. The diagonal is
    dropped from the count of pairs but not from the sum, where it adds a term that has no
    partner."""

    def anchor_sum(self, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
        contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
        return (contrast - s).sum()


NORMALISER = PHRASES["normaliser"]


@seeded_bug(named=NORMALISER["rows_squared"])
class DividedByRowsSquared(RightSupCR):
    """Divides by M^2: the mean over the whole matrix, whose diagonal is zero. A mean over a matrix
    with a zero diagonal; the error, 1/M, hides in large batches."""

    def normaliser(self, m: int, n: int) -> int:
        return m * m


@seeded_bug(named=NORMALISER["batch_pairs"])
class DividedByBatchPairs(RightSupCR):
    """Divides by N(N-1): rows without a label are counted. With labels missing the loss shrinks by
    the square of the valid share, and sparse dimensions are quietly down-weighted."""

    def normaliser(self, m: int, n: int) -> int:
        return n * (n - 1)


@seeded_bug(named=NORMALISER["batch_squared"])
class DividedByBatchSquared(RightNoSelf):
    """Divides by N^2: rows without a label are counted, and so is the diagonal. A mean over the
    masked N x N matrix counts what was masked."""

    def normaliser(self, m: int, n: int) -> int:
        return n * n


@seeded_bug(named=NORMALISER["rows"])
class DividedByRows(RightSupCR):
    """Divides by M: the mean over anchors of the sum over partners. The inner mean over partners is
    forgotten, so that the learning rate that works depends on the batch size."""

    def normaliser(self, m: int, n: int) -> int:
        return m


@seeded_bug(named=NORMALISER["batch"])
class DividedByBatch(RightNoSelf):
    """Divides by N: anchors without a label are counted. The same, divided by the size of the
    tensor and not by the rows that have a label."""

    def normaliser(self, m: int, n: int) -> int:
        return n


@seeded_bug(named=NORMALISER["nothing"])
class NotDivided(RightSupCR):
    """Does not divide the sum by the number of pairs. A sum in place of a mean grows with the
    square of the batch."""

    def normaliser(self, m: int, n: int) -> int:
        return 1


MISSING = PHRASES["nan_labels"]


@seeded_bug(named=MISSING["zero"])
class NanFilledWithZero(RightSupCR):
    """A missing label is taken for a label of 0. nan_to_num turns 'not measured' into
    'measured, and exactly zero': rows without a label are pulled together."""

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        return torch.where(torch.isnan(labels), 0.0, labels)


@seeded_bug(named=MISSING["drop_row_anywhere"])
class RowsDroppedAnywhere(RightSupCR):
    """Drops a row from every dimension if any of its labels is missing. Complete-case analysis
    throws away every label of a row that misses one; with many sparse dimensions nothing is left to
    train on."""

    def valid_rows(self, labels: Tensor, c: int) -> Tensor:
        return torch.nonzero(~torch.isnan(labels).any(dim=1)).squeeze(1)


@seeded_bug()
class CountOfTheFirstDimension(RightSupCR):
    """Pairs are counted once, in the first dimension, and divide every dimension's sum. The
    number of pairs is taken out of the loop over dimensions: right as long as all of them miss
    equally many labels."""

    def losses(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        parts = super().losses(views, labels)
        rows = (~torch.isnan(labels)).sum(dim=0)
        pairs = (rows * (rows - 1)).clamp(min=1).to(parts)
        return parts * pairs / pairs[0]


@seeded_bug()
class MeanOverNoPairs(RightSupCR):
    """Averages over no pairs in a dimension that has none. 0/0 in one empty dimension makes the
    whole loss NaN, and the first such batch ends the training."""

    def no_pairs(self, views: Sequence[Tensor]) -> Tensor:
        return super().no_pairs(views) / 0


@seeded_bug()
class ZeroTakenForMissing(RightSupCR):
    """Treats a label of exactly 0 as missing. A mask by truth value drops every row whose
    label is 0, such as the wild type in many data sets."""

    def valid_rows(self, labels: Tensor, c: int) -> Tensor:
        return torch.nonzero(labels[:, c].nan_to_num(0.0)).squeeze(1)


@seeded_bug(caught_by="relations")
class SelectedAfterNormalising(RightSupCR):
    """Rows are left out of the similarities, after these were computed for all. The value is
    right, but the backward runs through the rows left out, where a zero gradient times a NaN is
    a NaN."""

    def logits_among(self, view: Tensor, rows: Tensor) -> Tensor:
        return self.logits(view)[rows][:, rows]


@seeded_bug(caught_by="relations")
class SelectedByMultiplication(RightSupCR):
    """Rows are left out by a factor of 0, and 0 times NaN is NaN. Masking by a product with
    zeros works until an unlabelled row holds a NaN or an infinity."""

    def logits_among(self, view: Tensor, rows: Tensor) -> Tensor:
        chosen = torch.eye(len(view), dtype=view.dtype, device=view.device)[rows]
        return self.logits(chosen @ view)


@seeded_bug(named=PHRASES["weights"]["ignored"])
class WeightsIgnored(RightSupCR):
    """Ignores the weights and averages the dimensions. The argument is stored and never read;
    nobody notices while the weights are equal."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        return torch.ones_like(parts)


@seeded_bug(named=PHRASES["weights"]["summed"])
class WeightsNotNormalised(RightSupCR):
    """Does not divide by the sum of the weights. Weights of 7 and 3 in place of
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
    """Normalises the weights by a softmax. A softmax makes weights add up to one as well, but 0.7
    and 0.3 become 0.6 and 0.4."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        return super().dimension_weights(parts).softmax(dim=0)


@seeded_bug()
class AveragedTwice(RightSupCR):
    """Divides the weighted mean of the per-dimension losses by D once more. A weighted mean, then
    .mean(): every logged part is right, and the gradient is D times too small."""

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        return super().combine(parts, labels) / len(parts)


@seeded_bug()
class PartsReturnedWeighted(RightSupCR):
    """Returns per-dimension losses that are already weighted. The training is right and
    its curves are not: dimensions with small weights look solved."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        weights = self.dimension_weights(parts)
        return loss, parts * weights / weights.sum()


@seeded_bug()
class PartsDetached(RightSupCR):
    """Returns per-dimension losses without gradient. Whoever weights the parts on their own, by
    uncertainty say, trains on nothing."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return loss, parts.detach()


@seeded_bug(caught_by="robustness")
class TwoDimensionsByDefault(RightSupCR):
    """Has two equal weights by default, whatever D is. A default of two weights broadcasts silently
    over one dimension and raises for three."""

    def dimension_weights(self, parts: Tensor) -> Tensor:
        if self.weights is None:
            return torch.ones(2).to(parts)
        return super().dimension_weights(parts)
