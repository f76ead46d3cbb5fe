"""Missing labels, handled wrongly."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class FilledWithZero(RightSupCR):
    """A missing label is taken for a label of 0."""

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        return torch.where(torch.isnan(labels), 0.0, labels)


class DroppedAnywhere(RightSupCR):
    """Only complete rows count, in every dimension."""

    def valid_rows(self, labels: Tensor, c: int) -> Tensor:
        return torch.nonzero(~torch.isnan(labels).any(dim=1)).squeeze(1)


class CountOfTheFirstDimension(RightSupCR):
    """Pairs are counted once, in the first dimension, and divide every dimension's sum."""

    def losses(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        parts = super().losses(views, labels)
        rows = (~torch.isnan(labels)).sum(dim=0)
        pairs = (rows * (rows - 1)).clamp(min=1).to(parts)
        return parts * pairs / pairs[0]


class NoGuardForNoPairs(RightSupCR):
    """A dimension without a pair is a mean over nothing."""

    def no_pairs(self, views: Sequence[Tensor]) -> Tensor:
        return super().no_pairs(views) / 0


class ZeroTakenForMissing(RightSupCR):
    """A label of exactly 0 does not count as one."""

    def valid_rows(self, labels: Tensor, c: int) -> Tensor:
        return torch.nonzero(labels[:, c].nan_to_num(0.0)).squeeze(1)


class SelectedAfterNormalising(RightSupCR):
    """Rows are left out of the similarities, after these were computed for all."""

    def logits_among(self, view: Tensor, rows: Tensor) -> Tensor:
        return self.logits(view)[rows][:, rows]


class SelectedByMultiplication(RightSupCR):
    """Rows are left out by a factor of 0, and 0 times NaN is NaN."""

    def logits_among(self, view: Tensor, rows: Tensor) -> Tensor:
        chosen = torch.eye(len(view), dtype=view.dtype, device=view.device)[rows]
        return self.logits(chosen @ view)


MISSING = PHRASES["nan_labels"]

BUGS = (
    SeededBug(
        name="nan-filled-with-zero",
        factory=FilledWithZero,
        group="definition",
        diagnosis=MISSING["zero"],
        why="nan_to_num turns 'not measured' into 'measured, and exactly zero': rows without a "
        "label are pulled together.",
    ),
    SeededBug(
        name="rows-dropped-anywhere",
        factory=DroppedAnywhere,
        group="definition",
        diagnosis=MISSING["drop_row_anywhere"],
        why="Complete-case analysis throws away every label of a row that misses one; with many "
        "sparse dimensions nothing is left to train on.",
    ),
    SeededBug(
        name="count-of-the-first-dimension",
        factory=CountOfTheFirstDimension,
        group="definition",
        diagnosis=None,
        why="The number of pairs is taken out of the loop over dimensions: right as long as all "
        "of them miss equally many labels.",
    ),
    SeededBug(
        name="mean-over-no-pairs",
        factory=NoGuardForNoPairs,
        group="definition",
        diagnosis=None,
        why="0/0 in one empty dimension makes the whole loss NaN, and the first such batch ends "
        "the training.",
    ),
    SeededBug(
        name="zero-taken-for-missing",
        factory=ZeroTakenForMissing,
        group="definition",
        diagnosis=None,
        why="A mask by truth value drops every row whose label is 0, the wild type of many a "
        "data set.",
    ),
    SeededBug(
        name="selected-after-normalising",
        factory=SelectedAfterNormalising,
        group="relations",
        diagnosis=None,
        why="The value is right, but the backward runs through the rows left out, where a zero "
        "gradient times a NaN is a NaN.",
    ),
    SeededBug(
        name="selected-by-multiplication",
        factory=SelectedByMultiplication,
        group="relations",
        diagnosis=None,
        why="Masking by a product with zeros works until an unlabelled row holds a NaN or an "
        "infinity.",
    ),
)
