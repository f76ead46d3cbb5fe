"""Seeded bugs in precision, in gradients, and at some batch sizes only."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.formula import PHRASES


@wrong(RightSupCR, "similarity", named=PHRASES["precision"]["bfloat16"])
def bfloat16_inside(self: RightSupCR, rows: Tensor) -> Tensor:
    """Multiplies rows in bfloat16. Logits are good to a few hundredths only."""
    return RightSupCR.similarity(self, rows.bfloat16()).to(rows)


@wrong(RightNoSelf, "similarity", named=PHRASES["precision"]["float16"])
def float16_inside(self: RightNoSelf, rows: Tensor) -> Tensor:
    """Multiplies rows in float16. A .half() for speed, in what everything else is built on."""
    return RightNoSelf.similarity(self, rows.half()).to(rows)


@wrong(RightSupCR, "working_dtype", caught_by="robustness", named=PHRASES["precision"]["float32"])
def float32_inside(self: RightSupCR, views: Sequence[Tensor]) -> torch.dtype:
    """Computed in float32, and then called float64. Accumulators made without a dtype are float32,
    and gradient checks in float64 are loosened until they pass."""
    return torch.float32


@wrong(RightSupCR, "read_labels")
def labels_in_bfloat16(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to 8 bits. They follow the embeddings into bfloat16, and near ones tie."""
    return RightSupCR.read_labels(self, labels).bfloat16().to(labels)


@wrong(RightSupCR, "read_labels")
def labels_in_float16(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to 11 bits. After .half() the nearest labels of a large batch tie."""
    return RightSupCR.read_labels(self, labels).half().to(labels)


@wrong(RightSupCR, "read_labels", caught_by="robustness")
def labels_in_float32(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to 24 bits. float64 labels that differ in the eighth digit all tie."""
    return RightSupCR.read_labels(self, labels).float().to(labels)


@wrong(RightSupCR, "read_labels")
def labels_rounded(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to whole numbers. As classes, all labels between two integers tie."""
    return RightSupCR.read_labels(self, labels).round()


@wrong(RightSupCR, "distances", caught_by="robustness")
def label_distance_expanded(self: RightSupCR, y: Tensor) -> Tensor:
    """Expands the squared label distance. a^2 - 2ab + b^2 saves a broadcast and loses every digit
    of labels that are large against their differences."""
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


@wrong(RightSupCR, "arrange", named=GRADIENT["first_detached"])
def first_view_detached(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """No gradient reaches the first view. A stop-gradient as in BYOL trains one encoder only."""
    return (first.detach(), second), labels


@wrong(RightSupCR, "arrange", named=GRADIENT["second_detached"])
def second_view_detached(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """No gradient reaches the second view. Half of it is gone, and no value shows it."""
    return (first, second.detach()), labels


@wrong(RightSupCR, "floor", named=GRADIENT["contrast_detached"])
def denominator_detached(self: RightSupCR, contrast: Tensor) -> Tensor:
    """No gradient passes through the denominator. Denominators computed with .data or in a side
    buffer: every pair attracts, none repels, and the embedding collapses."""
    return RightSupCR.floor(self, contrast).detach()


@wrong(RightSupCR, "norms")
def norm_detached(self: RightSupCR, rows: Tensor) -> Tensor:
    """The norm is a constant in the backward. With a constant norm the gradient has a part
    along the embedding, and the norms grow step by step."""
    return RightSupCR.norms(self, rows).detach()


@wrong(RightSupCR, "arrange")
def gradient_doubled(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Doubles the gradient of both views. A backward written by hand that counts i,j and j,i:
    the loss is right and the learning rate is twice what it says."""
    return (scaled_gradient(first, 2.0), scaled_gradient(second, 2.0)), labels


@wrong(RightSupCR, "arrange")
def gradient_flipped(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """The gradient of one view points the other way. It climbs what the other view descends."""
    return (first, scaled_gradient(second, -1.0)), labels


@seeded_bug()
class UpstreamIgnored(RightSupCR):
    """Ignores grad_output, so that scaling the loss does not scale the gradient. Right for
    loss.backward(), wrong under loss scaling, accumulation or a sum of losses."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _IgnoredUpstream.apply(loss), parts  # type: ignore[no-untyped-call]


CHUNK = 64
CAP = 256


@wrong(RightSupCR, "candidates")
def ranks_in_eight_bits(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Distances are compared by their ranks, which begin again at 0 after 255. Ranks packed
    into bytes to save memory wrap around above 256 rows, where the tests did not go."""
    ordered = delta.sort(dim=1).values
    ranks = torch.searchsorted(ordered, delta.contiguous())
    return RightSupCR.candidates(self, ranks.to(torch.uint8), anchors)


@wrong(RightSupCR, "candidates")
def candidates_capped(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Columns beyond the first 256 are candidates only against themselves. With a fixed buffer,
    larger batches silently stop helping."""
    column = torch.arange(delta.shape[1], device=delta.device)
    partner = column.unsqueeze(1) == column
    return RightSupCR.candidates(self, delta, anchors) & ((column < CAP) | partner)


@wrong(RightSupCR, "pair_sum")
def last_chunk_dropped(self: RightSupCR, s: Tensor, delta: Tensor) -> Tensor:
    """Processes anchors in chunks of 64 and drops a shorter last chunk. n // chunk chunks: right
    for powers of two, and up to 63 rows are lost for the rest."""
    m = len(s)
    kept = m if m <= CHUNK else m // CHUNK * CHUNK
    chunks = torch.split(torch.arange(kept, device=s.device), CHUNK)
    return torch.stack([self.anchor_sum(s[c], delta[c], c) for c in chunks]).sum()


@wrong(RightSupCR, "pair_sum")
def last_chunk_counted_full(self: RightSupCR, s: Tensor, delta: Tensor) -> Tensor:
    """Averages the chunks' means, so that rows of a short last chunk count for more. A mean of
    means is the mean only when all chunks are of one size."""
    chunks = torch.split(torch.arange(len(s), device=s.device), CHUNK)
    means = [self.anchor_sum(s[c], delta[c], c) / len(c) for c in chunks]
    return torch.stack(means).mean() * len(s)


@wrong(RightSupCR, "valid_rows")
def odd_row_dropped(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    """Leaves out the last of an odd number of rows. Work in pairs of rows drops the last
    of an odd number, which missing labels make every other batch."""
    rows = RightSupCR.valid_rows(self, labels, c)
    return rows[: len(rows) // 2 * 2] if len(rows) > 2 else rows


@wrong(RightSupCR, "losses")
def labels_of_the_first_dimension(self: Any, views: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Every dimension is ranked by the first dimension's labels. A loop over dimensions whose
    body does not use the index: right for one dimension."""
    return RightSupCR.losses(self, views, labels[:, :1].expand_as(labels))
