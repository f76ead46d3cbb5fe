r"""The loss of a batch whose rows are spread over several ranks (processes).

Each of W ranks holds some rows, and gathers those of all others. Each rank sums over its own rows
as anchors, with the running sums of ``scan``, and an all_reduce adds up these sums. So each rank
returns the loss of the whole batch for a W-th of the work.

*The gradient.* With theta the parameters, J_r the Jacobian of rank r's embeddings w.r.t. theta, and
L the loss of the whole batch,

    dL/dtheta = sum over r of J_r^T (dL / d rows of r).

DistributedDataParallel takes the *mean* over ranks of J_r^T h_r, where h_r is what rank r's
embeddings receive. The mean equals dL/dtheta if h_r = W (dL / d rows of r), so the backward here
multiplies by W. Where gradients are summed over ranks, ``averaged=False`` leaves out the W.

Every anchor of the batch contributes to dL / d rows of r, so the forward adds up the contributions
over ranks. The backward then exchanges no messages, so no rank can wait in it forever. The backward
assumes that the gradient at the loss is the same on all ranks.

*Agreement.* Before they send rows, the ranks exchange their sizes, dtypes and settings. If these do
not fit together, every rank raises an error, instead of waiting for a message that never comes. If
one rank needs a gradient, all ranks compute gradients.

All messages are tensors of equal shape on every rank, on the embeddings' device, in all_gather and
all_reduce, which gloo and NCCL support. The loss was tested with gloo on CPUs, and never on a GPU.
"""

import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed

from supcr_bench.values.implementation import ANY, Implementation

from ._loss import by_name
from ._scan import (
    DEFINITIONS,
    DirectGradient,
    Evaluated,
    ScanSupCR,
    explain,
    rank_n_contrast,
    value_of,
)


class Gathered(NamedTuple):
    """The rows of all ranks in order; those from ``start`` to ``stop`` are this rank's."""

    views: Tensor  # [V, N, d]
    labels: Tensor  # [N, D]
    start: int  # the first of this rank's rows
    stop: int  # the one after its last
    wanted: int  # what any rank wants: 1 for the gradient, 2 also w.r.t. the temperature


