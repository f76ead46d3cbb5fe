"""Runs cells (units of work) on several machines; if one is lost, its cell runs on another.

A :class:`ClusterBackend` reaches the machines. This module decides which slot runs which cell, and
gives exactly one result for each arm (implementation and pass), even if machines are lost.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Event, without_figures
from supcr_bench.sweep.slots import Slot, SlotPool
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell, new_session
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.activity import Activity
from supcr_bench.workers.messages import PreflightResult

ATTEMPTS = 3
"""A cell that lost its slot this many times is considered the cause."""
WAIT_S = 0.5
"""Seconds that a cell waits for a slot before it reports that it waits."""


class SlotLostError(Exception):
    """A slot, which is a machine or one of its GPUs, was lost before the cell in it ended.

    If ``node_lost``, the whole machine was lost, not just a process; if the cell had ``started``,
    it may be the cause.
    """

    def __init__(self, reason: str, *, node_lost: bool, started: bool = True) -> None:
        super().__init__(reason)
        self.node_lost, self.started = node_lost, started


class ClusterBackend(Protocol):
    """Reaches the slots of one kind of cluster, such as Ray."""

    def preflight(
        self, slots: Sequence[Slot], subjects: Sequence[Subject], like: Workload
    ) -> Sequence[Mapping[str, PreflightResult]]:
        """Load and call each subject (implementation) in each slot; results by slot, in order."""

    def measure(self, slot: Slot, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
        """Run a cell in a slot, with an event about every second, until the iterator is closed.

        Raises:
            SlotLostError: the slot is lost; results yielded before are valid.
        """

    def close(self) -> None:
        """Disconnect, and end the processes that this backend started."""


class ClusterExecutor:
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

    def preflight(
        self, subjects: Sequence[Subject], like: Workload
    ) -> Mapping[str, PreflightResult]:
        """Check the subjects on every machine; a finding names the machine."""
        merged: dict[str, PreflightResult] = {}
        slots = list({s.node: s for s in self._slots.all if like.device in s.devices}.values())
        for slot, results in zip(
            slots, self._backend.preflight(slots, subjects, like), strict=True
        ):
            for name, result in results.items():
                if result.finding:
                    merged[name] = replace(result, finding=f"{result.finding} (on {slot.name})")
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
                    yield without_figures(cell, arm, budget, Status.FAILED, reason, machine=machine)
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
