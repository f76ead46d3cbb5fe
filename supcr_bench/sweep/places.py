"""Where a cell can be measured: whole machines, and single GPUs of them, and who has them now.

A cell on the CPU takes a machine whole; a cell on a GPU takes that GPU and a share of the cores,
and no cell on the CPU is on its machine meanwhile. So no two measurements share what they measure.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Any

from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import WorkerError
from supcr_bench.values.machine import machine_of

Series = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine that takes one cell at a time, or a GPU of it that does.

    Attributes:
        node: the machine, as the cluster knows it.
        name: the machine, as a person does.
        gpu: which of its GPUs, counted from 0; ``None`` for the machine as a whole.
        cpus: cores that a cell gets here.
        devices: names of the devices that a cell can be run on here.
        environment: of a worker here.
        budget: of an arm here: threads and memory are this machine's.
    """

    node: str
    name: str
    gpu: int | None = None
    cpus: float
    devices: tuple[str, ...]
    environment: Mapping[str, Any]
    budget: Budget

    @property
    def machine(self) -> str:
        """The kind of machine."""
        return machine_of(self.environment)

    def excludes(self, other: "Place") -> bool:
        """Whether a cell here and one there would share what they measure."""
        return self.node == other.node and (self.gpu is None or other.gpu in (None, self.gpu))


class Places:
    """All places, which are taken, and which are gone. Safe to use from several threads.

    Args:
        places: in the order in which they are taken.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.all = tuple(places)
        self._taken: list[Place] = []
        self._gone: set[str] = set()
        self._kinds: dict[Series, str] = {}
        self._change = Condition()

    @property
    def at_once(self) -> int:
        """The most places that can be taken at the same time."""
        gpus: dict[str, int] = {}
        for place in self.all:
            gpus[place.node] = gpus.get(place.node, 0) + (place.gpu is not None)
        return sum(max(count, 1) for count in gpus.values())

    @property
    def devices(self) -> tuple[str, ...]:
        """Of all places."""
        return tuple(dict.fromkeys(device for place in self.all for device in place.devices))

    def _alive(self, device: str) -> list[Place]:
        return [p for p in self.all if device in p.devices and p.node not in self._gone]

    def kind_for(self, workload: Workload, before: str | None) -> str:
        """The kind of machine for a series: the one that it has, as long as one of it is there.

        A new series goes where there is the most room: to the kind with the fewest series a place.

        Raises:
            WorkerError: no place is left that has its device.
        """
        with self._change:
            alive = self._alive(workload.device)
            if not alive:
                raise WorkerError(
                    f"no machine is left in the cluster for {workload.device!r}; what was found is "
                    "stored: go on with --resume once there is one"
                )
            kinds = [place.machine for place in alive]
            key = workload.series()
            for held in (before, self._kinds.get(key)):
                if held in kinds:
                    self._kinds[key] = held
                    return held
            given = list(self._kinds.values())
            self._kinds[key] = min(kinds, key=lambda kind: given.count(kind) / kinds.count(kind))
            return self._kinds[key]

    def lose(self, node: str) -> None:
        """A machine is gone, with all its places."""
        with self._change:
            self._gone.add(node)
            self._change.notify_all()

    @contextmanager
    def taking(
        self, workload: Workload, avoid: Collection[str], wait_s: float
    ) -> Iterator[Place | None]:
        """A place of the series' kind, for as long as the block lasts.

        Args:
            workload: what is to be run.
            avoid: machines that are taken last, where they have been lost to it before.
            wait_s: how long to wait for one; then it is ``None``.

        Raises:
            WorkerError: no place is left that has its device.
        """
        kind = self.kind_for(workload, None)
        with self._change:
            place = self._free(workload.device, kind, avoid)
            if place is None:
                self._change.wait(wait_s)
                place = self._free(workload.device, kind, avoid)
            if place is not None:
                self._taken.append(place)
        try:
            yield place
        finally:
            if place is not None:
                with self._change:
                    self._taken.remove(place)
                    self._change.notify_all()

    def _free(self, device: str, kind: str, avoid: Collection[str]) -> Place | None:
        """The first free place, those to be avoided last; none of them while others are busy."""
        alive = [place for place in self._alive(device) if place.machine == kind]
        wanted = [place for place in alive if place.node not in avoid] or alive
        free = (p for p in wanted if not any(p.excludes(other) for other in self._taken))
        return next(free, None)
