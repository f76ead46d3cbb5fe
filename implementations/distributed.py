r"""The loss of a batch whose rows are spread over several ranks (processes).

Each of W ranks holds some rows, and gathers those of all others. It sums over its own rows as
anchors, with the running sums of ``scan``, and an all_reduce adds up these sums. So each rank
returns the loss of the whole batch for a W-th of the work.

*The gradient.* With theta the parameters, J_r the derivative by them of the embeddings that rank r
holds, and L the loss of the whole batch,

    dL/dtheta = sum over r of J_r^T (dL / d rows of r).

DistributedDataParallel takes the *mean* over ranks of J_r^T h_r, where h_r is what rank r's
embeddings receive. The mean equals dL/dtheta if h_r = W (dL / d rows of r), so the backward here
multiplies by W. Where gradients are summed over ranks, ``averaged=False`` leaves out the W.

Every anchor of the batch contributes to dL / d rows of r, so the forward adds up the contributions
over ranks. The backward then exchanges no messages, so no rank can wait in it forever. It assumes
that the gradient at the loss is the same on all ranks.

*Agreement.* Before they send rows, the ranks exchange their sizes, dtypes and settings. If these do
not fit together, every rank raises an error, instead of waiting for a message that never comes. If
one rank needs a gradient, all ranks compute gradients.

All messages are tensors of equal shape on every rank, on the embeddings' device, in all_gather and
all_reduce, which gloo and NCCL support. This was tested with gloo on CPUs, and never on a GPU.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, distributed

from supcr_bench.values.implementation import Implementation

from ._scan import (
    DistanceOrder,
    Evaluation,
    OnceDifferentiable,
    ScanSupCR,
    anchors_at_once,
    at_each_loss,
    evaluate,
    scan_block,
    sum_dtype,
    ties_ending,
    working_dtype,
)

SENT_DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
)
"""Ranks exchange dtypes as indices into this tuple."""
GradientOfOwnRows = Callable[[Tensor | None, Tensor | None], Tensor]
"""Maps the gradients at the loss and at the [D] losses to the [2, R, d] of a rank's own rows."""


class Settings(NamedTuple):
    """The sizes, dtypes and settings that ranks exchange first, as whole numbers."""

    refuses: int
    rows: int
    embedding_size: int
    label_dimensions: int
    first_dtype: int
    second_dtype: int
    labels_dtype: int
    definition: int
    temperature: int
    eps: int
    gradient: int


MUST_AGREE = Settings._fields[2:-1]


class Gathered(NamedTuple):
    """The rows of all ranks in order; those from ``start`` to ``stop`` are this rank's."""

    perturbed: Tensor
    intact: Tensor
    labels: Tensor
    start: int
    stop: int


