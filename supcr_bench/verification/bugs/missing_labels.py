"""Missing labels, handled wrongly."""

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

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
    """Only complete rows count, in every dimension. Complete-case analysis throws away every
    label of a row that misses one; with many sparse dimensions nothing is left to train on."""

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
    """A dimension without a pair is a mean over nothing. 0/0 in one empty dimension makes the
    whole loss NaN, and the first such batch ends the training."""

    def no_pairs(self, views: Sequence[Tensor]) -> Tensor:
        return super().no_pairs(views) / 0


@seeded_bug()
class ZeroTakenForMissing(RightSupCR):
    """A label of exactly 0 does not count as one. A mask by truth value drops every row whose
    label is 0, the wild type of many a data set."""

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
