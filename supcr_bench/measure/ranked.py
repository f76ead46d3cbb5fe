"""Measures a cell (one workload and the implementations on it) over several ranks (processes).

Rank 0 runs the code that measures a cell in one process: it decides what a call is compared with,
how often it is made and when timing ends. Rank 0 broadcasts each call, every rank makes the call on
its own contiguous part of the batch's rows, and rank 0 gathers the results. The time of a call is
that of the slowest rank, and its peak memory that of the rank that needs most.

Every rank must have the loss of the whole batch. The mean over ranks of the gradients, as DDP takes
it, must be the gradient of one process with the whole batch.
"""

import gc
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed

from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.device import Device, Elapsed, Meter, PeakMemory
from supcr_bench.measure.timed_loss import BrokenCallError, shuffled
from supcr_bench.measure.work import Work
from supcr_bench.subjects.adapter import Adapter, BoundLoss
from supcr_bench.subjects.calls import unpack
from supcr_bench.values.cell import Arm, Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Resolution

VALUES_AGREE = 1e-5
"""Largest relative difference between two ranks' values: they are sums of the same numbers."""


class GroupBrokenError(BaseException):
    """A call has raised on this rank, so the other ranks may be waiting for it in a collective.

    This error is not an Exception, so that code that handles an implementation's errors does not
    catch it.
    """

    def __init__(self, arm: Arm, reason: BaseException) -> None:
        super().__init__(f"{arm.describe()} has ended the group")
        self.arm, self.reason = arm, reason


Step = Literal["forward", "backward", "peak_memory", "work", "time"]
"""What all ranks do together: a step of the check of agreement, or a call to measure."""


