"""Right implementations of definitions that are not shipped."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RankedContrast, RightRankNContrast


class RightConcatenated(RightRankNContrast):
    """Two views concatenated, cosine similarity."""

    similarity = RankedContrast.similarity

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__(temperature)

    def forward(  # type: ignore[override]
        self, z1: Tensor, z2: Tensor, labels: Tensor
    ) -> Tensor:
        return super().forward(torch.stack((z1, z2), dim=1), labels)


class RightSingleView(RankedContrast):
    """A single view, cosine similarity, the label dimensions weighted alike."""

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__(temperature)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return self.losses([features], self.read_labels(labels)).mean().to(features.dtype)
