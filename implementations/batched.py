"""One sort for all anchors: ``rowsort`` without its loop over anchors.

Each step, the sort of all rows of label distances, the suffix sums and the lookups, is one batched
operation. No row is read on its own, so training grows like forward: N^2 log N. The sums are kept
as logarithms, which stay finite at any temperature.
"""

import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcr_bench.values.implementation import Implementation


class BatchedSupCR(nn.Module):
    """SupCR by one sort of all rows, with equal weights by default."""

    weights: Tensor | None

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be positive and finite, got {temperature}")
        self.temperature = temperature
        self.log_floor = math.log(eps) if eps > 0 else -math.inf
        self.register_buffer("weights", None if weights is None else weights.clone())

    def similarities(self, view: Tensor) -> Tensor:
        """Cosine similarities of all pairs of rows over tau: [M, d] to [M, M]."""
        kind, dtype = view.device.type, torch.promote_types(view.dtype, torch.float32)
        lowered = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False) if lowered else nullcontext():
            unit = functional.normalize(view.to(dtype), dim=1)
            return torch.mm(unit, unit.t()) / self.temperature

    def dimension_loss(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
        """The loss of one label dimension: [N, d], [N, d] and [N] to a scalar."""
        labelled = ~torch.isnan(labels)
        y = labels[labelled]
        views = (perturbed[labelled], intact[labelled])
        rows = y.size(0)
        if rows < 2:
            # No pair, so the loss is 0; a sum over no rows keeps a graph, with a gradient of 0.
            nothing = views[0][:0].sum() + views[1][:0].sum()
            return nothing.to(torch.promote_types(nothing.dtype, torch.float32))

        distance = torch.abs(y.unsqueeze(0) - y.unsqueeze(1))
        ascending, order = distance.sort(dim=1)
        # S(i,j) starts at the first place whose distance is at least delta(i,j).
        start = torch.searchsorted(ascending, distance, side="left")
        itself = torch.eye(rows, dtype=torch.bool, device=y.device)

        terms = []
        for view in views:
            s = self.similarities(view)
            tails = s.gather(1, order).flip(1).logcumsumexp(1).flip(1)  # from each place to the end
            contrasts = tails.gather(1, start)
            terms.append((contrasts.clamp(min=self.log_floor) - s).masked_fill(itself, 0).sum())
        return (terms[0] + terms[1]) / (rows * (rows - 1))

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted loss and the [D] losses of views [N, d] and labels [N, D]."""
        if bool(torch.isinf(labels).any()):
            raise ValueError("a label is infinite: its distances have no order")
        if not labels.is_floating_point():
            labels = labels.long()  # else distances could wrap around in a narrow dtype
        per_dimension = torch.stack(
            [self.dimension_loss(perturbed, intact, labels[:, c]) for c in range(labels.shape[1])]
        )
        if self.weights is None:
            return per_dimension.mean(), per_dimension
        weights = self.weights.to(per_dimension.dtype)
        return (per_dimension * weights).sum() / weights.sum(), per_dimension


IMPLEMENTATION = Implementation(
    name="batched",
    title="One sort of all rows at once",
    source="beyond the note: its rowsort without the loop",
    factory=BatchedSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N^2",
    tags=("beyond",),
)
