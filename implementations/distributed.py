r"""The loss of a batch that lies on several ranks: rows gathered, gradients given to their owners.

Each of W ranks holds its own rows. All rows are gathered, each rank takes its own rows as anchors
against all, and what the ranks find is added up. So each rank returns the loss of the whole batch,
for a W-th of the work, with what ``scan`` does along each anchor's row.

*The gradient.* With theta the parameters, J_r the derivative by them of the embeddings that rank r
holds, and L the loss of the whole batch,

    dL/dtheta = sum over r of J_r^T (dL / d rows of r).

DistributedDataParallel takes the *mean* over ranks of J_r^T h_r, where h_r is what rank r's
embeddings receive. The two are equal if and only if h_r = W (dL / d rows of r): that is what a
backward gives here. Where gradients are summed over ranks, ``averaged=False`` leaves out the W.

dL / d rows of r has a part from every anchor of the batch, so the parts are added up over ranks, in
the forward. The backward then needs no other rank, and none can be left waiting in it. It takes
what arrives at the loss to be the same on every rank, as when all do the same with the same loss.

*Agreement.* Before any rows are sent, the ranks tell each other the sizes, dtypes and settings that
they have. Where these do not fit together every rank raises, instead of waiting for a message that
never comes; and whether gradients are formed is decided by all together.

Everything that is sent is a tensor of equal shape on every rank, on the embeddings' device, in
all_gather and all_reduce: what gloo and NCCL both have. Run with gloo on CPUs, and on no GPU.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, distributed

from supcr_bench.values.implementation import Implementation

from ._scan import (
    OnceDifferentiable,
    Options,
    Places,
    Ranked,
    ScanSupCR,
    anchors_at_once,
    evaluate,
    scan_block,
    sum_dtype,
    tie_ends,
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
"""By their place here the ranks tell each other their dtypes."""
Scaled = Callable[[Tensor | None, Tensor | None], Tensor]
"""From what arrives at the loss and at its parts to the [2, R, d] gradient of a rank's own rows."""


class Notice(NamedTuple):
    """What a rank tells the others before it sends its rows, as whole numbers."""

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


MUST_AGREE = Notice._fields[2:-1]


class Gathered(NamedTuple):
    """The rows of all ranks, in the ranks' order; this one's are those from start to stop."""

    perturbed: Tensor
    intact: Tensor
    labels: Tensor
    start: int
    stop: int


