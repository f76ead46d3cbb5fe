"""Correct implementations in plain code; a seeded bug gives a name in this text another value.

The loss is a sum over pairs of rows, an anchor i and a partner j. The candidates S(i,j) are the
rows in the pair's denominator. Each set of candidates gets its own log-sum-exp, which no
temperature overflows. The work grows as N^3; it is done for a chunk of anchors at a time.
"""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

CHUNK = 64
"""Anchors whose candidates [anchors, M, M] are held in memory together."""
SMALLEST_NORM = 1e-12
"""Floor of an embedding's norm: an all-zero row has similarity 0 to everything."""


class RankedContrast(nn.Module):
    """Base class of the right losses; subclasses add ``forward``. ``eps`` floors denominators."""

    DEFINITION: ClassVar[str]
    """Name of the shipped definition that it computes."""
    EPS: ClassVar[float] = 0.0
    SELF_WHEN_TIED: ClassVar[bool] = False
    """Whether an anchor is its own candidate where the partner's label ties with it, or never."""
    weights: Tensor | None

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float | None = None
    ) -> None:
        super().__init__()
        self.temperature, self.eps = temperature, self.EPS if eps is None else eps
        given = None if weights is None else weights.detach().clone()
        self.register_buffer("weights", given)

    def read_labels(self, labels: Tensor) -> Tensor:
        """Labels [N] or [N, D] as [N, D]; raises a ValueError if one is infinite."""
        infinite = torch.isinf(labels).any()
        if infinite:
            raise ValueError("a label is infinite: labels are finite, or NaN where missing")
        columns = labels.unsqueeze(-1)
        return columns.flatten(1)

    def similarity(self, rows: Tensor) -> Tensor:
        """[M, M] cosines of [M, d] rows, which are scaled first, so that no square overflows."""
        largest = rows.detach().abs().amax(dim=1, keepdim=True)
        scale = torch.where(largest > 0, largest, 1.0)
        norms = (rows / scale).norm(dim=1, keepdim=True) * scale
        unit = rows / norms.clamp(min=SMALLEST_NORM)
        cosines: Tensor = unit @ unit.mT
        return cosines

    def logits(self, view: Tensor) -> Tensor:
        """[M, M] in float32 at least, since float16 overflows in a sum over pairs."""
        autocast = False
        with torch.autocast(view.device.type, enabled=autocast):
            rows = view.to(torch.promote_types(view.dtype, torch.float32))
            similarities = self.similarity(rows)
            tau = self.temperature
            return similarities / tau

    def pair_sum(self, s: Tensor, delta: Tensor) -> Tensor:
        """The sum over pairs of log(contrast) - s, for logits and label distances [M, M]."""
        m = len(s)
        itself = torch.eye(m, dtype=torch.bool, device=s.device)
        place = delta
        chunks = torch.split(torch.arange(m, device=s.device), CHUNK)
        sums = []
        for anchors in chunks:
            own, mine = s[anchors], itself[anchors]
            far, limit = place[anchors].unsqueeze(1), place[anchors].unsqueeze(2)
            farther = far >= limit  # [i, j, k]
            chosen = farther if self.SELF_WHEN_TIED else farther & ~mine.unsqueeze(1)
            contrast = own.unsqueeze(1).masked_fill(~chosen, -math.inf).logsumexp(dim=2)
            floored = contrast.clamp(min=math.log(self.eps) if self.eps else -math.inf)
            terms = (floored - own).masked_fill(mine, 0.0)
            sums.append(terms.sum())
        return torch.stack(sums).sum()

    def losses(self, views: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The [D] per-dimension losses of views [N, d] and labels [N, D]."""
        parts = []
        for y in labels.T:
            missing = torch.isnan(y)
            kept = torch.nonzero(~missing).squeeze(1)
            delta = (y[kept].unsqueeze(1) - y[kept].unsqueeze(0)).abs()  # in the labels' dtype
            m = len(kept)
            if m < 2:
                nothing = torch.stack([view[:0].sum() for view in views]).sum()  # for backward()
                parts.append(nothing)
                continue
            by_view = [self.pair_sum(self.logits(view[kept]), delta) for view in views]
            pairs = m * (m - 1)
            parts.append(torch.stack(by_view).sum() / pairs)
        return torch.stack(parts)


class RightSupCR(RankedContrast):
    """The definition ``torchcell``: two views, a loss for each label dimension."""

    DEFINITION = "torchcell"
    EPS = 1e-7
    SELF_WHEN_TIED = True

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss and the [D] per-dimension losses of views [N, d] and labels [N, D]."""
        labels = self.read_labels(labels)
        views = [perturbed, intact]
        parts = self.losses(views, labels)
        weights = torch.ones_like(parts) if self.weights is None else self.weights.to(parts)
        if self.weights is not None and weights.shape != parts.shape:
            raise ValueError(f"{len(weights)} weights for {len(parts)} label dimensions")
        dtype = torch.promote_types(perturbed.dtype, intact.dtype)
        total = weights.sum()
        returned = parts.to(dtype)
        loss = ((parts * weights).sum() / total).to(dtype)
        return loss, returned


class RightNoSelf(RightSupCR):
    """The definition ``no-self``: the anchor is never a candidate, and there is no floor."""

    DEFINITION = "no-self"
    EPS = 0.0
    SELF_WHEN_TIED = False


class RightRankNContrast(RankedContrast):
    """The definition ``rank-n-contrast``, called like the official code, without NaN labels."""

    DEFINITION = "rank-n-contrast"

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__(temperature)

    def similarity(self, rows: Tensor) -> Tensor:
        """[M, M] negative Euclidean distances; the gradient at a distance of 0 is 0."""
        distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
        return -distances

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss of features [N, 2, d] and labels [N, D] or [N]."""
        y = self.read_labels(labels)
        view = torch.cat(features.unbind(dim=1))
        if torch.isnan(y).any():
            raise ValueError("a label is missing: this loss needs them all")
        twice = y.repeat(2, 1)
        joint = (twice.unsqueeze(1) - twice.unsqueeze(0)).abs().sum(dim=2)
        mean = self.pair_sum(self.logits(view), joint) / (len(view) * (len(view) - 1))
        return mean.to(features.dtype)
