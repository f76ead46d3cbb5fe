"""Runs cells (units of work) on several machines; if one is lost, its cell runs on another.

A :class:`ClusterBackend` reaches the machines. This module decides which slot, a machine or a
single GPU, runs which cell, and gives exactly one result for each arm (implementation and pass),
even if machines are lost. A cell on the CPU takes a whole machine; a cell on a GPU takes that GPU
and a share of the cores, and no cell on the CPU runs on its machine meanwhile. So no two
measurements share hardware.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Condition
from typing import Any, Protocol

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.runner import Event, Executor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell, new_session
from supcr_bench.values.errors import WorkerError
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Activity, Failed

ATTEMPTS = 3
"""A cell that lost its slot this many times is assumed to be the cause."""
WAIT_S = 0.5
"""Seconds that a cell waits for a slot before it reports that it is waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A machine, or one GPU of it (numbered from 0), that runs one cell at a time."""

    node: str
    name: str
    gpu: int | None = None
    cpus: float
    devices: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    @property
    def machine(self) -> str:
        return machine_of(self.environment)

    def excludes(self, other: "Slot") -> bool:
        """Whether a cell in this slot and one in ``other`` would share hardware."""
        return self.node == other.node and (self.gpu is None or other.gpu in (None, self.gpu))


class SlotLostError(Exception):
    """A slot, which is a machine or one of its GPUs, was lost before the cell in it ended.

    If ``node_lost``, the whole machine was; if the cell had ``started``, it may be the cause.
    """

    def __init__(self, reason: str, *, node_lost: bool, started: bool = True) -> None:
        super().__init__(reason)
        self.node_lost, self.started = node_lost, started


class ClusterBackend(Protocol):
    """Reaches the slots of one kind of cluster, such as Ray."""

    def preflight(
        self, slots: Sequence[Slot], subjects: Sequence[Subject], device: str
    ) -> Sequence[Mapping[str, Subject | Failed]]:
        """Load and call each subject (implementation) in each slot; results by slot, in order."""

    def measure(self, slot: Slot, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
        """Run a cell in a slot, with an event about every second, until the iterator is closed.

        Raises:
            SlotLostError: the slot is lost; results yielded before are valid.
        """

    def close(self) -> None:
        """Disconnect, and end the processes that this backend started."""


class SlotPool:
    """Knows all slots, the busy ones, and the lost machines. Several threads may use it."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.all = tuple(slots)
        self._busy: list[Slot] = []
        self._lost_nodes: set[str] = set()
        self._kinds: dict[tuple[object, ...], str] = {}
        self._change = Condition()
        self.devices = tuple(dict.fromkeys(d for slot in slots for d in slot.devices))
        gpus = Counter({slot.node: 0 for slot in slots})
        gpus.update(slot.node for slot in slots if slot.gpu is not None)
        self.max_busy = sum(max(count, 1) for count in gpus.values())

    def _alive(self, device: str) -> list[Slot]:
        return [s for s in self.all if device in s.devices and s.node not in self._lost_nodes]

    def kind_for(self, workload: Workload, before: str | None) -> str:
        """The kind of machine that measures a series (all batch sizes of a workload).

        The kind stays the same while such a machine is left. A new series gets the kind that has
        the fewest series for its number of slots. Raises a WorkerError if no slot has the device.
        """
        with self._change:
            alive = self._alive(workload.device)
            if not alive:
                raise WorkerError(
                    f"the cluster has no machine left for device {workload.device!r}; all results "
                    "so far are stored: continue with --resume once there is one"
                )
            kinds = [slot.machine for slot in alive]
            key = workload.series()
            for held in (before, self._kinds.get(key)):
                if held in kinds:
                    self._kinds[key] = held
                    return held
            assigned = list(self._kinds.values())
            self._kinds[key] = min(kinds, key=lambda kind: assigned.count(kind) / kinds.count(kind))
            return self._kinds[key]

    def mark_node_lost(self, node: str) -> None:
        with self._change:
            self._lost_nodes.add(node)
            self._change.notify_all()

    @contextmanager
    def acquire(
        self, workload: Workload, avoid: Collection[str], wait_s: float
    ) -> Iterator[Slot | None]:
        """Reserve a slot until the end of the block, on the series' kind of machine.

        Machines in ``avoid``, on which this cell was lost before, come last. The block gets
        ``None`` if no slot is free after ``wait_s`` seconds.
        """
        kind = self.kind_for(workload, None)
        with self._change:
            free = partial(self._free, workload.device, kind, avoid)
            slot = self._change.wait_for(free, wait_s)
            if slot is not None:
                self._busy.append(slot)
        try:
            yield slot
        finally:
            if slot is not None:
                with self._change:
                    self._busy.remove(slot)
                    self._change.notify_all()

    def _free(self, device: str, kind: str, avoid: Collection[str]) -> Slot | None:
        """The first free slot; one in ``avoid`` only if there is no other, not even a busy one."""
        alive = [slot for slot in self._alive(device) if slot.machine == kind]
        wanted = [slot for slot in alive if slot.node not in avoid] or alive
        free = (s for s in wanted if not any(s.excludes(busy) for busy in self._busy))
        return next(free, None)


