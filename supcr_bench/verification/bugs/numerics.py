"""Seeded bugs in precision, in gradients, and at certain batch sizes."""

from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import wrong

CHUNK = 64
CAP = 256


def _expanded(_: object, y: Tensor) -> Tensor:
    square = y * y
    return square.unsqueeze(1) + square.unsqueeze(0) - 2 * torch.outer(y, y)


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """The same numbers, with a gradient that is multiplied by a factor."""
    return x.detach() + factor * (x - x.detach())


def _ignoring_upstream(_: object, loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
    loss = loss.clone()
    if loss.requires_grad:
        loss.register_hook(torch.ones_like)  # type: ignore[no-untyped-call]
    return loss, parts


def _ranks(_: object, delta: Tensor) -> Tensor:
    ordered = delta.sort(dim=1).values
    return torch.searchsorted(ordered, delta.contiguous()).to(torch.uint8)


def _capped(self: RightSupCR, delta: Tensor, anchors: Tensor) -> Tensor:
    column = torch.arange(delta.shape[1], device=delta.device)
    partner = column.unsqueeze(1) == column
    return RightSupCR.candidates(self, delta, anchors) & ((column < CAP) | partner)


def _without_last_chunk(self: RightSupCR, s: Tensor, delta: Tensor) -> Tensor:
    m = len(s)
    kept = m if m <= CHUNK else m // CHUNK * CHUNK
    chunks = torch.split(torch.arange(kept, device=s.device), CHUNK)
    return torch.stack([self.anchor_sum(s[c], delta[c], c) for c in chunks]).sum()


def _mean_of_chunks(self: RightSupCR, s: Tensor, delta: Tensor) -> Tensor:
    chunks = torch.split(torch.arange(len(s), device=s.device), CHUNK)
    means = [self.anchor_sum(s[c], delta[c], c) / len(c) for c in chunks]
    return torch.stack(means).mean() * len(s)


def _even_rows(self: RightSupCR, labels: Tensor, c: int) -> Tensor:
    rows = RightSupCR.valid_rows(self, labels, c)
    return rows[: len(rows) // 2 * 2] if len(rows) > 2 else rows


def _labels_read(change: Any) -> dict[str, Any]:
    """The step that reads labels, with a change to what it gives."""
    return {"read_labels": lambda self, labels: change(RightSupCR.read_labels(self, labels))}


BUGS = (
    wrong(
        "bfloat16-inside",
        ("precision", "bfloat16"),
        similarity=lambda self, rows: RightSupCR.similarity(self, rows.bfloat16()).to(rows),
    ),
    wrong(
        "float16-inside",
        ("precision", "float16"),
        RightNoSelf,
        similarity=lambda self, rows: RightNoSelf.similarity(self, rows.half()).to(rows),
    ),
    wrong(
        "float32-inside",
        ("precision", "float32"),
        caught_by="robustness",
        working_dtype=lambda self, views: torch.float32,
    ),
    wrong(
        "labels-in-bfloat16: Rounds labels to bfloat16, so close labels tie.",
        **_labels_read(lambda labels: labels.bfloat16().to(labels)),
    ),
    wrong(
        "labels-in-float16: Rounds labels to float16, so close labels tie.",
        **_labels_read(lambda labels: labels.half().to(labels)),
    ),
    wrong(
        "labels-in-float32: Rounds labels to float32, so close float64 labels tie.",
        caught_by="robustness",
        **_labels_read(lambda labels: labels.float().to(labels)),
    ),
    wrong(
        "labels-rounded: Rounds labels to whole numbers, so close labels tie.",
        **_labels_read(torch.round),
    ),
    wrong(
        "label-distance-expanded: Computes squared label distances as a^2 - 2ab + b^2, which loses "
        "digits.",
        caught_by="robustness",
        distances=_expanded,
    ),
    wrong(
        "first-view-detached",
        ("gradient", "first_detached"),
        views=lambda self, a, b: (a.detach(), b),
    ),
    wrong(
        "second-view-detached",
        ("gradient", "second_detached"),
        views=lambda self, a, b: (a, b.detach()),
    ),
    wrong(
        "denominator-detached",
        ("gradient", "contrast_detached"),
        floor=lambda self, contrast: RightSupCR.floor(self, contrast).detach(),
    ),
    wrong(
        "norm-detached: Treats the norm as a constant in the backward.",
        norms=lambda self, rows: RightSupCR.norms(self, rows).detach(),
    ),
    wrong(
        "gradient-doubled: Doubles the gradient of both views, but not the loss.",
        views=lambda self, *views: tuple(scaled_gradient(view, 2.0) for view in views),
    ),
    wrong(
        "gradient-flipped: Reverses the sign of the second view's gradient.",
        views=lambda self, a, b: (a, scaled_gradient(b, -1.0)),
    ),
    wrong(
        "upstream-ignored: Ignores grad_output, so a scaled loss has an unscaled gradient.",
        answer=_ignoring_upstream,
    ),
    wrong(
        "ranks-in-eight-bits: Compares distances by ranks in 8 bits, which begin again after 255.",
        places=_ranks,
    ),
    wrong(
        "candidates-capped: Ignores candidates beyond the first 256 rows, except the partner.",
        candidates=_capped,
    ),
    wrong(
        "last-chunk-dropped: Processes anchors in chunks of 64 and drops a shorter last chunk.",
        pair_sum=_without_last_chunk,
    ),
    wrong(
        "last-chunk-counted-full: Averages the means of chunks, as if a shorter last one had 64 "
        "anchors.",
        pair_sum=_mean_of_chunks,
    ),
    wrong(
        "odd-row-dropped: Drops the last row if the number of labelled rows is odd.",
        valid_rows=_even_rows,
    ),
    wrong(
        "labels-of-the-first-dimension: Uses the labels of the first dimension for all.",
        losses=lambda self, views, labels: RightSupCR.losses(
            self, views, labels[:, :1].expand_as(labels)
        ),
    ),
)
