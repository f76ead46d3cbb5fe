"""Right for some sizes only."""

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug

CHUNK = 64
CAP = 256


@seeded_bug()
class RanksInEightBits(RightSupCR):
    """Distances are compared by their ranks, which begin again at 0 after 255. Ranks packed
    into bytes to save memory wrap around above 256 rows, where the tests did not go."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        ordered = delta.sort(dim=1).values
        ranks = torch.searchsorted(ordered, delta.contiguous())
        return super().candidates(ranks.to(torch.uint8), anchors)


@seeded_bug()
class CandidatesCapped(RightSupCR):
    """Columns beyond the first 256 are candidates only against themselves. A fixed buffer of
    256 columns: larger batches, which are the point of a contrastive loss, silently stop
    helping."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        column = torch.arange(delta.shape[1], device=delta.device)
        partner = column.unsqueeze(1) == column
        return super().candidates(delta, anchors) & ((column < CAP) | partner)


@seeded_bug()
class LastChunkDropped(RightSupCR):
    """Anchors are taken 64 at a time, as often as 64 fits. n // chunk chunks: right for powers
    of two, and up to 63 rows are lost for the rest."""

    def pair_sum(self, s: Tensor, delta: Tensor) -> Tensor:
        m = len(s)
        kept = m if m <= CHUNK else m // CHUNK * CHUNK
        chunks = torch.split(torch.arange(kept, device=s.device), CHUNK)
        return torch.stack([self.anchor_sum(s[c], delta[c], c) for c in chunks]).sum()


@seeded_bug()
class LastChunkCountedFull(RightSupCR):
    """The mean of the chunks' means: the rows of a short last chunk count for more. A mean of
    means is the mean only when all chunks are of one size."""

    def pair_sum(self, s: Tensor, delta: Tensor) -> Tensor:
        chunks = torch.split(torch.arange(len(s), device=s.device), CHUNK)
        means = [self.anchor_sum(s[c], delta[c], c) / len(c) for c in chunks]
        return torch.stack(means).mean() * len(s)


@seeded_bug()
class OddRowDropped(RightSupCR):
    """Of an odd number of rows the last one is left out. Work in pairs of rows drops the last
    of an odd number, which missing labels make every other batch."""

    def valid_rows(self, labels: Tensor, c: int) -> Tensor:
        rows = super().valid_rows(labels, c)
        return rows[: len(rows) // 2 * 2] if len(rows) > 2 else rows


@seeded_bug()
class LabelsOfTheFirstDimension(RightSupCR):
    """Every dimension is ranked by the first dimension's labels. A loop over dimensions whose
    body does not use the index: right for one dimension."""

    def losses(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        return super().losses(views, labels[:, :1].expand_as(labels))
