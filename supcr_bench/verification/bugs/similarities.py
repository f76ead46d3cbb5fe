"""Something other than the cosine."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

import math

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class DotProduct(RightSupCR):
    """Rows are not normalised."""

    def similarity(self, rows: Tensor) -> Tensor:
        return rows @ rows.T


class NegativeDistance(RightSupCR):
    """The negative Euclidean distance of the rows as they are."""

    def similarity(self, rows: Tensor) -> Tensor:
        distance: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        return -distance


class NegativeSquaredDistance(RightNoSelf):
    """The square of it."""

    def similarity(self, rows: Tensor) -> Tensor:
        squares: Tensor = (rows.unsqueeze(1) - rows.unsqueeze(0)).square()
        return -squares.sum(dim=2)


class ColumnsNormalised(RightSupCR):
    """Each column of the batch has length 1, not each row."""

    def unit(self, rows: Tensor) -> Tensor:
        lengths: Tensor = rows.norm(dim=0, keepdim=True)
        return rows / lengths.clamp(min=1e-12)


class NormPlusConstant(RightSupCR):
    """Divided by the norm and a bit, so that no division by zero can happen."""

    def norms(self, rows: Tensor) -> Tensor:
        return super().norms(rows) + 0.01


class ScaledByColumns(RightSupCR):
    """Divided by the root of the embedding size, as attention does."""

    def logits(self, rows: Tensor) -> Tensor:
        return super().logits(rows) / math.sqrt(rows.shape[1])


SIMILARITY = PHRASES["similarity"]

BUGS = (
    SeededBug(
        name="dot-product",
        factory=DotProduct,
        group="definition",
        diagnosis=SIMILARITY["dot"],
        why="The caller was expected to normalise; if not, the loss falls by growing norms alone.",
    ),
    SeededBug(
        name="negative-euclidean",
        factory=NegativeDistance,
        group="definition",
        diagnosis=SIMILARITY["negative_euclidean"],
        why="The official code's similarity, with its temperature of 2; at 0.1 and with norms "
        "that vary it is another loss.",
    ),
    SeededBug(
        name="negative-squared-euclidean",
        factory=NegativeSquaredDistance,
        group="definition",
        diagnosis=SIMILARITY["negative_squared_euclidean"],
        definition="no-self",
        why="On unit rows the squared distance is the cosine but for a factor of 2; on others it "
        "is not.",
    ),
    SeededBug(
        name="columns-normalised",
        factory=ColumnsNormalised,
        group="definition",
        diagnosis=None,
        why="dim=0 in place of dim=1 normalises over the batch: every row's similarity depends on "
        "all other rows.",
    ),
    SeededBug(
        name="norm-plus-constant",
        factory=NormPlusConstant,
        group="definition",
        diagnosis=None,
        why="Added in place of clamped, the constant shortens every row and lets a gradient "
        "through along it.",
    ),
    SeededBug(
        name="scaled-by-columns",
        factory=ScaledByColumns,
        group="definition",
        diagnosis=None,
        why="A factor taken over from attention makes the temperature depend on the embedding "
        "size: appended zero columns change the loss.",
    ),
)
