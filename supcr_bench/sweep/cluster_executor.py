"""Cells on several machines: each where it has room, and again elsewhere when a machine is lost.

How a cell gets to a machine and its events back is for a subclass to say; here is who measures
what, and that each arm has exactly one result whatever happens to machines.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Protocol

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Checked, Event
from supcr_bench.sweep.places import Place, Places
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell, new_session
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.activity import Activity

ATTEMPTS = 3
"""A cell that is lost with its machine so often is taken to be the reason."""
WAIT_S = 0.5
"""How long a cell waits for a machine before it says that it waits."""


class PlaceLostError(Exception):
    """What measured a cell is gone, or gave up on it.

    Args:
        reason: in words.
        whole: whether the machine is gone, and not just the process that had the cell.
        began: whether the cell may have been the reason, because it had been handed over.
    """

    def __init__(self, reason: str, *, whole: bool, began: bool = True) -> None:
        super().__init__(reason)
        self.whole, self.began = whole, began


class Machines(Protocol):
    """Reaches places: the part of a cluster that a cluster's own module has to bring."""

    def check(
        self, places: Sequence[Place], subjects: Sequence[Subject], like: Workload
    ) -> Sequence[Mapping[str, Checked]]:
        """Load and call each subject at each place; in the order of the places."""

    def measure(self, place: Place, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
        """Run a cell there, with an event at least every second or so.

        Closed in the middle, it ends the cell there.

        Raises:
            PlaceLostError: the place is gone; what was yielded before that stands.
        """

    def close(self) -> None:
        """Let go of what was started."""


class ClusterExecutor:
    """Runs as many cells at a time as there are places.

    Args:
        places: at least one.
        machines: reaches them.
    """

    def __init__(self, places: Sequence[Place], machines: Machines) -> None:
        self._places = Places(places)
        self._machines = machines

    @property
    def budget(self) -> Budget:
        """Of the first place; each place has its own."""
        return self._places.all[0].budget

    @property
    def environment(self) -> Mapping[str, Any]:
        """Of the first place."""
        return self._places.all[0].environment

    @property
    def environments(self) -> Mapping[str, Mapping[str, Any]]:
        """Of every kind of machine."""
        return {place.machine: place.environment for place in reversed(self._places.all)}

    @property
    def devices(self) -> Sequence[str]:
        """Of all machines."""
        return self._places.devices

    @property
    def place(self) -> str:
        """Where cells are run."""
        nodes = len({place.node for place in self._places.all})
        return (
            f"on the {nodes} machines of the cluster" if nodes > 1 else "on the cluster's machine"
        )

    @property
    def at_once(self) -> int:
        """A cell for every place that none shares."""
        return self._places.at_once

    def machine_for(self, workload: Workload, before: str | None) -> str:
        """The kind that its series has, or gets now."""
        return self._places.kind_for(workload, before)

    def check(self, subjects: Sequence[Subject], like: Workload) -> Mapping[str, Checked]:
        """Load and call each subject on every machine; a finding names the machine."""
        found: dict[str, Checked] = {}
        one_a_node = {p.node: p for p in self._places.all if like.device in p.devices}
        places = list(one_a_node.values())
        answers = self._machines.check(places, subjects, like)
        for place, answer in zip(places, answers, strict=True):
            for name, checked in answer.items():
                if checked.finding:
                    finding = f"{checked.finding} (on {place.name})"
                    checked = replace(checked, finding=finding)
                if name not in found or checked.finding:
                    found[name] = checked
        return found

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Run a cell where there is room; what a lost machine leaves undone is run elsewhere."""
        done: set[Arm] = set()
        lost: dict[str, str] = {}
        losses = 0
        since_s = time.monotonic()
        while len(done) < len(cell.arms):
            if losses == ATTEMPTS:
                kind = self._places.kind_for(cell.workload, None)
                yield from self._given_up(cell, done, lost, budget, kind)
                return
            with self._places.taking(cell.workload, lost, WAIT_S) as place:
                if place is None:
                    yield Activity("waiting for a machine", None, since_s)
                    continue
                attempt = cell.without(done, new_session() if losses else cell.session)
                try:
                    with closing(self._machines.measure(place, attempt, subjects)) as events:  # type: ignore[type-var]
                        for event in events:
                            if isinstance(event, Result):
                                done.add(Arm(event.implementation, event.case.pass_))
                            yield event
                    if not done.issuperset(cell.arms):
                        raise PlaceLostError("it ended without an answer", whole=False)
                except PlaceLostError as loss:
                    if loss.whole:
                        self._places.lose(place.node)
                    if loss.began:
                        losses += 1
                        lost[place.node] = f"{place.name}: {loss}"
                    since_s = time.monotonic()

    @staticmethod
    def _given_up(
        cell: Cell, done: set[Arm], lost: Mapping[str, str], budget: Budget, machine: str
    ) -> Iterator[Result]:
        reason = f"lost {ATTEMPTS} times with what ran it: {'; '.join(lost.values())}"
        for arm in cell.arms:
            if arm not in done:
                yield Result(
                    implementation=arm.implementation,
                    case=cell.case(arm),
                    status=Status.FAILED,
                    reason=reason,
                    session=cell.session,
                    machine=machine,
                    time_limit_s=budget.time_limit_s,
                    memory_limit_bytes=budget.memory_limit_bytes,
                )

    def close(self) -> None:
        """Let go of the cluster."""
        self._machines.close()
