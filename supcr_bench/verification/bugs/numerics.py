"""Seeded bugs in precision, in gradients, and at certain batch sizes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.phrases import PHRASES


@wrong(RightSupCR, "similarity", named=PHRASES["precision"]["bfloat16"])
def bfloat16_inside(self: RightSupCR, rows: Tensor) -> Tensor:
    """Multiplies rows in bfloat16."""
    return RightSupCR.similarity(self, rows.bfloat16()).to(rows)


@wrong(RightNoSelf, "similarity", named=PHRASES["precision"]["float16"])
def float16_inside(self: RightNoSelf, rows: Tensor) -> Tensor:
    """Multiplies rows in float16."""
    return RightNoSelf.similarity(self, rows.half()).to(rows)


@wrong(RightSupCR, "working_dtype", caught_by="robustness", named=PHRASES["precision"]["float32"])
def float32_inside(self: RightSupCR, views: Sequence[Tensor]) -> torch.dtype:
    """Computes in float32, also for float64 inputs."""
    return torch.float32


@wrong(RightSupCR, "read_labels")
def labels_in_bfloat16(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to bfloat16, so close labels tie."""
    return RightSupCR.read_labels(self, labels).bfloat16().to(labels)


@wrong(RightSupCR, "read_labels")
def labels_in_float16(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to float16, so close labels tie."""
    return RightSupCR.read_labels(self, labels).half().to(labels)


@wrong(RightSupCR, "read_labels", caught_by="robustness")
def labels_in_float32(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to float32, so close float64 labels tie."""
    return RightSupCR.read_labels(self, labels).float().to(labels)


@wrong(RightSupCR, "read_labels")
def labels_rounded(self: RightSupCR, labels: Tensor) -> Tensor:
    """Rounds labels to whole numbers, so close labels tie."""
    return RightSupCR.read_labels(self, labels).round()


@wrong(RightSupCR, "distances", caught_by="robustness")
def label_distance_expanded(self: RightSupCR, y: Tensor) -> Tensor:
    """Computes squared label distances as a^2 - 2ab + b^2, which loses digits."""
    square = y * y
    return square.unsqueeze(1) + square.unsqueeze(0) - 2 * torch.outer(y, y)


GRADIENT = PHRASES["gradient"]


class _ScaledGradient(torch.autograd.Function):
    """Returns its input; its backward multiplies the gradient by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return grad_outputs[0] * ctx.factor, None


class _IgnoredUpstream(torch.autograd.Function):
    """Returns its input; its backward returns ones, whatever grad_output is."""

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
    """Lets no gradient reach the first view."""
    return (first.detach(), second), labels


@wrong(RightSupCR, "arrange", named=GRADIENT["second_detached"])
def second_view_detached(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Lets no gradient reach the second view."""
    return (first, second.detach()), labels


@wrong(RightSupCR, "floor", named=GRADIENT["contrast_detached"])
def denominator_detached(self: RightSupCR, contrast: Tensor) -> Tensor:
    """Lets no gradient pass through the denominator."""
    return RightSupCR.floor(self, contrast).detach()


@wrong(RightSupCR, "norms")
def norm_detached(self: RightSupCR, rows: Tensor) -> Tensor:
    """Treats the norm as a constant in the backward."""
    return RightSupCR.norms(self, rows).detach()


@wrong(RightSupCR, "arrange")
def gradient_doubled(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Doubles the gradient of both views, but not the loss."""
    return (scaled_gradient(first, 2.0), scaled_gradient(second, 2.0)), labels


@wrong(RightSupCR, "arrange")
def gradient_flipped(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Reverses the sign of the second view's gradient."""
    return (first, scaled_gradient(second, -1.0)), labels


@seeded_bug()
class UpstreamIgnored(RightSupCR):
    """Ignores grad_output, so a scaled loss has an unscaled gradient."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _IgnoredUpstream.apply(loss), parts  # type: ignore[no-untyped-call]


CHUNK = 64
CAP = 256


@wrong(RightSupCR, "candidates")
def ranks_in_eight_bits(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Compares distances by ranks in 8 bits, which begin again at 0 after 255."""
    ordered = delta.sort(dim=1).values
    ranks = torch.searchsorted(ordered, delta.contiguous())
    return RightSupCR.candidates(self, ranks.to(torch.uint8), anchors)


@wrong(RightSupCR, "candidates")
def candidates_capped(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    """Ignores all candidates beyond the first 256 rows, except the partner."""
    column = torch.arange(delta.shape[1], device=delta.device)
    partner = column.unsqueeze(1) == column
    return RightSupCR.candidates(self, delta, anchors) & ((column < CAP) | partner)


@wrong(RightSupCR, "pair_sum")
def last_chunk_dropped(self: RightSupCR, s: Tensor, delta: Tensor) -> Tensor:
    """Processes anchors in chunks of 64 and drops a shorter last chunk."""
    m = len(s)
    kept = m if m <= CHUNK else m // CHUNK * CHUNK
    chunks = torch.split(torch.arange(kept, device=s.device), CHUNK)
    return torch.stack([self.anchor_sum(s[c], delta[c], c) for c in chunks]).sum()


@wrong(RightSupCR, "pair_sum")
def last_chunk_counted_full(self: RightSupCR, s: Tensor, delta: Tensor) -> Tensor:
    """Averages the means of chunks, as if a shorter last chunk had 64 anchors."""
    chunks = torch.split(torch.arange(len(s), device=s.device), CHUNK)
    means = [self.anchor_sum(s[c], delta[c], c) / len(c) for c in chunks]
    return torch.stack(means).mean() * len(s)


@wrong(RightSupCR, "valid_rows")
def odd_row_dropped(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    """Drops the last row if the number of labelled rows is odd."""
    rows = RightSupCR.valid_rows(self, labels, c)
    return rows[: len(rows) // 2 * 2] if len(rows) > 2 else rows


@wrong(RightSupCR, "losses")
def labels_of_the_first_dimension(self: Any, views: Sequence[Tensor], labels: Tensor) -> Tensor:
    """Uses the labels of the first dimension for every dimension."""
    return RightSupCR.losses(self, views, labels[:, :1].expand_as(labels))