class DistributedSupCR(ScanSupCR):
    """SupCR of a batch spread over the ranks of a process group.

    Each rank calls it with its own rows and gets the loss of the whole batch. The number of rows
    may differ between ranks and be 0, and a rank's labels may all be missing. Without a process
    group, or in a group of one rank, it computes what ``scan`` does.

    Args:
        temperature, weights, eps, definition: as in :class:`~._scan.ScanSupCR`, the same on every
            rank.
        group: the process group; the default one if not given.
        averaged: whether the gradients of parameters are averaged over ranks afterwards, as
            DistributedDataParallel does, or summed.

    Raises:
        ValueError: a temperature that is not positive, an unknown definition.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        weights: Tensor | None = None,
        eps: float | None = None,
        definition: Literal["torchcell", "no-self"] = "torchcell",
        group: "distributed.ProcessGroup | None" = None,
        averaged: bool = True,
    ) -> None:
        super().__init__(temperature, weights, eps, definition)
        self.group = group
        self.averaged = averaged

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """A rank's [R, d], [R, d] and [R, D] to the whole batch's loss and its [D] losses.

        The results are float32, or float64 for float64 embeddings. A gradient at the [D] losses
        makes each rank process all rows: W times the work of a gradient at the loss.

        Raises:
            ValueError: on every rank, if the shapes of a rank do not fit, if widths, dtypes or
                settings differ between ranks, or if a label is infinite.
        """
        ranks = world_size(self.group)
        if ranks == 1:
            return super().forward(perturbed, intact, labels)
        graph = torch.is_grad_enabled() and (perturbed.requires_grad or intact.requires_grad)
        with torch.no_grad():
            gathered, any_graph = self.gather(perturbed, intact, labels, graph)
            weights = self.normalised_weights(*gathered[:3])
            losses, gradient = self.evaluate_together(gathered, weights if any_graph else None)
            dtype = working_dtype(perturbed, intact)
            loss, losses = (losses * weights).sum().to(dtype), losses.to(dtype)
        if not graph or gradient is None:
            return loss, losses
        own = gradient[:, gathered.start : gathered.stop] * (ranks if self.averaged else 1)
        form = partial(self.gradient_of_own_rows, own, gathered, weights)
        loss, losses = WithGradient.apply(perturbed, intact, loss, losses, form)  # type: ignore[no-untyped-call]
        return loss, losses

    def gather(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor, graph: bool
    ) -> tuple[Gathered, bool]:
        """All rows, and whether any rank wants their gradient; see :meth:`forward`."""
        views = (perturbed, intact, labels)
        refusal: ValueError | None = None
        dtypes = [-1, -1, -1]
        try:
            self.normalised_weights(*views)
            dtypes = [number_of(x.dtype) for x in views]
        except ValueError as error:
            refusal = error
        own = Settings(
            refuses=int(refusal is not None),
            rows=0 if refusal else len(labels),
            embedding_size=0 if refusal else perturbed.shape[1],
            label_dimensions=0 if refusal else labels.shape[1],
            first_dtype=dtypes[0],
            second_dtype=dtypes[1],
            labels_dtype=dtypes[2],
            definition=int(self.definition == "no-self"),
            temperature=bits(self.temperature),
            eps=bits(self.eps),
            gradient=int(graph),
        )
        sent = all_gather(torch.tensor(own, device=perturbed.device), self.group)
        settings = [Settings(*numbers) for numbers in torch.stack(sent).tolist()]
        if refusal is not None:
            raise refusal
        require_agreement(settings)

        # Rows are sent as bytes, so one message holds all dtypes. Ranks with fewer rows pad
        # theirs.
        columns = [x.detach().contiguous().view(torch.uint8) for x in views]
        widths = [x.shape[1] for x in columns]
        most = max(n.rows for n in settings)
        padded = columns[0].new_zeros(most, sum(widths))
        padded[: own.rows] = torch.cat(columns, dim=1)
        sent = all_gather(padded, self.group)
        rows = torch.cat([x[: n.rows] for x, n in zip(sent, settings, strict=True)])
        first, second, third = (
            x.contiguous().view(like.dtype)
            for x, like in zip(torch.split(rows, widths, dim=1), views, strict=True)
        )
        start = sum(n.rows for n in settings[: distributed.get_rank(self.group)])
        gathered = Gathered(first, second, third, start, start + own.rows)
        return gathered, any(n.gradient for n in settings)

    def evaluate_together(
        self, gathered: Gathered, grad_output: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The [D] losses of all anchors and, for a [D] gradient at them, the [2, N, d] gradient.

        Each rank sums over its own anchors, and these sums are added up. Every rank gets the
        gradient of all rows although it needs only its own rows, because gloo lacks reduce_scatter
        in some versions.
        """
        add_losses = partial(add_own_losses, gathered.start, gathered.stop)
        losses, gradient = evaluate(*gathered[:3], grad_output, self.options, add_losses)
        distributed.all_reduce(losses, group=self.group)
        if gradient is not None:
            distributed.all_reduce(gradient, group=self.group)
        return losses, gradient

    def gradient_of_own_rows(
        self,
        own: Tensor,
        gathered: Gathered,
        weights: Tensor,
        at_loss: Tensor | None,
        at_losses: Tensor | None,
    ) -> Tensor:
        """The [2, R, d] gradient of a rank's own rows, formed without a message to the others."""
        if at_losses is None:
            return own * at_loss if at_loss is not None else torch.zeros_like(own)
        grad_output = at_each_loss(at_loss, at_losses, weights)
        if self.averaged:
            grad_output = grad_output * world_size(self.group)
        gradient = evaluate(*gathered[:3], grad_output, self.options, ScanSupCR.add_losses)[1]
        assert gradient is not None
        return gradient[:, gathered.start : gathered.stop]


class WithGradient(torch.autograd.Function):
    """Makes the loss and the [D] losses differentiable by a rank's own rows."""

    @staticmethod
    def forward(
        ctx: Any,
        perturbed: Tensor,
        intact: Tensor,
        loss: Tensor,
        losses: Tensor,
        form: GradientOfOwnRows,
    ) -> tuple[Tensor, Tensor]:
        """The loss and the [D] losses again, as outputs that autograd can differentiate."""
        ctx.set_materialize_grads(False)
        ctx.form = form
        ctx.save_for_backward(perturbed, intact)
        return loss.clone(), losses.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Any, ...]:
        """Map the gradients at the loss and at the [D] losses to those of the two views."""
        views = ctx.saved_tensors
        gradients = FormedOnce.apply(ctx.form, *grad_outputs, *views)  # type: ignore[no-untyped-call]
        return *gradients, None, None, None