class DistributedSupCR(ScanSupCR):
    """The loss of a batch spread over the ranks of a process group.

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
        temperature: float | Tensor | None = None,
        weights: Tensor | None = None,
        eps: float | None = None,
        definition: Any = "torchcell",
        group: "distributed.ProcessGroup | None" = None,
        averaged: bool = True,
    ) -> None:
        super().__init__(temperature, weights, eps, definition)
        self.group = group
        self.averaged = averaged

    def forward(self, *views: Tensor, labels: Tensor | None = None, **named: Tensor) -> Any:
        """Return the whole batch's loss and its [D] losses, for a rank's embeddings and labels.

        Arguments and results are those of :class:`~._scan.ScanSupCR`. If backward starts from the
        [D] losses, each rank processes all rows: W times the work of backward from the loss.

        Raises:
            TypeError, ValueError: on a rank, what is wrong with its arguments, and then a
                ValueError on the others; a ValueError on all if widths, dtypes or settings (also
                the weights and ``averaged``) differ between ranks, or if a label is infinite.
        """
        if world_size(self.group) == 1:
            views = by_name(views, labels, named) if named else views
            return super().forward(*views, labels=labels)
        tau, graph, learns = self.temperature, torch.is_grad_enabled(), [False]
        with torch.no_grad():
            stacked, y, refusal = torch.empty(1, 0, 0), torch.empty(0, 0), None
            try:
                views = by_name(views, labels, named)
                arguments = views if labels is None else (*views, labels)
                explain(arguments)
                *given, labels = arguments
                learns = [isinstance(x, Tensor) and x.requires_grad for x in (tau, *given)]
                arranged, y = self.arrange(given, labels)
                stacked = torch.stack(arranged)
                value_of(tau)
            except Exception as error:  # noqa: BLE001 - the other ranks must not wait
                refusal = error
            device = next((x.device for x in views if isinstance(x, Tensor)), stacked.device)
            wanted = graph * (any(learns) + learns[0])
            gathered = self.gather(stacked.to(device), y.to(device), refusal, wanted)
        own = y.clone()  # as the gathered ones are copies, labels may change before backward
        call = self, partial(self.evaluate_together, gathered), own, graph
        loss, losses = DirectGradient.apply(call, tau, *given)  # type: ignore[no-untyped-call]
        return loss if self.choices.joint else (loss, losses)

    def gather(
        self, views: Tensor, labels: Tensor, refusal: Exception | None, wanted: int
    ) -> Gathered:
        """All rows, of which this rank has [V, R, d] and [R, D]; see :meth:`forward`."""
        choices, weights, rows = self.choices, self.weights, len(labels)
        common = {
            "number of views": len(views),
            "embedding size": views.shape[2],
            "label dimensions": labels.shape[1],
            "embeddings dtype": checksum(views.dtype),
            "labels dtype": checksum(labels.dtype),
            "definition": checksum(choices._replace(eps=0.0, temperature=0.0)),
            "temperature": 0 if refusal else checksum(value_of(self.temperature)),
            "weights": checksum(weights if weights is None else weights.tolist()),
            "eps": checksum(choices.eps or 0.0),
            "averaged setting": int(self.averaged),
        }
        numbers = [int(refusal is not None), wanted, rows, *common.values()]
        sent = all_gather(torch.tensor(numbers, device=views.device), self.group)
        refuses, wants, counts, *settings = zip(*torch.stack(sent).tolist(), strict=True)
        if refusal is not None:
            raise refusal
        require_agreement(refuses, dict(zip(common, settings, strict=True)))

        # Rows are sent as bytes, so one message holds all dtypes; ranks with fewer pad theirs.
        parts = (views.detach().transpose(0, 1).flatten(1), labels)
        columns = [x.contiguous().view(torch.uint8) for x in parts]
        widths = [x.shape[1] for x in columns]
        padded = columns[0].new_zeros(max(counts), sum(widths))
        padded[:rows] = torch.cat(columns, dim=1)
        sent = all_gather(padded, self.group)
        together = torch.cat([x[:n] for x, n in zip(sent, counts, strict=True)])
        embeddings, y = (
            x.contiguous().view(like.dtype)
            for x, like in zip(torch.split(together, widths, dim=1), parts, strict=True)
        )
        start = sum(counts[: distributed.get_rank(self.group)])
        whole = embeddings.view(len(y), len(views), -1).transpose(0, 1)
        return Gathered(whole, y, start, start + rows, max(wants))

    def evaluate_together(
        self, gathered: Gathered, *arguments: Any, grad_output: Tensor | None = None, **_: Any
    ) -> Evaluated:
        """The [C] losses of the whole batch, and the gradient of this rank's rows.

        ``arguments`` are those of :func:`._scan.evaluate`; the gathered rows replace its own.
        Each rank sums over its own anchors, and these sums are added up. Every rank gets the
        gradient of all rows although it needs only its own rows, because gloo lacks reduce_scatter
        in some versions. If backward starts from the [D] losses, each rank sums over all anchors
        and exchanges no message.
        """
        start, stop = gathered.start, gathered.stop
        own = {"anchors": (start, stop)} if grad_output is None else {}
        found = self.evaluate(
            *(gathered.views.unbind(), gathered.labels, *arguments[2:]),
            **own,
            wanted=gathered.wanted > 0,
            learned=gathered.wanted > 1,
            grad_output=grad_output,
        )
        if grad_output is None:
            for tensor in (found.loss, found.losses, *(found.gradient or ()), found.slope):
                if tensor is not None:
                    distributed.all_reduce(tensor, group=self.group)
        if found.gradient is None:
            return found
        ranks = world_size(self.group)
        factor = ranks if self.averaged else 1
        return found._replace(
            gradient=tuple(x[..., start:stop, :] * factor for x in found.gradient),
            slope=found.slope if self.averaged or found.slope is None else found.slope / ranks,
        )


def world_size(group: "distributed.ProcessGroup | None") -> int:
    """Ranks of a group, 1 without one; raises a ValueError if this process is not in the group."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    ranks = distributed.get_world_size(group)
    if ranks < 1:
        raise ValueError("this process is not a rank of the group")
    return ranks


def checksum(setting: object) -> int:
    """A whole number that differs where a setting does: CRC-32 of its text."""
    return zlib.crc32(repr(setting).encode())


def all_gather(own: Tensor, group: "distributed.ProcessGroup | None") -> list[Tensor]:
    everyones = [torch.empty_like(own) for _ in range(world_size(group))]
    distributed.all_gather(everyones, own, group=group)
    return everyones


def require_agreement(refuses: Sequence[int], settings: Mapping[str, Sequence[int]]) -> None:
    """Raise a ValueError, the same on every rank, unless the ranks' rows make one batch.

    All values are by rank: whether a rank refuses its own arguments, and each setting.
    """
    refusing = [str(r) for r, refused in enumerate(refuses) if refused]
    if refusing:
        raise ValueError(f"rank {', '.join(refusing)} cannot take its arguments, and tells why")
    for name, values in settings.items():
        other = next((r for r, v in enumerate(values) if v != values[0]), None)
        if other is not None:
            raise ValueError(f"ranks must have the same {name}: ranks 0 and {other} differ")


class DistributedRnC(DistributedSupCR):
    """Rank-N-Contrast of a batch spread over ranks, called as ``RnCLoss``."""

    def __init__(
        self,
        temperature: float | Tensor = 2.0,
        label_diff: str = "l1",
        feature_sim: str = "l2",
        group: "distributed.ProcessGroup | None" = None,
        averaged: bool = True,
    ) -> None:
        definition = rank_n_contrast(label_diff, feature_sim)
        super().__init__(temperature, None, None, definition, group, averaged)


IMPLEMENTATION = Implementation(
    name="distributed",
    title="A batch on several ranks, each with its own anchors",
    source="beyond the note",
    factory=DistributedSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N",
    definitions=(*DEFINITIONS, ANY),
    device_specific=True,
    tags=("ranks",),
)
