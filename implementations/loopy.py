"""The formula, term by term: two Python loops over anchors and partners.

Each term sums its candidates with one vector operation, so forward work is N^3. In training it is
N^4: reading one element of an N x N tensor makes its backward write an N x N gradient, and the
loops read N^2 of them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcr_bench.values.implementation import Implementation


class LoopySupCR(nn.Module):
    """SupCR by the definition's own sums, with two equal weights by default, as in the note."""

    weights: Tensor

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.eps = eps
        raw = torch.ones(2) if weights is None else weights
        self.register_buffer("weights", raw / raw.sum())

    def similarities(self, view: Tensor) -> Tensor:
        """Cosine similarities of all pairs of rows over tau: [M, d] to [M, M]."""
        unit = functional.normalize(view, dim=1)
        return torch.mm(unit, unit.t()) / self.temperature

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
        off_diagonal = ~torch.eye(y.shape[0], dtype=torch.bool, device=device)

        total = torch.tensor(0.0, device=device)
        for i in range(y.shape[0]):
            for j in range(y.shape[0]):
                if i == j:
                    continue
                candidates = (distance[i] >= distance[i, j]).float()
                for s in logits:
                    positive = torch.exp(s[i, j])
                    contrast = (torch.exp(s[i]) * candidates).sum().clamp(min=self.eps)
                    total -= torch.log(positive / contrast)

        return total / off_diagonal.sum().clamp(min=1)

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss and the [D] losses of views [N, d] and labels [N, D]."""
        per_dimension = torch.zeros(labels.shape[1], device=perturbed.device)
        for c in range(labels.shape[1]):
            per_dimension[c] = self.dimension_loss(perturbed, intact, labels[:, c])

        weight_sum = self.weights.sum().clamp(min=self.eps)
        return (per_dimension * self.weights).sum() / weight_sum, per_dimension


IMPLEMENTATION = Implementation(
    name="loopy",
    title="The formula with two Python loops",
    source="the note, 'First Implementation'",
    factory=LoopySupCR,
    claimed_time="N^3",
    claimed_memory="N^2",
    tags=("note",),
)
