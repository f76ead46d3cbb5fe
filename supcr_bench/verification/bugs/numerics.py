"""Seeded bugs in precision, in gradients, and at some batch sizes only."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES


@seeded_bug(named=PHRASES["precision"]["bfloat16"])
class Bfloat16Inside(RightSupCR):
    """Rows are normalised and multiplied in bfloat16. Eight bits of a cosine divided by 0.1
    leave logits good to a few hundredths."""

    def similarity(self, rows: Tensor) -> Tensor:
        return super().similarity(rows.bfloat16()).to(rows)


@seeded_bug(named=PHRASES["precision"]["float16"])
class Float16Inside(RightNoSelf):
    """Rows are normalised and multiplied in float16. A .half() for speed in the product that
    everything else is built on."""

    def similarity(self, rows: Tensor) -> Tensor:
        return super().similarity(rows.half()).to(rows)


@seeded_bug(caught_by="robustness", named=PHRASES["precision"]["float32"])
class Float32Inside(RightSupCR):
    """Computed and accumulated in float32, and then called float64. Accumulators created
    without a dtype are float32: gradient checks in float64 fail or, worse, are loosened until
    they pass."""

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        return torch.float32


@seeded_bug()
class LabelsInBfloat16(RightSupCR):
    """Labels are rounded to 8 bits before they are compared. Labels follow the embeddings into
    bfloat16, and distinct labels tie."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).bfloat16().to(labels)


@seeded_bug()
class LabelsInFloat16(RightSupCR):
    """Labels are rounded to 11 bits before they are compared. The whole batch was cast with
    .half(): in large batches the nearest labels tie."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).half().to(labels)


@seeded_bug(caught_by="robustness")
class LabelsInFloat32(RightSupCR):
    """Labels are rounded to 24 bits before they are compared. float64 labels that differ in the
    eighth digit, times of day say, all tie."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).float().to(labels)


@seeded_bug()
class LabelsRounded(RightSupCR):
    """Labels are rounded to whole numbers. Labels read as classes: .long() or .round() ties
    everything between two integers."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).round()


@seeded_bug(caught_by="robustness")
class LabelDistanceExpanded(RightSupCR):
    """Expands the squared label distance, which loses all digits for labels far from 0. (a -
    b)^2 as a^2 - 2ab + b^2 saves a broadcast and loses every digit once labels are large
    against their differences."""

    def distances(self, y: Tensor) -> Tensor:
        square = y * y
        return square.unsqueeze(1) + square.unsqueeze(0) - 2 * torch.outer(y, y)


GRADIENT = PHRASES["gradient"]


class _ScaledGradient(torch.autograd.Function):
    """Identity whose backward multiplies the gradient by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return grad_outputs[0] * ctx.factor, None


class _IgnoredUpstream(torch.autograd.Function):
    """Identity whose backward takes grad_output for 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return torch.ones_like(grad_outputs[0])


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    scaled: Tensor = _ScaledGradient.apply(x, factor)  # type: ignore[no-untyped-call]
    return scaled


@seeded_bug(named=GRADIENT["first_detached"])
class FirstViewDetached(RightSupCR):
    """No gradient reaches the first view. A stop-gradient taken over from BYOL or SimSiam
    trains one encoder only."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed.detach(), intact), labels


@seeded_bug(named=GRADIENT["second_detached"])
class SecondViewDetached(RightSupCR):
    """No gradient reaches the second view. A target branch under no_grad: half of the gradient
    is gone and no value shows it."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed, intact.detach()), labels


@seeded_bug(named=GRADIENT["contrast_detached"])
class DenominatorDetached(RightSupCR):
    """No gradient passes through the denominator. Denominators computed with .data or in a side
    buffer: every pair attracts, none repels, and the embedding collapses."""

    def floor(self, contrast: Tensor) -> Tensor:
        return super().floor(contrast).detach()


@seeded_bug()
class NormDetached(RightSupCR):
    """The norm is a constant in the backward. With a constant norm the gradient has a part
    along the embedding, and the norms grow step by step."""

    def norms(self, rows: Tensor) -> Tensor:
        return super().norms(rows).detach()


@seeded_bug()
class GradientDoubled(RightSupCR):
    """Doubles the gradient of both views. A backward written by hand that counts i,j and j,i:
    the loss is right and the learning rate is twice what it says."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (scaled_gradient(perturbed, 2.0), scaled_gradient(intact, 2.0)), labels


@seeded_bug()
class GradientFlipped(RightSupCR):
    """The gradient of one view points the other way. A sign lost in a backward written by hand:
    one view climbs what the other descends."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed, scaled_gradient(intact, -1.0)), labels


@seeded_bug()
class UpstreamIgnored(RightSupCR):
    """Ignores grad_output, so that scaling the loss does not scale the gradient. A fused backward
    that leaves out grad_output is right for loss.backward() and wrong under loss scaling,
    accumulation or a weighted sum of losses."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _IgnoredUpstream.apply(loss), parts  # type: ignore[no-untyped-call]


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
    """Processes anchors in chunks of 64 and drops a shorter last chunk. n // chunk chunks: right
    for powers of two, and up to 63 rows are lost for the rest."""

    def pair_sum(self, s: Tensor, delta: Tensor) -> Tensor:
        m = len(s)
        kept = m if m <= CHUNK else m // CHUNK * CHUNK
        chunks = torch.split(torch.arange(kept, device=s.device), CHUNK)
        return torch.stack([self.anchor_sum(s[c], delta[c], c) for c in chunks]).sum()


@seeded_bug()
class LastChunkCountedFull(RightSupCR):
    """Averages the chunks' means, so that rows of a short last chunk count for more. A mean of
    means is the mean only when all chunks are of one size."""

    def pair_sum(self, s: Tensor, delta: Tensor) -> Tensor:
        chunks = torch.split(torch.arange(len(s), device=s.device), CHUNK)
        means = [self.anchor_sum(s[c], delta[c], c) / len(c) for c in chunks]
        return torch.stack(means).mean() * len(s)


@seeded_bug()
class OddRowDropped(RightSupCR):
    """Leaves out the last of an odd number of rows. Work in pairs of rows drops the last
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
