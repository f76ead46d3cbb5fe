"""Correct implementations, divided into methods that a seeded bug can replace.

The loss is a sum over pairs of rows, an anchor i and a partner j. The candidates S(i,j) are the
rows in the pair's denominator. Each set of candidates gets its own log-sum-exp, which no
temperature overflows. The work grows as N^3; it is done in blocks of anchors, whose intermediate
results, if they are large, are computed again in the backward to save memory.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SETS_AT_ONCE = 2**19
"""The number of elements of a block, [anchors, M, M], for M rows with labels."""
KEPT = 2**25
"""The number of elements of all blocks up to which nothing is computed again."""
SMALLEST_NORM = 1e-12
"""Floor of an embedding's norm: an all-zero row has similarity 0 to everything."""
Arranged = tuple[Sequence[Tensor], Tensor]
"""The views, whose losses are added up, and the labels of their rows."""


class RankedContrast(nn.Module):
    """The common base; a subclass adds the call. ``eps`` is the lower limit of a denominator."""

    DEFINITION: ClassVar[str]
    """Name of the shipped definition that it computes."""
    weights: Tensor | None
    self_candidate: ClassVar[str] = "never"
    """Whether an anchor is a candidate itself: never, always, or when its label ties."""
    farther: ClassVar[Any] = torch.ge
    """Whether a row is a candidate, by its label distance and the partner's."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 0.0
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.eps = eps
        self.register_buffer("weights", None if weights is None else weights.detach().clone())

    def read_labels(self, labels: Tensor) -> Tensor:
        """Labels [N] or [N, D] as [N, D]; raises a ValueError if one is infinite."""
        if torch.isinf(labels).any():
            raise ValueError("a label is infinite: labels are finite, or NaN where missing")
        return labels.unsqueeze(1) if labels.ndim == 1 else labels

    def missing(self, labels: Tensor, c: int) -> Tensor:
        """[N]: whether a row has no label in dimension c."""
        return torch.isnan(labels[:, c])

    def valid_rows(self, labels: Tensor, c: int) -> Tensor:
        """[M] indices of the rows that have a label in dimension c."""
        return torch.nonzero(~self.missing(labels, c)).squeeze(1)

    def distances(self, y: Tensor) -> Tensor:
        """[M, M] label distances of all pairs of rows, in the labels' dtype."""
        return (y.unsqueeze(1) - y.unsqueeze(0)).abs()

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For each label dimension, the rows with a label and their label distances."""
        for c in range(labels.shape[1]):
            rows = self.valid_rows(labels, c)
            yield rows, self.distances(labels[rows, c])

    def norms(self, rows: Tensor) -> Tensor:
        """[M, 1] norms of [M, d] rows; rows are scaled first, so that no square overflows."""
        largest = rows.detach().abs().amax(dim=1, keepdim=True)
        scale = torch.where(largest > 0, largest, 1.0)
        lengths: Tensor = (rows / scale).norm(dim=1, keepdim=True)
        return lengths * scale

    def unit(self, rows: Tensor) -> Tensor:
        return rows / self.norms(rows).clamp(min=SMALLEST_NORM)

    def similarity(self, rows: Tensor) -> Tensor:
        """[M, M] cosines of all pairs of [M, d] rows."""
        unit = self.unit(rows)
        return unit @ unit.mT

    def scaled(self, similarity: Tensor) -> Tensor:
        return similarity / self.temperature

    def logits(self, rows: Tensor) -> Tensor:
        return self.scaled(self.similarity(rows))

    def logits_among(self, view: Tensor, rows: Tensor) -> Tensor:
        """The logits of some rows; the others are dropped before anything is computed."""
        return self.logits(view[rows])

    def itself(self, delta: Tensor, anchors: Tensor) -> Tensor:
        """[B, M] for B anchors: whether a column is the anchor itself."""
        return anchors.unsqueeze(1) == torch.arange(delta.shape[1], device=anchors.device)

    def places(self, delta: Tensor) -> Tensor:
        """What is compared of the label distances [B, M]."""
        return delta

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        """[B, j, k]: whether k is in S(i,j), for the B anchors i with label distances [B, M]."""
        places, itself = self.places(delta), self.itself(delta, anchors).unsqueeze(1)
        chosen: Tensor = self.farther(places.unsqueeze(1), places.unsqueeze(2))
        if self.self_candidate == "never":
            return chosen & ~itself
        return chosen | itself if self.self_candidate == "always" else chosen

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        """[B, M] log-sum-exp of the logits [B, M] over each set of candidates [B, M, M]."""
        return torch.logsumexp(s.unsqueeze(1).masked_fill(~chosen, -math.inf), dim=2)

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast.clamp(min=math.log(self.eps) if self.eps > 0 else -math.inf)

    def anchor_sum(self, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
        contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
        return (contrast - s).masked_fill(self.itself(delta, anchors), 0.0).sum()

    def pair_sum(self, s: Tensor, delta: Tensor) -> Tensor:
        m = len(s)
        size = max(1, SETS_AT_ONCE // (m * m))
        rows = torch.arange(m, device=s.device)
        blocks = zip(*(torch.split(x, size) for x in (s, delta, rows)), strict=True)
        if size >= m:
            return self.anchor_sum(*next(blocks))
        if m**3 <= KEPT:
            return torch.stack([self.anchor_sum(*block) for block in blocks]).sum()
        sums = [
            checkpoint(self.anchor_sum, *block, use_reentrant=False, preserve_rng_state=False)
            for block in blocks
        ]
        return torch.stack(sums).sum()

    def normaliser(self, m: int, n: int) -> int:
        return m * (m - 1)

    def no_pairs(self, views: Sequence[Tensor]) -> Tensor:
        """The loss without pairs: 0 with a graph, so that backward() works."""
        return torch.stack([view[:0].sum() for view in views]).sum()

    def dimension_loss(
        self, views: Sequence[Tensor], rows: Tensor, delta: Tensor, n: int
    ) -> Tensor:
        m = len(rows)
        if m < 2:
            return self.no_pairs(views)
        sums = [self.pair_sum(self.logits_among(view, rows), delta) for view in views]
        return torch.stack(sums).sum() / self.normaliser(m, n)

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        """The inputs' dtype, or float32 if that is wider: float16 overflows in a sum over pairs."""
        return reduce(torch.promote_types, (view.dtype for view in views), torch.float32)

    def precision(self, view: Tensor) -> AbstractContextManager[object]:
        """A context that disables autocast."""
        return torch.autocast(view.device.type, enabled=False)

    def losses(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The [D] per-dimension losses of views [N, d] and labels [N, D]."""
        with self.precision(views[0]):
            dtype = self.working_dtype(views)
            own = [view.to(dtype) for view in views]
            n = len(labels)
            return torch.stack(
                [self.dimension_loss(own, rows, delta, n) for rows, delta in self.groups(labels)]
            )

    def dimension_weights(self, parts: Tensor) -> Tensor:
        """[D] weights, before they are divided by their sum."""
        if self.weights is None:
            return torch.ones_like(parts)
        if self.weights.shape != parts.shape:
            raise ValueError(f"{len(self.weights)} weights for {len(parts)} label dimensions")
        return self.weights.to(parts)

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        weights = self.dimension_weights(parts)
        return (parts * weights).sum() / weights.sum()


def euclidean(rows: Tensor, others: Tensor) -> Tensor:
    """[M, K] distances of rows [M, d] and [K, d]; the gradient at a distance of 0 is 0."""
    return torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")


def joined(first: Tensor, second: Tensor, labels: Tensor) -> tuple[list[Tensor], Tensor]:
    """Two views as one view with twice the rows, and its labels."""
    return [torch.cat((first, second))], labels.repeat(2, 1)


class RightSupCR(RankedContrast):
    """The definition ``torchcell``: two views, a loss for each label dimension."""

    DEFINITION = "torchcell"
    self_candidate = "when_tied"

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, weights, eps)

    def views(self, perturbed: Tensor, intact: Tensor) -> Sequence[Tensor]:
        return perturbed, intact

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return self.views(perturbed, intact), labels

    def answer(self, loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        return loss, parts

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the [D] per-dimension losses of views [N, d] and labels [N, D]."""
        dtype = torch.promote_types(perturbed.dtype, intact.dtype)
        views, labels = self.arrange(perturbed, intact, self.read_labels(labels))
        parts = self.losses(views, labels)
        return self.answer(self.combine(parts, labels).to(dtype), parts.to(dtype))


class RightNoSelf(RightSupCR):
    """The definition ``no-self``: the anchor is never a candidate, and there is no floor."""

    DEFINITION = "no-self"
    self_candidate = "never"

    def floor(self, contrast: Tensor) -> Tensor:
        return contrast


class RightRankNContrast(RankedContrast):
    """The definition ``rank-n-contrast``, called like the official code, without NaN labels."""

    DEFINITION = "rank-n-contrast"

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__(temperature)

    def distances(self, y: Tensor) -> Tensor:
        """The L1 distance over all dimensions."""
        return (y.unsqueeze(1) - y.unsqueeze(0)).abs().sum(dim=2)

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows and their label distances; raises a ValueError if a label is missing."""
        if torch.isnan(labels).any():
            raise ValueError("a label is missing: this loss needs them all")
        yield torch.arange(len(labels), device=labels.device), self.distances(labels)

    def similarity(self, rows: Tensor) -> Tensor:
        """The negative Euclidean distance of every pair of rows."""
        return -euclidean(rows, rows)

    def arrange(self, features: Tensor, labels: Tensor) -> Arranged:
        """The two views of [N, 2, d] features as one view of 2 N rows."""
        first, second = features.unbind(dim=1)
        return joined(first, second, labels)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss of features [N, 2, d] and labels [N, D] or [N]."""
        views, labels = self.arrange(features, self.read_labels(labels))
        return self.losses(views, labels)[0].to(features.dtype)