class RankShard:
    """One rank's contiguous part of a batch's rows, and the losses that are called on them."""

    def __init__(
        self,
        cell: Cell,
        subjects: Mapping[str, Adapter],
        device: Device,
        limit_bytes: int | None,
        table: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self._dims, self.subjects = cell.workload.dims, subjects
        self._definitions = {arm.implementation: cell.definition(arm) for arm in cell.arms}
        self._device, self._limit_bytes = device, limit_bytes
        self._meter = Meter(device)
        whole = make_batch(cell.workload, table)
        ranks, rank = distributed.get_world_size(), distributed.get_rank()
        rows = torch.arange(len(whole.labels)).tensor_split(ranks)[rank]
        self._batch = whole.rows(rows.to(whole.labels.device))
        self._losses: dict[str, BoundLoss] = {}
        self._loss: Tensor | None = None
        self._calls = 0

    def do(self, step: Step, arm: Arm) -> Any:
        """Do this rank's part of a step, and return what rank 0 gathers."""
        name = arm.implementation
        for loss in self._losses.values():
            loss.clear_gradients()
        if step != "time":
            gc.collect()
        with self._device.memory_limit(self._limit_bytes):
            if name not in self._losses:
                loss = self.subjects[name].bind(self._definitions[name], self._batch)
                self._losses[name] = loss
            loss = self._losses[name]
            match step:
                case "forward":
                    self._loss, parts = unpack(loss.forward(), self._dims)
                    own = self._loss.new_empty(0) if parts is None else parts
                    return self._loss.detach().cpu(), own.detach().cpu()
                case "backward":
                    assert self._loss is not None
                    self._loss.backward()  # type: ignore[no-untyped-call]
                    self._loss = None
                    views = loss.gradients()
                    second = views[1] if len(views) == 2 else torch.zeros_like(views[0])
                    return views[0].cpu(), second.cpu()
            self._calls += 1  # each meets its rank's rows in another order
            rows = shuffled(self._batch, self._calls)
            loss.arguments = self.subjects[name].arguments(rows)
            if step == "time":
                self._device.flush_caches()  # which rows in another order have filled
                distributed.barrier()
            return getattr(self._meter, step)(arm, partial(loss.call, arm.pass_))


class Coordinator(Meter):
    """Makes each call and each measurement on all ranks, from rank 0, and combines the results."""

    def __init__(self, shard: RankShard) -> None:
        self._shard = shard
        self._broken: GroupBrokenError | None = None
        self.subjects: Mapping[str, Adapter] = {
            name: RankedAdapter(
                partial(self.broadcast, arm=Arm(name, "forward")), Resolution(), own.device_specific
            )
            for name, own in shard.subjects.items()
        }

    def broadcast(self, step: Step, arm: Arm) -> list[Any]:
        """Run a step on every rank, and return the ranks' values in order."""
        if self._broken:
            raise self._broken
        share((step, arm))
        try:
            own = self._shard.do(step, arm)
        except Exception as error:
            self._broken = GroupBrokenError(arm, error.with_traceback(None))
            raise
        return gather(own)

    def release(self) -> None:
        """Let the other ranks end the cell."""
        if self._broken:
            raise self._broken
        share(None)

    def time(self, arm: Arm, _call: Callable[[], object]) -> Elapsed:
        times: list[Elapsed] = self.broadcast("time", arm)
        return max(times, key=lambda elapsed: elapsed.host_s)

    def peak_memory(self, arm: Arm, _call: Callable[[], object]) -> PeakMemory:
        peaks: list[PeakMemory] = self.broadcast("peak_memory", arm)
        largest = max(peaks, key=lambda peak: peak.peak_bytes or 0)
        method = f"{largest.memory_method}, of the rank that needs most"
        return replace(largest, memory_method=method)

    def work(self, arm: Arm, _call: Callable[[], object]) -> Work:
        works: list[Work] = self.broadcast("work", arm)
        return Work(*(max(figures) for figures in zip(*map(astuple, works), strict=True)))


class RankedAdapter(Adapter):
    """Binds the loss of all ranks; its target makes a step on all, and the first builds it."""

    def bind(self, _definition: Definition, batch: Batch) -> BoundLoss:
        dims = batch.labels.shape[1]
        return RankedLoss(self.target, self.arguments(batch), dims, self.resolution)


class RankedLoss(BoundLoss):
    """The loss of all ranks for the whole batch."""

    def forward(self) -> object:
        """Rank 0's loss and those by dimension; raises a BrokenCallError if another's differ."""
        answers: list[tuple[Tensor, Tensor]] = self.module("forward")  # type: ignore[assignment]
        values = [torch.cat([loss.reshape(1), parts]).double() for loss, parts in answers]
        for rank, own in enumerate(values):
            if not torch.allclose(values[0], own, rtol=VALUES_AGREE, atol=0, equal_nan=True):
                raise BrokenCallError(
                    f"rank {rank} has the loss {own[0]:.6g} where rank 0 has {values[0][0]:.6g}"
                )
        return answers[0]

    def backward(self, _output: object) -> None:
        """Each rank's gradient of its own rows by its own loss, over W, as DDP averages them."""
        answers: list[tuple[Tensor, Tensor]] = self.module("backward")  # type: ignore[assignment]
        for name, own in zip(("perturbed", "intact"), zip(*answers, strict=True), strict=True):
            leaf = self.arguments[name]
            leaf.grad = torch.cat(own).to(leaf) / len(own)


def serve(shard: RankShard) -> None:
    """Do the steps that rank 0 broadcasts, until it releases this rank."""
    gc.disable()  # rank 0 disables it while timing, and times the slowest rank
    try:
        while (step := share(None)) is not None:
            gather(shard.do(*step))
    finally:
        gc.enable()


def share(step: tuple[Step, Arm] | None) -> tuple[Step, Arm] | None:
    shared = [step]
    distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def gather(own: Any) -> list[Any]:
    """Gather one value from each rank, in order, on rank 0; an empty list on the others."""
    first = distributed.get_rank() == 0
    everyones: list[Any] | None = [None] * distributed.get_world_size() if first else None
    distributed.gather_object(own, everyones, dst=0)
    return everyones or []