class ClusterExecutor(Executor):
    """Runs up to one cell in each slot at a time."""

    def __init__(self, slots: Sequence[Slot], backend: ClusterBackend) -> None:
        self._slots, self._backend = SlotPool(slots), backend
        self.budget = slots[0].budget  # each slot has its own
        self.environment = slots[0].environment
        self.environments = {slot.machine: slot.environment for slot in reversed(slots)}
        self.devices = self._slots.devices
        self.max_parallel_cells = self._slots.max_busy
        nodes = len({slot.node for slot in slots})
        self.location = (
            f"on the {nodes} machines of the cluster" if nodes > 1 else "on the cluster's machine"
        )

    def machine_for(self, workload: Workload, before: str | None) -> str:
        return self._slots.kind_for(workload, before)

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        """Check the subjects on every machine; a finding names the machine."""
        merged: dict[str, Subject | Failed] = {}
        slots = list({s.node: s for s in self._slots.all if device in s.devices}.values())
        found = self._backend.preflight(slots, subjects, device)
        for slot, results in zip(slots, found, strict=True):
            for name, result in results.items():
                if isinstance(result, Failed):
                    merged[name] = replace(result, reason=f"{result.reason} (on {slot.name})")
                else:
                    merged.setdefault(name, result)
        return merged

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Run a cell in a free slot; if that is lost, run the remaining arms in another slot."""
        done: set[Arm] = set()
        lost: dict[str, str] = {}
        losses = 0
        since_s = time.monotonic()
        while len(done) < len(cell.arms):
            if losses == ATTEMPTS:
                machine = self._slots.kind_for(cell.workload, None)
                reason = f"its machine or worker was lost {ATTEMPTS} times: "
                reason += "; ".join(lost.values())
                for arm in (arm for arm in cell.arms if arm not in done):
                    yield cell.result(arm, budget, Status.FAILED, reason, machine=machine)
                return
            with self._slots.acquire(cell.workload, lost, WAIT_S) as slot:
                if slot is None:
                    yield Activity("waiting for a machine", None, since_s)
                    continue
                attempt = cell.without(done, new_session() if losses else cell.session)
                try:
                    with closing(self._backend.measure(slot, attempt, subjects)) as events:  # type: ignore[type-var]
                        for event in events:
                            if isinstance(event, Result):
                                done.add(Arm(event.implementation, event.case.pass_))
                            yield event
                    if not done.issuperset(cell.arms):
                        raise SlotLostError("it ended without a result", node_lost=False)
                except SlotLostError as loss:
                    if loss.node_lost:
                        self._slots.mark_node_lost(slot.node)
                    if loss.started:
                        losses += 1
                        lost[slot.node] = f"{slot.name}: {loss}"
                    since_s = time.monotonic()

    def close(self) -> None:
        self._backend.close()