class DistributedSupCR(ScanSupCR):
    """SupCR of the batch that the ranks of a process group hold together.

    Called on every rank, with that rank's rows; returns the loss of the whole batch on each. Rows
    per rank may differ, down to none, and a rank's labels may all be missing. Without a process
    group, or alone in one, it is ``scan``.

    Args:
        temperature: tau, which divides the cosine similarities.
        weights: one weight per label dimension, normalised to sum to one; equal ones by default.
            The same on every rank.
        eps: floor of each denominator; 1e-7 for ``torchcell`` and none for ``no-self`` by default.
        definition: ``torchcell`` (the anchor is a candidate of partners whose label ties with its
            own) or ``no-self`` (never).
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
        """A rank's [R, d], [R, d] and [R, D] to the whole batch's loss and its [D] parts.

        Both are float32, or float64 where the embeddings are. A gradient that arrives at the parts
        is formed by each rank from all rows, at W times the work of one that arrives at the loss.

        Raises:
            ValueError: on every rank, if shapes do not fit on one or between them, dtypes or
                settings differ between ranks, or a label is infinite.
        """
        ranks = world_size(self.group)
        if ranks == 1:
            return super().forward(perturbed, intact, labels)
        graph = torch.is_grad_enabled() and (perturbed.requires_grad or intact.requires_grad)
        with torch.no_grad():
            gathered, forming = self.gather(perturbed, intact, labels, graph)
            shares = self.shares_of(*gathered[:3])
            parts, gradient = self.of_all(gathered, shares if forming else None)
            dtype = working_dtype(perturbed, intact)
            loss, parts = (parts * shares).sum().to(dtype), parts.to(dtype)
        if not graph or gradient is None:
            return loss, parts
        own = gradient[:, gathered.start : gathered.stop] * (ranks if self.averaged else 1)
        scaled = partial(self.scaled, own, gathered, shares)
        loss, parts = Attached.apply(perturbed, intact, loss, parts, scaled)  # type: ignore[no-untyped-call]
        return loss, parts

    def gather(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor, graph: bool
    ) -> tuple[Gathered, bool]:
        """All rows, and whether any rank wants their gradient; see :meth:`forward`."""
        views = (perturbed, intact, labels)
        refusal: ValueError | None = None
        dtypes = [-1, -1, -1]
        try:
            self.shares_of(*views)
            dtypes = [number_of(x.dtype) for x in views]
        except ValueError as error:
            refusal = error
        own = Notice(
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
        told = all_gather(torch.tensor(own, device=perturbed.device), self.group)
        notices = [Notice(*numbers) for numbers in torch.stack(told).tolist()]
        if refusal is not None:
            raise refusal
        require_agreement(notices)

        # A row goes as its bytes: any dtype travels as it is, and all in one message. Ranks with
        # fewer rows fill up.
        columns = [x.detach().contiguous().view(torch.uint8) for x in views]
        widths = [x.shape[1] for x in columns]
        most = max(n.rows for n in notices)
        padded = columns[0].new_zeros(most, sum(widths))
        padded[: own.rows] = torch.cat(columns, dim=1)
        sent = all_gather(padded, self.group)
        rows = torch.cat([x[: n.rows] for x, n in zip(sent, notices, strict=True)])
        first, second, third = (
            x.contiguous().view(like.dtype)
            for x, like in zip(torch.split(rows, widths, dim=1), views, strict=True)
        )
        start = sum(n.rows for n in notices[: distributed.get_rank(self.group)])
        gathered = Gathered(first, second, third, start, start + own.rows)
        return gathered, any(n.gradient for n in notices)

    def of_all(self, gathered: Gathered, arriving: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The [D] losses and, if anything arrives at them, the [2, N, d] gradient: of all anchors.

        Each rank adds up over its own, and the sums are added up over ranks. Every rank gets the
        gradient of all rows and needs its own alone: gloo has no reduce_scatter everywhere.
        """
        add_parts = partial(add_own_parts, gathered.start, gathered.stop)
        parts, gradient = evaluate(*gathered[:3], arriving, self.options, add_parts)
        distributed.all_reduce(parts, group=self.group)
        if gradient is not None:
            distributed.all_reduce(gradient, group=self.group)
        return parts, gradient

    def scaled(
        self,
        own: Tensor,
        gathered: Gathered,
        shares: Tensor,
        at_loss: Tensor | None,
        at_parts: Tensor | None,
    ) -> Tensor:
        """The gradient of a rank's own rows for what arrives, without a word to the others."""
        if at_parts is None:
            return own * at_loss if at_loss is not None else torch.zeros_like(own)
        arriving = at_parts.to(shares)
        if at_loss is not None:
            arriving = arriving + at_loss.to(shares) * shares
        if self.averaged:
            arriving = arriving * world_size(self.group)
        gradient = evaluate(*gathered[:3], arriving, self.options, ScanSupCR.add_parts)[1]
        assert gradient is not None
        return gradient[:, gathered.start : gathered.stop]


class Attached(torch.autograd.Function):
    """A loss and its parts as they are, with their gradient by a rank's own rows."""

    @staticmethod
    def forward(
        ctx: Any, perturbed: Tensor, intact: Tensor, loss: Tensor, parts: Tensor, scaled: Scaled
    ) -> tuple[Tensor, Tensor]:
        """The two, which have a graph from here on."""
        ctx.set_materialize_grads(False)
        ctx.scaled = scaled
        ctx.save_for_backward(perturbed, intact)
        return loss.clone(), parts.clone()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> tuple[Any, ...]:
        """What arrives at the loss and at its parts, brought to the two views."""
        views = ctx.saved_tensors
        gradients = FormedOnce.apply(ctx.scaled, *arriving, *views)  # type: ignore[no-untyped-call]
        return *gradients, None, None, None


class FormedOnce(OnceDifferentiable):
    """The gradient of both views, which refuses to be differentiated again."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        scaled: Scaled,
        at_loss: Tensor | None,
        at_parts: Tensor | None,
        perturbed: Tensor,
        intact: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Each in its view's dtype."""
        del ctx
        first, second = scaled(at_loss, at_parts)
        return first.to(perturbed.dtype), second.to(intact.dtype)


