"""Something other than the cosine."""

import math

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

SIMILARITY = PHRASES["similarity"]


@seeded_bug(named=SIMILARITY["dot"])
class DotProduct(RightSupCR):
    """Rows are not normalised. The caller was expected to normalise; if not, the loss falls by
    growing norms alone."""

    def similarity(self, rows: Tensor) -> Tensor:
        return rows @ rows.T


@seeded_bug(named=SIMILARITY["negative_euclidean"])
class NegativeEuclidean(RightSupCR):
    """The negative Euclidean distance of the rows as they are. The official code's similarity,
    with its temperature of 2; at 0.1 and with norms that vary it is another loss."""

    def similarity(self, rows: Tensor) -> Tensor:
        distance: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        return -distance


@seeded_bug(named=SIMILARITY["negative_squared_euclidean"])
class NegativeSquaredEuclidean(RightNoSelf):
    """The square of it. On unit rows the squared distance is the cosine but for a factor of 2;
    on others it is not."""

    def similarity(self, rows: Tensor) -> Tensor:
        squares: Tensor = (rows.unsqueeze(1) - rows.unsqueeze(0)).square()
        return -squares.sum(dim=2)


@seeded_bug()
class ColumnsNormalised(RightSupCR):
    """Each column of the batch has length 1, not each row. dim=0 in place of dim=1 normalises
    over the batch: every row's similarity depends on all other rows."""

    def unit(self, rows: Tensor) -> Tensor:
        lengths: Tensor = rows.norm(dim=0, keepdim=True)
        return rows / lengths.clamp(min=1e-12)


@seeded_bug()
class NormPlusConstant(RightSupCR):
    """Divided by the norm and a bit, so that no division by zero can happen. Added in place of
    clamped, the constant shortens every row and lets a gradient through along it."""

    def norms(self, rows: Tensor) -> Tensor:
        return super().norms(rows) + 0.01


@seeded_bug()
class ScaledByColumns(RightSupCR):
    """Divided by the root of the embedding size, as attention does. A factor taken over from
    attention makes the temperature depend on the embedding size: appended zero columns change
    the loss."""

    def logits(self, rows: Tensor) -> Tensor:
        return super().logits(rows) / math.sqrt(rows.shape[1])
