"""A cluster made up: its machines measure by formula, and are lost on command."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.cluster_executor import Slot
from supcr_bench.sweep.runner import Event
from supcr_bench.values.cell import Account, Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Activity, Failed

BUDGET = Budget(time_limit_s=10.0, memory_limit_bytes=2**30)
SUBJECT = Subject("a", "module", "a", "Loss")


def made_slots(*kinds: str) -> list[Slot]:
    return [
        Slot(
            node=str(i),
            name=f"machine {i}",
            cpus=2,
            devices=("cpu",),
            environment={"cpu": kind},
            budget=BUDGET,
        )
        for i, kind in enumerate(kinds)
    ]


class MadeBackend:
    """Measures by formula, and loses machines on command.

    Args:
        fails: what happens before a result, by slot, cell, and how many results the attempt has.
    """

    def __init__(self, fails: Callable[[Slot, Cell, int], None] = lambda slot, cell, n: None):
        self.fails = fails
        self.lock = threading.Lock()
        self.begun: list[tuple[str, Cell]] = []
        self.busy: Counter[str] = Counter()
        self.most_busy = 0
        self.most_open = 0
        self.ended_early = 0

    def preflight(
        self, slots: Sequence[Slot], subjects: Sequence[Subject], device: str
    ) -> list[Mapping[str, Subject | Failed]]:
        return [{"a": Failed("is not there") if slot.node == "1" else SUBJECT} for slot in slots]

    def measure(self, slot: Slot, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
        with self.lock:
            self.begun.append((slot.node, cell))
            self.busy[slot.node] += 1
            self.most_busy = max(self.most_busy, *self.busy.values())
            self.most_open = max(self.most_open, sum(self.busy.values()))
        whole = False
        try:
            for i, arm in enumerate(cell.arms):
                yield Activity("time", arm, time.monotonic())
                self.fails(slot, cell, i)
                n = cell.workload.batch_size
                yield Result(
                    implementation=arm.implementation,
                    case=cell.case(arm),
                    status=Status.MEASURED,
                    session=cell.session,
                    machine=slot.machine,
                    time_samples_s=(1e-6 * n**3,) * 6,
                )
            yield Account(calls_s=1.0)
            whole = True
        finally:
            with self.lock:
                self.busy[slot.node] -= 1
                self.ended_early += not whole

    def close(self) -> None:
        pass
