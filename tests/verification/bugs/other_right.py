"""Right implementations of definitions that are not shipped."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RankedContrast, RightRankNContrast, joined


class RightConcatenated(RightRankNContrast):
    """Two views concatenated, cosine similarity."""

    similarity = RankedContrast.similarity

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__(temperature)

    def forward(  # type: ignore[override]
        self, z1: Tensor, z2: Tensor, labels: Tensor
    ) -> Tensor:
        views, labels = joined(z1, z2, self.read_labels(labels))
        return self.losses(views, labels)[0].to(torch.promote_types(z1.dtype, z2.dtype))


class RightSingleView(RankedContrast):
    """A single view, cosine similarity, the label dimensions weighted alike."""

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__(temperature)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        labels = self.read_labels(labels)
        return self.combine(self.losses([features], labels), labels).to(features.dtype)
