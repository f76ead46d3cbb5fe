"""Losses over several ranks (processes that share a batch): a right one, and seeded bugs.

In the right one, every rank gathers all rows and computes the loss of the whole batch. The backward
of its gather adds up the gradients of all W ranks, so a row gets W times its gradient, and
DistributedDataParallel divides by W when it averages over ranks.
"""

from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed import get_world_size

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.ranks import GRADIENTS, OWN_ROWS, VALUES


def gathered(own: Tensor) -> tuple[Tensor, slice]:
    """The rows of all ranks, [N, ...], without a gradient; and the slice of this rank's own."""
    counts: list[Any] = [torch.zeros(1, dtype=torch.int64) for _ in range(get_world_size())]
    distributed.all_gather(counts, torch.tensor([len(own)]))
    counts = [int(n) for n in counts]
    padded = own.detach().new_zeros(max(counts), *own.shape[1:])
    padded[: len(own)] = own.detach()
    everyones = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(everyones, padded)
    start = sum(counts[: distributed.get_rank()])
    rows = torch.cat([x[:n] for x, n in zip(everyones, counts, strict=True)])
    return rows, slice(start, start + len(own))


def own_slot(own: Tensor) -> Tensor:
    """The rows of all ranks, with a gradient for this rank's own."""
    rows, place = gathered(own)
    return torch.cat((rows[: place.start], own, rows[place.stop :]))


def gather_with_gradient(own: Tensor, factor: float = 1.0) -> Tensor:
    """The rows of all ranks; backward adds up the gradients of all ranks, times a factor."""
    rows = own_slot(own)

    def summed(gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return factor * total

    if rows.requires_grad:
        rows.register_hook(summed)  # type: ignore[no-untyped-call]
    return rows


class RightAcrossRanks(RightSupCR):
    """Computes the loss of the whole batch on every rank."""

    def gather(self, own: Tensor) -> Tensor:
        return gather_with_gradient(own)

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        everyones = gathered(labels)[0]
        return super().forward(self.gather(perturbed), self.gather(intact), everyones)


class PlainAllGather(RightAcrossRanks):
    """Gathers rows with torch.distributed.all_gather, whose output has no gradient."""

    def gather(self, own: Tensor) -> Tensor:
        return gathered(own)[0]


class GradientTimesWorldSize(RightAcrossRanks):
    """Multiplies the gradient by the number of ranks once too often."""

    def gather(self, own: Tensor) -> Tensor:
        return gather_with_gradient(own, factor=get_world_size())


class OwnSlotOnly(RightAcrossRanks):
    """Passes a gradient to a rank's own rows only; other ranks' rows are constants."""

    def gather(self, own: Tensor) -> Tensor:
        return own_slot(own)


class NothingGathered(RightSupCR):
    """Computes each rank's loss from its own rows alone."""


class LossesAveraged(RightSupCR):
    """Computes each rank's loss from its own rows, and averages these losses."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        total = loss.detach().clone()
        distributed.all_reduce(total)
        return loss - loss.detach() + total / get_world_size(), parts


BUGS = (
    SeededBug(PlainAllGather, named=GRADIENTS["none"]),
    SeededBug(GradientTimesWorldSize, named=GRADIENTS["multiplied"]),
    SeededBug(OwnSlotOnly, named=GRADIENTS["divided"]),
    SeededBug(NothingGathered, named=VALUES[OWN_ROWS]),
    SeededBug(LossesAveraged, named=VALUES["mean"]),
)
