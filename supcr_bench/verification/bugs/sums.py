"""Seeded bugs in the sums: candidate sets, counts, missing labels and weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.formula import PHRASES

COMPARISON = PHRASES["comparison"]
ITSELF = PHRASES["self_candidate"]


@wrong(RightSupCR, "candidates", named=COMPARISON[">"])
def strict_inequality(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes only candidates farther than the partner. 'farther' sounds right, but leaves the
    partner out of its own denominator: the loss is no softmax and falls below zero."""
    return delta.unsqueeze(1) > delta.unsqueeze(2)


@wrong(RightSupCR, "candidates", named=COMPARISON["<="])
def reversed_inequality(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes candidates at most as far as the partner. With <= the anchor is pushed away from those
    whose labels are near: the ranking is trained upside down while the loss still goes down."""
    return delta.unsqueeze(1) <= delta.unsqueeze(2)


@wrong(RightSupCR, "candidates", named=COMPARISON["<"])
def reversed_strict_inequality(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes candidates nearer than the partner. They are the negatives; the partner is left out."""
    return delta.unsqueeze(1) < delta.unsqueeze(2)


@wrong(RightSupCR, "candidates", named=ITSELF["always"])
def self_always(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Leaves the diagonal in every denominator. It was never masked, and exp(1/tau) swamps all."""
    return RightSupCR.candidates(self, delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


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


@wrong(RightNoSelf, "candidates", named=ITSELF["always"])
def no_self_but_always(self: RightNoSelf, delta: Tensor, anchors: Tensor) -> Tensor:
    """Leaves the diagonal in every denominator. The paper's k != i was overlooked there."""
    return RightNoSelf.candidates(self, delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


def positions(delta: Tensor) -> Tensor:
    """The index of each row's entries in sorted order; ties get different indices."""
    return delta.argsort(dim=1, stable=True).argsort(dim=1)


@wrong(RightSupCR, "candidates", named=PHRASES["ties"]["by_position"])
def ties_by_position(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Sums suffixes of the sorted row that begin in the middle of a tie. From the partner's own
    place and not the first of its tie, the sum depends on the order of the rows."""
    return RightSupCR.candidates(self, positions(delta), anchors)


@wrong(RightNoSelf, "candidates", named=PHRASES["ties"]["by_position"])
def no_self_ties_by_position(self: RightNoSelf, delta: Tensor, anchors: Tensor) -> Tensor:
    """Sums suffixes of the sorted row that begin in the middle of a tie. The same with the anchor
    left out: right on continuous labels, wrong on counts and scores."""
    return RightNoSelf.candidates(self, positions(delta), anchors)


@wrong(RightNoSelf, "candidates")
def labels_ignored(self: RightNoSelf, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes every other row as a candidate, whatever its label: a plain softmax contrast. Every
    other row in the denominator is InfoNCE with every row a positive: nothing is ranked."""
    return RightNoSelf.candidates(self, torch.zeros_like(delta), anchors)


@wrong(RightSupCR, "distances")
def signed_label_distance(self: RightSupCR, y: Tensor) -> Tensor:
    """Omits the absolute value of label differences. Smaller labels then count as near, and
    flipping the sign of the labels changes the loss."""
    return y.unsqueeze(0) - y.unsqueeze(1)


@wrong(RightSupCR, "distances")
def relative_label_distance(self: RightSupCR, y: Tensor) -> Tensor:
    """Divides label distances by the size of the labels. A relative difference seems fair for
    labels of mixed size, but adding a constant to all labels then changes who is near."""
    size = y.abs().unsqueeze(1) + y.abs().unsqueeze(0)
    return RightSupCR.distances(self, y) / size.clamp(min=1e-6)


@wrong(RightSupCR, "anchor_sum")
def diagonal_summed(self: RightSupCR, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
    """Sums the diagonal too. It is dropped from the count of pairs, but not from the sum."""
    contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
    return (contrast - s).sum()


NORMALISER = PHRASES["normaliser"]


@wrong(RightSupCR, "normaliser", named=NORMALISER["rows_squared"])
def divided_by_rows_squared(self: RightSupCR, m: int, n: int) -> int:
    """Divides by M^2: the mean over the whole matrix, whose diagonal is zero. A mean over a matrix
    with a zero diagonal; the error, 1/M, hides in large batches."""
    return m * m


@wrong(RightSupCR, "normaliser", named=NORMALISER["batch_pairs"])
def divided_by_batch_pairs(self: RightSupCR, m: int, n: int) -> int:
    """Divides by N(N-1): rows without a label are counted. With labels missing the loss shrinks by
    the square of the valid share, and sparse dimensions are quietly down-weighted."""
    return n * (n - 1)


@wrong(RightNoSelf, "normaliser", named=NORMALISER["batch_squared"])
def divided_by_batch_squared(self: RightNoSelf, m: int, n: int) -> int:
    """Divides by N^2. A mean over the masked N x N matrix counts what was masked."""
    return n * n


@wrong(RightSupCR, "normaliser", named=NORMALISER["rows"])
def divided_by_rows(self: RightSupCR, m: int, n: int) -> int:
    """Divides by M: the mean over anchors of the sum over partners. The inner mean over partners is
    forgotten, so that the learning rate that works depends on the batch size."""
    return m


@wrong(RightNoSelf, "normaliser", named=NORMALISER["batch"])
def divided_by_batch(self: RightNoSelf, m: int, n: int) -> int:
    """Divides by N. The size of the tensor is not the number of rows that have a label."""
    return n


@wrong(RightSupCR, "normaliser", named=NORMALISER["nothing"])
def not_divided(self: RightSupCR, m: int, n: int) -> int:
    """Does not divide by the number of pairs. A sum grows with the square of the batch."""
    return 1


MISSING = PHRASES["nan_labels"]


@wrong(RightSupCR, "read_labels", named=MISSING["zero"])
def nan_filled_with_zero(self: RightSupCR, labels: Tensor) -> Tensor:
    """A missing label is taken for a label of 0. nan_to_num turns 'not measured' into
    'measured, and exactly zero': rows without a label are pulled together."""
    labels = RightSupCR.read_labels(self, labels)
    return torch.where(torch.isnan(labels), 0.0, labels)


@wrong(RightSupCR, "valid_rows", named=MISSING["drop_row_anywhere"])
def rows_dropped_anywhere(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    """Drops a row from every dimension if any of its labels is missing. With many sparse dimensions
    such complete-case analysis leaves nothing to train on."""
    return torch.nonzero(~torch.isnan(labels).any(dim=1)).squeeze(1)


@wrong(RightSupCR, "losses")
def count_of_the_first_dimension(self: Any, views: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Divides every dimension's sum by the number of pairs of the first. A count outside of the
    loop is right as long as all dimensions miss equally many labels."""
    parts = RightSupCR.losses(self, views, labels)
    rows = (~torch.isnan(labels)).sum(dim=0)
    pairs = (rows * (rows - 1)).clamp(min=1).to(parts)
    return parts * pairs / pairs[0]


@wrong(RightSupCR, "no_pairs")
def mean_over_no_pairs(self: RightSupCR, views: Sequence[Tensor]) -> Tensor:
    """Averages over no pairs in a dimension that has none. 0/0 in one empty dimension makes the
    whole loss NaN, and the first such batch ends the training."""
    return RightSupCR.no_pairs(self, views) / 0


@wrong(RightSupCR, "valid_rows")
def zero_taken_for_missing(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    """Treats a label of exactly 0 as missing. A mask by truth value drops every row whose
    label is 0, such as the wild type in many data sets."""
    return torch.nonzero(labels[:, c].nan_to_num(0.0)).squeeze(1)


@wrong(RightSupCR, "logits_among", caught_by="relations")
def selected_after_normalising(self: RightSupCR, view: Tensor, rows: Tensor) -> Tensor:
    """Rows are left out of the similarities after these were computed. The value is right, but a
    zero gradient times the NaN of a row left out is a NaN."""
    return self.logits(view)[rows][:, rows]


@wrong(RightSupCR, "logits_among", caught_by="relations")
def selected_by_multiplication(self: RightSupCR, view: Tensor, rows: Tensor) -> Tensor:
    """Rows are left out by a factor of 0, and 0 times NaN is NaN. Masking by a product with
    zeros works until an unlabelled row holds a NaN or an infinity."""
    chosen = torch.eye(len(view), dtype=view.dtype, device=view.device)[rows]
    return self.logits(chosen @ view)


@wrong(RightSupCR, "dimension_weights", named=PHRASES["weights"]["ignored"])
def weights_ignored(self: RightSupCR, parts: Tensor) -> Tensor:
    """Ignores the weights. They are stored and never read; equal ones do not show it."""
    return torch.ones_like(parts)


@wrong(RightSupCR, "combine", named=PHRASES["weights"]["summed"])
def weights_not_normalised(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    """Does not divide by the sum of the weights. 7 and 3 then give ten times 0.7 and 0.3."""
    return (parts * self.dimension_weights(parts)).sum()


@wrong(RightSupCR, "combine", named=PHRASES["empty_dimension"]["renormalise"])
def weights_renormalised(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    """Dimensions without a valid pair hand their weight to the others. A later convention: sound in
    itself, but the loss jumps against the claimed one."""
    valid = (~torch.isnan(labels)).sum(dim=0) >= 2
    weights = torch.where(valid, self.dimension_weights(parts), 0.0)
    return (parts * weights).sum() / weights.sum().clamp(min=torch.finfo(parts.dtype).tiny)


@wrong(RightSupCR, "dimension_weights")
def weights_through_softmax(self: RightSupCR, parts: Tensor) -> Tensor:
    """Normalises the weights by a softmax. Their sum is one, but 0.7 and 0.3 are 0.6 and 0.4."""
    return RightSupCR.dimension_weights(self, parts).softmax(dim=0)


@wrong(RightSupCR, "combine")
def averaged_twice(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    """Divides the weighted mean of the per-dimension losses by D once more. A weighted mean, then
    .mean(): every logged part is right, and the gradient is D times too small."""
    return RightSupCR.combine(self, parts, labels) / len(parts)


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
    """Returns per-dimension losses without gradient. A loss that is made of them trains nothing."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return loss, parts.detach()


@wrong(RightSupCR, "dimension_weights", caught_by="robustness")
def two_dimensions_by_default(self: RightSupCR, parts: Tensor) -> Tensor:
    """Has two equal weights by default, whatever D is. A default of two weights broadcasts silently
    over one dimension and raises for three."""
    if self.weights is None:
        return torch.ones(2).to(parts)
    return RightSupCR.dimension_weights(self, parts)
