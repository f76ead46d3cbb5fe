"""Losses over several ranks (processes that share a batch): a right one, and seeded bugs.

In the right one, every rank gathers all rows and computes the loss of the whole batch. The backward
of its gather adds up the gradients of all W ranks, so a row gets W times its gradient, and
DistributedDataParallel divides by W when it averages over ranks.
"""

from typing import Any

import torch
from torch import Tensor, distributed

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.ranks.diagnosis import GRADIENTS, OWN_ROWS, VALUES


def rows_of_ranks(own: Tensor) -> list[int]:
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, torch.tensor([len(own)]))
    return [int(n) for n in counts]


def gathered(own: Tensor) -> tuple[Tensor, slice]:
    """The rows of all ranks, [N, ...], without a gradient; and the slice of this rank's own."""
    counts = rows_of_ranks(own)
    padded = own.detach().new_zeros(max(counts), *own.shape[1:])
    padded[: len(own)] = own.detach()
    everyones = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(everyones, padded)
    start = sum(counts[: distributed.get_rank()])
    rows = torch.cat([x[:n] for x, n in zip(everyones, counts, strict=True)])
    return rows, slice(start, start + len(own))


class _Gather(torch.autograd.Function):
    """Gathers all rows; its backward adds up the gradients of all ranks, times a factor."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, factor: float) -> Tensor:
        rows, ctx.own = gathered(own)
        ctx.factor = factor
        return rows

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        total = grad_outputs[0].contiguous()
        distributed.all_reduce(total)
        return ctx.factor * total[ctx.own], None


def gather_with_gradient(own: Tensor, factor: float = 1.0) -> Tensor:
    """The rows of all ranks; the gradient of a row goes back to the rank that has it."""
    rows: Tensor = _Gather.apply(own, factor)  # type: ignore[no-untyped-call]
    return rows


class RightAcrossRanks(RightSupCR):
    """Computes the loss of the whole batch on every rank."""

    def gather(self, own: Tensor) -> Tensor:
        return gather_with_gradient(own)

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        everyones = gathered(labels)[0]
        return super().forward(self.gather(perturbed), self.gather(intact), everyones)


@seeded_bug(named=GRADIENTS["none"])
class PlainAllGather(RightAcrossRanks):
    """Gathers rows with torch.distributed.all_gather, whose output has no gradient."""

    def gather(self, own: Tensor) -> Tensor:
        return gathered(own)[0]


@seeded_bug(named=GRADIENTS["multiplied"])
class GradientTimesWorldSize(RightAcrossRanks):
    """Multiplies the gradient by the number of ranks once too often."""

    def gather(self, own: Tensor) -> Tensor:
        return gather_with_gradient(own, factor=distributed.get_world_size())


@seeded_bug(named=GRADIENTS["divided"])
class OwnSlotOnly(RightAcrossRanks):
    """Passes a gradient to a rank's own rows only; other ranks' rows are constants."""

    def gather(self, own: Tensor) -> Tensor:
        rows, place = gathered(own)
        return torch.cat((rows[: place.start], own, rows[place.stop :]))


@seeded_bug(named=VALUES[OWN_ROWS])
class NothingGathered(RightSupCR):
    """Computes each rank's loss from its own rows alone."""


class _MeanOverRanks(torch.autograd.Function):
    """Averages a number over ranks; its backward passes the gradient on unchanged."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.detach().clone()
        distributed.all_reduce(total)
        return total / distributed.get_world_size()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        return grad_outputs[0]


@seeded_bug(named=VALUES["mean"])
class LossesAveraged(RightSupCR):
    """Computes each rank's loss from its own rows, and averages these losses."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _MeanOverRanks.apply(loss), parts  # type: ignore[no-untyped-call]