class FormedOnce(OnceDifferentiable):
    """The gradient of both views, which refuses to be differentiated again."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        form: GradientOfOwnRows,
        at_loss: Tensor | None,
        at_losses: Tensor | None,
        perturbed: Tensor,
        intact: Tensor,
    ) -> tuple[Tensor, Tensor]:
        del ctx
        first, second = form(at_loss, at_losses)
        return first.to(perturbed.dtype), second.to(intact.dtype)


def world_size(group: "distributed.ProcessGroup | None") -> int:
    """Ranks of a group, 1 without one; a ValueError if this process is not in the group."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    ranks = distributed.get_world_size(group)
    if ranks < 1:
        raise ValueError("this process is not a rank of the group")
    return ranks


def number_of(dtype: torch.dtype) -> int:
    """The index of a dtype in ``SENT_DTYPES``; a ValueError for any other dtype."""
    if dtype not in SENT_DTYPES:
        raise ValueError(f"embeddings or labels of {dtype} are not sent between ranks")
    return SENT_DTYPES.index(dtype)


def bits(value: float) -> int:
    """A float64 as a whole number, to be compared exactly."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def all_gather(own: Tensor, group: "distributed.ProcessGroup | None") -> list[Tensor]:
    everyones = [torch.empty_like(own) for _ in range(world_size(group))]
    distributed.all_gather(everyones, own, group=group)
    return everyones


def require_agreement(settings: list[Settings]) -> None:
    """A ValueError, the same on every rank, unless the ranks' rows make one batch."""
    refusing = [str(r) for r, n in enumerate(settings) if n.refuses]
    if refusing:
        raise ValueError(f"the inputs of rank {', '.join(refusing)} do not fit together")
    for field in MUST_AGREE:
        values = [getattr(n, field) for n in settings]
        other = next((r for r, v in enumerate(values) if v != values[0]), None)
        if other is not None:
            name = field.replace("_", " ")
            raise ValueError(f"ranks must have the same {name}: ranks 0 and {other} differ")


def add_own_losses(first: int, stop: int, work: Evaluation) -> None:
    """As :meth:`ScanSupCR.add_losses`, with the rows from ``first`` to ``stop`` for anchors."""
    sorted_labels = work.labels
    own = torch.tensor((first, stop), device=sorted_labels.rows.device)
    for c, m in enumerate(sorted_labels.counts):
        if m < 2:
            continue
        # In the gathered order, the rows of one rank are contiguous.
        rows, place = sorted_labels.order[c, :m].sort()
        labels = sorted_labels.labels[c, :m][place]
        anchors = torch.searchsorted(sorted_labels.rows[rows], own).tolist()
        total, grad = sum_of_anchors(labels, rows, anchors, work)
        work.add_loss(c, total)
        if grad is not None and work.grad_units is not None:
            factor = work.factor(c, grad)
            work.grad_units.index_add_(1, rows, grad * factor)


def sum_of_anchors(
    labels: Tensor, rows: Tensor, anchors: list[int], work: Evaluation
) -> tuple[Tensor, Tensor | None]:
    """The sum over pairs of some anchors, and tau times its derivative by the units, [2, M, d]."""
    m, tau, units = len(labels), work.options.temperature, work.units[:, rows]
    total = torch.zeros((), dtype=sum_dtype(units.device), device=units.device)
    grad_units = None if work.grad_units is None else torch.zeros_like(units)
    number = torch.arange(m, device=units.device, dtype=units.dtype)
    at_once = anchors_at_once(units.device, m)
    for start in range(anchors[0], anchors[1], at_once):
        block = slice(start, min(start + at_once, anchors[1]))
        some = units[:, block]
        logits = torch.bmm(some / tau, units.mT).sub_(1 / tau)
        distance = (labels - labels[block].unsqueeze(1)).abs()  # as the labels' dtype rounds it
        distance, order = distance.sort(dim=1, descending=True)
        places = DistanceOrder(order[None], ties_ending(distance[None], number))
        block_total, weights = scan_block(
            logits.unsqueeze(1), places, start, work.options, grad_units is not None
        )
        total += block_total[0]
        if grad_units is not None and weights is not None:
            grad_units[:, block].baddbmm_(weights[:, 0], units)
            grad_units.baddbmm_(weights[:, 0].mT, some)
    return total, grad_units


IMPLEMENTATION = Implementation(
    name="distributed",
    title="A batch on several ranks, each with its own anchors",
    source="beyond the note",
    factory=DistributedSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N",
    definitions=("torchcell", "no-self"),
    device_specific=True,
    tags=("ranks",),
)
