"""Seeded bugs in the sums: candidate sets, counts, missing labels and weights.

The loss is a sum over pairs of rows, an anchor and a partner. The candidates of a pair are the rows
in its denominator. M of the N rows have a label.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.phrases import PHRASES

COMPARISON = PHRASES["comparison"]
ITSELF = PHRASES["self_candidate"]


@wrong(RightSupCR, "candidates", named=COMPARISON[">"])
def strict_inequality(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes only candidates farther than the partner, none at the same distance."""
    return delta.unsqueeze(1) > delta.unsqueeze(2)


@wrong(RightSupCR, "candidates", named=COMPARISON["<="])
def reversed_inequality(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes candidates at most as far as the partner, which reverses the ranking."""
    return delta.unsqueeze(1) <= delta.unsqueeze(2)


@wrong(RightSupCR, "candidates", named=COMPARISON["<"])
def reversed_strict_inequality(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes only candidates nearer than the partner, and not the partner itself."""
    return delta.unsqueeze(1) < delta.unsqueeze(2)


@wrong(RightSupCR, "candidates", named=ITSELF["always"])
def self_always(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Counts the anchor itself in every denominator."""
    return RightSupCR.candidates(self, delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


@seeded_bug(named=ITSELF["never"])
class SelfNever(RightSupCR):
    """Never counts the anchor itself, although torchcell does where labels tie."""

    itself_when_tied = False


@seeded_bug(named=ITSELF["when_tied"])
class NoSelfButWhenTied(RightNoSelf):
    """Counts the anchor itself if its label ties with the partner's."""

    itself_when_tied = True


@wrong(RightNoSelf, "candidates", named=ITSELF["always"])
def no_self_but_always(self: RightNoSelf, delta: Tensor, anchors: Tensor) -> Tensor:
    """Counts the anchor itself in every denominator."""
    return RightNoSelf.candidates(self, delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


def positions(delta: Tensor) -> Tensor:
    """The place of each distance in the sorted order of its row; ties get different places."""
    return delta.argsort(dim=1, stable=True).argsort(dim=1)


@wrong(RightSupCR, "candidates", named=PHRASES["ties"]["by_position"])
def ties_by_position(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Sums over sorted rows from the middle of a tie, so the order of rows matters."""
    return RightSupCR.candidates(self, positions(delta), anchors)


@wrong(RightNoSelf, "candidates", named=PHRASES["ties"]["by_position"])
def no_self_ties_by_position(self: RightNoSelf, delta: Tensor, anchors: Tensor) -> Tensor:
    """As ``ties_by_position``, for the definition ``no-self``."""
    return RightNoSelf.candidates(self, positions(delta), anchors)


@wrong(RightNoSelf, "candidates")
def labels_ignored(self: RightNoSelf, delta: Tensor, anchors: Tensor) -> Tensor:
    """Takes every other row as a candidate, as InfoNCE does, whatever its label."""
    return RightNoSelf.candidates(self, torch.zeros_like(delta), anchors)


@wrong(RightSupCR, "distances")
def signed_label_distance(self: RightSupCR, y: Tensor) -> Tensor:
    """Omits the absolute value of label differences."""
    return y.unsqueeze(0) - y.unsqueeze(1)


@wrong(RightSupCR, "distances")
def relative_label_distance(self: RightSupCR, y: Tensor) -> Tensor:
    """Divides each label distance by the size of the two labels."""
    size = y.abs().unsqueeze(1) + y.abs().unsqueeze(0)
    return RightSupCR.distances(self, y) / size.clamp(min=1e-6)


@wrong(RightSupCR, "anchor_sum")
def diagonal_summed(self: RightSupCR, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
    """Adds the pairs of a row with itself to the sum, but not to their number."""
    contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
    return (contrast - s).sum()


NORMALISER = PHRASES["normaliser"]


@wrong(RightSupCR, "normaliser", named=NORMALISER["rows_squared"])
def divided_by_rows_squared(self: RightSupCR, m: int, n: int) -> int:
    """Divides by M^2, which counts the pairs of a row with itself."""
    return m * m


@wrong(RightSupCR, "normaliser", named=NORMALISER["batch_pairs"])
def divided_by_batch_pairs(self: RightSupCR, m: int, n: int) -> int:
    """Divides by N(N-1), which counts rows without a label."""
    return n * (n - 1)


@wrong(RightNoSelf, "normaliser", named=NORMALISER["batch_squared"])
def divided_by_batch_squared(self: RightNoSelf, m: int, n: int) -> int:
    """Divides by N^2, which counts all rows, and the pairs of a row with itself."""
    return n * n


@wrong(RightSupCR, "normaliser", named=NORMALISER["rows"])
def divided_by_rows(self: RightSupCR, m: int, n: int) -> int:
    """Divides by M, the number of anchors, and not by the number of partners."""
    return m


@wrong(RightNoSelf, "normaliser", named=NORMALISER["batch"])
def divided_by_batch(self: RightNoSelf, m: int, n: int) -> int:
    """Divides by N, the number of all rows."""
    return n


@wrong(RightSupCR, "normaliser", named=NORMALISER["nothing"])
def not_divided(self: RightSupCR, m: int, n: int) -> int:
    """Does not divide by the number of pairs."""
    return 1


MISSING = PHRASES["nan_labels"]


@wrong(RightSupCR, "read_labels", named=MISSING["zero"])
def nan_filled_with_zero(self: RightSupCR, labels: Tensor) -> Tensor:
    """Reads a missing label as 0."""
    labels = RightSupCR.read_labels(self, labels)
    return torch.where(torch.isnan(labels), 0.0, labels)


@wrong(RightSupCR, "valid_rows", named=MISSING["drop_row"])
def rows_dropped_anywhere(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    """Drops a row from every label dimension if any of its labels is missing."""
    return torch.nonzero(~torch.isnan(labels).any(dim=1)).squeeze(1)


@wrong(RightSupCR, "losses")
def count_of_the_first_dimension(self: Any, views: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Divides the sum of each label dimension by the number of pairs in the first."""
    parts = RightSupCR.losses(self, views, labels)
    rows = (~torch.isnan(labels)).sum(dim=0)
    pairs = (rows * (rows - 1)).clamp(min=1).to(parts)
    return parts * pairs / pairs[0]


@wrong(RightSupCR, "no_pairs")
def mean_over_no_pairs(self: RightSupCR, views: Sequence[Tensor]) -> Tensor:
    """Divides 0 by 0 in a label dimension without pairs."""
    return RightSupCR.no_pairs(self, views) / 0


@wrong(RightSupCR, "valid_rows")
def zero_taken_for_missing(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    """Treats a label of exactly 0 as missing."""
    return torch.nonzero(labels[:, c].nan_to_num(0.0)).squeeze(1)


@wrong(RightSupCR, "logits_among", caught_by="relations")
def selected_after_normalising(self: RightSupCR, view: Tensor, rows: Tensor) -> Tensor:
    """Drops unlabelled rows after normalising, so NaN in them reaches the gradient."""
    return self.logits(view)[rows][:, rows]


@wrong(RightSupCR, "logits_among", caught_by="relations")
def selected_by_multiplication(self: RightSupCR, view: Tensor, rows: Tensor) -> Tensor:
    """Drops unlabelled rows by multiplying them by 0, but 0 times NaN is NaN."""
    chosen = torch.eye(len(view), dtype=view.dtype, device=view.device)[rows]
    return self.logits(chosen @ view)


@wrong(RightSupCR, "dimension_weights", named=PHRASES["weights"]["ignored"])
def weights_ignored(self: RightSupCR, parts: Tensor) -> Tensor:
    """Ignores the weights."""
    return torch.ones_like(parts)


@wrong(RightSupCR, "combine", named=PHRASES["weights"]["summed"])
def weights_not_normalised(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    """Does not divide by the sum of the weights."""
    return (parts * self.dimension_weights(parts)).sum()


@wrong(RightSupCR, "combine", named=PHRASES["empty_dimension"]["renormalise"])
def weights_renormalised(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    """Divides by the weights of the label dimensions with pairs, not by all weights."""
    valid = (~torch.isnan(labels)).sum(dim=0) >= 2
    weights = torch.where(valid, self.dimension_weights(parts), 0.0)
    return (parts * weights).sum() / weights.sum().clamp(min=torch.finfo(parts.dtype).tiny)


@wrong(RightSupCR, "dimension_weights")
def weights_through_softmax(self: RightSupCR, parts: Tensor) -> Tensor:
    """Normalises the weights with a softmax: 0.7 and 0.3 become 0.6 and 0.4."""
    return RightSupCR.dimension_weights(self, parts).softmax(dim=0)


@wrong(RightSupCR, "combine")
def averaged_twice(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    """Divides the weighted mean of the per-dimension losses by their number again."""
    return RightSupCR.combine(self, parts, labels) / len(parts)


@seeded_bug()
class PartsReturnedWeighted(RightSupCR):
    """Returns per-dimension losses that are already multiplied by their weights."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        weights = self.dimension_weights(parts)
        return loss, parts * weights / weights.sum()


@seeded_bug()
class PartsDetached(RightSupCR):
    """Returns per-dimension losses without a gradient."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return loss, parts.detach()


@wrong(RightSupCR, "dimension_weights", caught_by="robustness")
def two_dimensions_by_default(self: RightSupCR, parts: Tensor) -> Tensor:
    """Uses two equal weights by default, whatever the number of label dimensions."""
    if self.weights is None:
        return torch.ones(2).to(parts)
    return RightSupCR.dimension_weights(self, parts)
