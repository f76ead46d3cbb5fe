"""Losses over several ranks that gather wrongly, and one that does it right.

In the right one, every rank gathers all rows and computes the whole loss. The backward of its
gather adds up what arrives on every rank, so that a rank's rows receive W times their gradient,
which DDP's mean divides by W.
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
    """All ranks' rows [N, ...] without gradient, and which are this rank's."""
    counts = rows_of_ranks(own)
    padded = own.detach().new_zeros(max(counts), *own.shape[1:])
    padded[: len(own)] = own.detach()
    everyones = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(everyones, padded)
    start = sum(counts[: distributed.get_rank()])
    rows = torch.cat([x[:n] for x, n in zip(everyones, counts, strict=True)])
    return rows, slice(start, start + len(own))


class _Gather(torch.autograd.Function):
    """Gathers all rows; its backward sums the gradients of all ranks, times a factor."""

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
    """All ranks' rows, with gradient to their owners."""
    rows: Tensor = _Gather.apply(own, factor)  # type: ignore[no-untyped-call]
    return rows


class RightAcrossRanks(RightSupCR):
    """Gathers with gradient, and computes the whole loss on every rank."""

    def gather(self, own: Tensor) -> Tensor:
        return gather_with_gradient(own)

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        everyones = gathered(labels)[0]
        return super().forward(self.gather(perturbed), self.gather(intact), everyones)


@seeded_bug(named=GRADIENTS["none"])
class PlainAllGather(RightAcrossRanks):
    """The gathered rows have no gradient. torch.distributed.all_gather writes into tensors that
    no graph knows: with more than one rank the loss trains nothing."""

    def gather(self, own: Tensor) -> Tensor:
        return gathered(own)[0]


@seeded_bug(named=GRADIENTS["multiplied"])
class GradientTimesWorldSize(RightAcrossRanks):
    """The backward of the gather multiplies by the world size, though it has added up already.
    A factor W against DDP's mean, where the gather's backward has already added up over ranks:
    the learning rate grows with the number of GPUs."""

    def gather(self, own: Tensor) -> Tensor:
        return gather_with_gradient(own, factor=distributed.get_world_size())


@seeded_bug(named=GRADIENTS["divided"])
class OwnSlotOnly(RightAcrossRanks):
    """A rank's own rows are put back into the gathered ones; the others are constants. The usual
    repair of a plain all_gather puts the own rows back: then only these get a gradient, and DDP's
    mean divides it by W."""

    def gather(self, own: Tensor) -> Tensor:
        rows, place = gathered(own)
        return torch.cat((rows[: place.start], own, rows[place.stop :]))


@seeded_bug(named=VALUES[OWN_ROWS])
class NothingGathered(RightSupCR):
    """Each rank's loss is that of its own rows. It contrasts a W-th of the batch."""


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
    """The ranks' own losses are averaged. The mean of the ranks' losses is the whole batch's
    for losses that are sums over rows; this one is over pairs of rows."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return _MeanOverRanks.apply(loss), parts  # type: ignore[no-untyped-call]
