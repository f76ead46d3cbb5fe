"""A loss to be timed: every call gets new tensors, and each answer is compared with the first.

In training no batch comes twice. A loss that remembers its last answer, or the order of labels that
it has sorted before, would seem faster here than it is in training. So calls go through
several batches of one workload in turn, with the rows in another order each time, in new tensors.
The order of the rows changes neither the loss nor the length of its gradient, so each answer can be
compared with the first one on the same batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.subjects.adapter import Adapter, BoundLoss
from supcr_bench.subjects.calls import loss_of
from supcr_bench.values.case import UNIT_ROUNDOFF, Pass, Workload

BATCHES = 4
SEED_STEP = 1_000_003
"""Distance of the seeds of two batches of one workload."""
ROUNDING = 1e4
"""Two orders of rows give losses that differ by rounding: less than this many unit roundoffs."""


class BrokenCallError(Exception):
    """An implementation did something that a loss must not do, such as changing its inputs."""


def batches_of(
    workload: Workload, first: Batch, table: npt.NDArray[np.float64] | None = None
) -> list[Batch]:
    """The given batch of a workload, and others of the same sizes."""
    seeds = (workload.seed + SEED_STEP * k for k in range(1, BATCHES))
    return [first, *(make_batch(replace(workload, seed=seed), table) for seed in seeds)]


def shuffled(batch: Batch, seed: int) -> Batch:
    """A copy of a batch with its rows in an order drawn by the seed."""
    order = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(seed))
    return batch.rows(order.to(batch.labels.device))


@dataclass(slots=True, eq=False)
class TimedLoss:
    """A loss in one pass; :meth:`prepare`, untimed, gives it new inputs before each call."""

    subject: Adapter
    loss: BoundLoss
    pass_: Pass
    batches: Sequence[Batch]
    _batch: int | None = field(init=False, default=None)
    _output: object = field(init=False, default=None)
    _loss: Tensor | None = field(init=False, default=None)
    _first: dict[int, tuple[float, ...]] = field(init=False, default_factory=dict)

    def release(self) -> None:
        self._output = self._loss = None
        self.loss.clear_gradients()

    def prepare(self, call: int) -> None:
        """Make the inputs of a call; calls with equal numbers get equal inputs."""
        self.release()
        # Neither consecutive calls nor every fourth call get one batch again and again.
        self._batch = (call + call // BATCHES) % len(self.batches)
        self.loss.arguments = self.subject.arguments(shuffled(self.batches[self._batch], call))

    def __call__(self) -> object:
        self._output = self.loss.call(self.pass_)
        self._loss = loss_of(self._output)  # an output may compute it when it is read
        return self._output

    def finding(self) -> str | None:
        """Why the last answer cannot be right, if it cannot; not timed."""
        if self._loss is None or self._batch is None:
            return None
        now = self._fingerprint(self._loss)
        first = self._first.setdefault(self._batch, now)
        rounding = ROUNDING * UNIT_ROUNDOFF[self.batches[0].dtype]
        for what, one, other in zip(("the loss", "a gradient of length"), now, first, strict=False):
            if not math.isclose(one, other, rel_tol=rounding, abs_tol=rounding / 100) and not (
                math.isnan(one) and math.isnan(other)
            ):
                return (
                    f"while it was timed, it gave {what} {one:.6g}, and {other:.6g} for the same "
                    "rows in another order"
                )
        losses = {loss for loss, *_ in self._first.values()}
        if len(self._first) == len(self.batches) > 1 and len(losses) == 1 and now[0]:
            return f"gave the loss {now[0]:.6g} for {len(self.batches)} different batches"
        return None

    def require_right(self) -> None:
        """Raise a BrokenCallError if the last answer cannot be right."""
        if finding := self.finding():
            raise BrokenCallError(finding)

    def _fingerprint(self, loss: Tensor) -> tuple[float, ...]:
        """The loss, and in training its gradient's length: the order of rows changes neither."""
        value = float(loss.detach())
        if self.pass_ == "forward":
            return (value,)
        found = [t.grad for t in self.loss.arguments.values() if t.grad is not None]
        return value, math.sqrt(sum(float(g.double().pow(2).sum()) for g in found))
