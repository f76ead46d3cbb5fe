"""The paper's loss as its authors compute it: rows without their diagonal, a loop over partners.

All distances of the 2N rows come from one [2N, 2N, d] difference, and the maximum of each row is
subtracted before the exponential. Each of the 2N - 1 steps of the loop compares all label
distances with those of one partner per row and sums the exponentials of the candidates.

Where the temperature is low, float32 exponentials of far rows underflow, and the logarithm of a
candidate set that holds only such rows is -inf.
"""

import math

import torch
from torch import Tensor, nn

from supcr_bench.values.implementation import Implementation


def without_diagonal(x: Tensor) -> Tensor:
    """[M, M] to [M, M - 1]: each row without its own column."""
    others = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    return x.masked_select(others).view(len(x), len(x) - 1)


class RnCLoop(nn.Module):
    """Rank-N-Contrast by a loop over partners: [N, 2, d] and [N, D] to the loss."""

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be positive and finite, got {temperature}")
        self.temperature = temperature

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of embeddings [N, 2, d] and labels [N, D]."""
        rows = torch.cat((features[:, 0], features[:, 1]))
        y = labels.repeat(2, 1)
        apart = without_diagonal((y[:, None] - y[None]).abs().sum(dim=-1))
        logits = -(rows[:, None] - rows[None]).norm(dim=-1) / self.temperature
        logits = logits - logits.max(dim=1, keepdim=True).values.detach()
        return self.mean_over_pairs(without_diagonal(logits), apart)

    def mean_over_pairs(self, logits: Tensor, apart: Tensor) -> Tensor:
        """The loss of [M, M - 1] logits and label distances of each row's partners."""
        terms = logits.exp()
        total = logits.new_zeros(())
        for j in range(logits.shape[1]):
            candidates = (apart >= apart[:, j : j + 1]).to(terms.dtype)
            log_share = logits[:, j] - (candidates * terms).sum(dim=1).log()
            total = total - log_share.sum()
        return total / logits.numel()


IMPLEMENTATION = Implementation(
    name="rnc-loop",
    title="Rank-N-Contrast by a loop over partners",
    source="the algorithm of the paper's official code, arXiv 2210.01189",
    factory=RnCLoop,
    definition="rank-n-contrast",
    claimed_time="N^3",
    claimed_memory="N^3",
    tags=("family",),
)
