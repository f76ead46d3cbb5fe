"""A Rank-N-Contrast loss as people write it, with one mistake; `supcr-bench demo` verifies it."""

import torch
from torch import Tensor, nn


class MyLoss(nn.Module):
    """Takes features [N, 2, d], two views of each row, and labels [N, D]."""

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        rows = torch.cat(features.unbind(1))
        labels = torch.cat((labels, labels))
        label_distances = (labels[:, None] - labels[None]).abs().sum(2)
        logits = -(rows[:, None] - rows[None]).norm(dim=2) / self.temperature
        others = ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        similarities = logits.exp() * others
        # The mistake: ">=" would count the rows that are as far away as the partner, too.
        farther = label_distances[:, None, :] > label_distances[:, :, None]
        candidates = similarities + (similarities[:, None, :] * farther).sum(2)
        loss: Tensor = -(logits - candidates.log())[others].mean()
        return loss