def world_size(group: "distributed.ProcessGroup | None") -> int:
    """Ranks of a group; 1 where there is none.

    Raises:
        ValueError: this process is not in the group.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    ranks = distributed.get_world_size(group)
    if ranks < 1:
        raise ValueError("this process is not a rank of the group")
    return ranks


def number_of(dtype: torch.dtype) -> int:
    """Of a dtype, in messages; a ValueError for one that labels and embeddings cannot have."""
    if dtype not in SENT_DTYPES:
        raise ValueError(f"embeddings or labels of {dtype} are not sent between ranks")
    return SENT_DTYPES.index(dtype)


def bits(value: float) -> int:
    """A float64 as a whole number, to be compared exactly."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def all_gather(own: Tensor, group: "distributed.ProcessGroup | None") -> list[Tensor]:
    """Each rank's tensor, all of one shape."""
    everyones = [torch.empty_like(own) for _ in range(world_size(group))]
    distributed.all_gather(everyones, own, group=group)
    return everyones


def require_agreement(notices: list[Notice]) -> None:
    """A ValueError, the same on every rank, unless the ranks' rows make one batch."""
    refusing = [str(r) for r, n in enumerate(notices) if n.refuses]
    if refusing:
        raise ValueError(f"the inputs of rank {', '.join(refusing)} do not fit together")
    for field in MUST_AGREE:
        values = [getattr(n, field) for n in notices]
        other = next((r for r, v in enumerate(values) if v != values[0]), None)
        if other is not None:
            name = field.replace("_", " ")
            raise ValueError(f"ranks must have the same {name}: rank {other} has another than 0")


def add_own_parts(
    first: int,
    stop: int,
    ranked: Ranked,
    units: Tensor,
    arriving: Tensor | None,
    options: Options,
    parts: Tensor,
    slope: Tensor | None,
) -> None:
    """As :meth:`ScanSupCR.add_parts`, with the rows from ``first`` to ``stop`` for anchors."""
    own = torch.tensor((first, stop), device=ranked.rows.device)
    for c, m in enumerate(ranked.counts):
        if m < 2:
            continue
        # In the order in which they were gathered, a rank's rows stand together.
        members, place = ranked.order[c, :m].sort()
        labels = ranked.labels[c, :m][place]
        anchors = torch.searchsorted(ranked.rows[members], own).tolist()
        total, own_slope = rows_of(labels, units[:, members], anchors, options, slope is not None)
        pairs = m * (m - 1)
        parts[c] += total / pairs
        if slope is not None and own_slope is not None and arriving is not None:
            factor = (arriving[c] / (pairs * options.temperature)).to(slope)
            slope.index_add_(1, members, own_slope * factor)


def rows_of(
    labels: Tensor, own: Tensor, anchors: list[int], options: Options, sloping: bool
) -> tuple[Tensor, Tensor | None]:
    """The sum over pairs of some anchors, and [2, M, d] its derivative by the units, over 1/tau.

    Args:
        labels: [M], in any order.
        own: [2, M, d] unit embeddings.
        anchors: the first, and the one after the last.
        options: temperature, eps and the rule for ties.
        sloping: whether the derivative is wanted.
    """
    m = len(labels)
    total = torch.zeros((), dtype=sum_dtype(own.device), device=own.device)
    slope = torch.zeros_like(own) if sloping else None
    number = torch.arange(m, device=own.device, dtype=own.dtype)
    at_once = anchors_at_once(own.device, m)
    for start in range(anchors[0], anchors[1], at_once):
        block = slice(start, min(start + at_once, anchors[1]))
        some = own[:, block]
        logits = torch.bmm(some / options.temperature, own.mT).sub_(1 / options.temperature)
        distance = (labels - labels[block].unsqueeze(1)).abs()  # as the labels' dtype rounds it
        distance, order = distance.sort(dim=1, descending=True)
        places = Places(order[None], tie_ends(distance[None], number))
        block_total, weights = scan_block(logits.unsqueeze(1), places, start, options, sloping)
        total += block_total[0]
        if slope is not None and weights is not None:
            slope[:, block].baddbmm_(weights[:, 0], own)
            slope.baddbmm_(weights[:, 0].mT, some)
    return total, slope


IMPLEMENTATION = Implementation(
    name="distributed",
    title="A batch on several ranks: gathered, own anchors each",
    source="beyond the note",
    factory=DistributedSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N",
    definitions=("torchcell", "no-self"),
    device_specific=True,
    tags=("ranks",),
)
