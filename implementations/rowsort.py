"""A sort per anchor, after which each candidate set is a suffix of the anchor's sorted row.

Suffix sums of the sorted exponentials give each denominator of the row by one lookup, so forward
work is N^2 log N for N rows. Training grows as N^3: reading one row of an N x N tensor makes its
backward write an N x N gradient, once per anchor.
"""

import torch
from torch import Tensor
from torch.nn import functional

from supcr_bench.values.implementation import Implementation

from .loopy import LoopySupCR


def suffix_sums(x: Tensor) -> Tensor:
    """Element m of the result is the sum of x from m to its end."""
    return torch.flip(torch.cumsum(torch.flip(x, dims=(0,)), dim=0), dims=(0,))


class RowSortSupCR(LoopySupCR):
    """SupCR by a sort for each anchor, with two equal weights by default, as in the note."""

    def similarities(self, view: Tensor) -> Tensor:
        """Cosine similarities of all pairs of rows over tau: [M, d] to [M, M]."""
        unit = functional.normalize(view, p=2, dim=1)
        return torch.mm(unit, unit.t()) / self.temperature

    def dimension_loss(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
        """The loss of one label dimension: [N, d], [N, d] and [N] to a scalar."""
        device = labels.device
        labelled = ~torch.isnan(labels)
        if labelled.sum() < 2:
            return torch.tensor(0.0, device=device)

        y = labels[labelled]
        views = (perturbed[labelled], intact[labelled])
        rows = y.size(0)
        distance = torch.abs(y.unsqueeze(0) - y.unsqueeze(1))
        logits = [self.similarities(view) for view in views]
        exponentials = [torch.exp(s) for s in logits]
        off_diagonal = ~torch.eye(rows, dtype=torch.bool, device=device)

        total = torch.tensor(0.0, device=device)
        terms = 0
        for i in range(rows):
            row = distance[i]
            ascending, order = row.sort()
            tails = [suffix_sums(e[i][order]) for e in exponentials]
            # S(i,j) starts at the first place whose distance is at least delta(i,j).
            start = torch.searchsorted(ascending, row, side="left")
            contrasts = [tail[start].clamp(min=self.eps) for tail in tails]
            first, second = (
                -torch.log(e[i] / z) for e, z in zip(exponentials, contrasts, strict=True)
            )
            partners = off_diagonal[i]
            total += (first + second)[partners].sum()
            terms += int(partners.sum().item())

        return total / max(terms, 1)


IMPLEMENTATION = Implementation(
    name="rowsort",
    title="A sort and suffix sums per anchor",
    source="the note, 'Use Smarter Sorting'",
    factory=RowSortSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N^2",
    tags=("note",),
)
