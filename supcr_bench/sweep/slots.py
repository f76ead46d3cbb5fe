"""Manages slots, machines or single GPUs, each of which runs one cell (unit of work) at a time.

A cell on the CPU takes a whole machine; a cell on a GPU takes that GPU and a share of the cores,
and no cell on the CPU runs on its machine meanwhile. So no two measurements share hardware.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Any

from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import WorkerError
from supcr_bench.values.machine import machine_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A machine, or one GPU of it (numbered from 0), that runs one cell at a time."""

    node: str
    name: str
    gpu: int | None = None
    cpus: float
    devices: tuple[str, ...] = ()
    environment: Mapping[str, Any]
    budget: Budget

    @property
    def machine(self) -> str:
        return machine_of(self.environment)

    def excludes(self, other: "Slot") -> bool:
        """Whether a cell in this slot and one in ``other`` would share hardware."""
        return self.node == other.node and (self.gpu is None or other.gpu in (None, self.gpu))


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

        It stays the same while such a machine is left. A new series gets the kind that has the
        fewest series for its number of slots.

        Raises:
            WorkerError: no slot is left that has the workload's device.
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
        """Reserve a slot, on the series' kind of machine, until the end of the block.

        Machines to ``avoid``, on which this cell was lost before, come last. The block gets
        ``None`` if no slot is free after ``wait_s`` seconds.
        """
        kind = self.kind_for(workload, None)
        with self._change:
            slot = self._free(workload.device, kind, avoid)
            if slot is None:
                self._change.wait(wait_s)
                slot = self._free(workload.device, kind, avoid)
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
        """The first free slot; one to avoid only if no other exists, not even a busy one."""
        alive = [slot for slot in self._alive(device) if slot.machine == kind]
        wanted = [slot for slot in alive if slot.node not in avoid] or alive
        free = (s for s in wanted if not any(s.excludes(busy) for busy in self._busy))
        return next(free, None)
