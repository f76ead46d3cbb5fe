"""All candidate sets of N rows at once: one N x N x N indicator, summed over its last axis.

The indicator takes few operations, but time and memory grow as N^3.
"""

import torch
from torch import Tensor

from supcr_bench.values.implementation import Implementation

from .loopy import LoopySupCR


class BroadcastSupCR(LoopySupCR):
    """SupCR by one broadcast, with two equal weights by default, as in the note."""

    def dimension_loss(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
        """The loss of one label dimension: [N, d], [N, d] and [N] to a scalar."""
        device = perturbed.device
        labelled = ~torch.isnan(labels)
        if labelled.sum() < 2:
            return torch.tensor(0.0, device=device)

        y = labels[labelled]
        views = (perturbed[labelled], intact[labelled])
        logits = [self.similarities(view) for view in views]
        distance = torch.abs(y.unsqueeze(0) - y.unsqueeze(1))
        off_diagonal = ~torch.eye(y.size(0), dtype=torch.bool, device=device)

        # candidates[i, j, k] says whether k lies at least as far from anchor i as j does.
        candidates = (distance.unsqueeze(1) >= distance.unsqueeze(2)).float()

        exponentials = [torch.exp(s) for s in logits]
        positives = [e[off_diagonal] for e in exponentials]
        contrasts = [torch.sum(e.unsqueeze(1) * candidates, dim=2) for e in exponentials]
        contrasts = [z[off_diagonal] for z in contrasts]

        total = -torch.log(positives[0] / contrasts[0].clamp(min=self.eps)).sum()
        total += -torch.log(positives[1] / contrasts[1].clamp(min=self.eps)).sum()
        return total / off_diagonal.sum()

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss and the [D] losses of views [N, d] and labels [N, D]."""
        per_dimension = torch.stack(
            [self.dimension_loss(perturbed, intact, labels[:, c]) for c in range(labels.shape[1])]
        )
        weight_sum = self.weights.sum().clamp(min=self.eps)
        return (per_dimension * self.weights).sum() / weight_sum, per_dimension


IMPLEMENTATION = Implementation(
    name="broadcast",
    title="One N x N x N broadcast",
    source="the note, 'Some Tensor Use and Matched Output'",
    factory=BroadcastSupCR,
    claimed_time="N^3",
    claimed_memory="N^3",
    tags=("note",),
)
