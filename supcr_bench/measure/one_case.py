"""Measures one implementation on one case, while another package, such as asv, takes the time.

This module measures agreement, memory and work as in a normal run. The other package gets a call
to time, and a method to run before each call.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Meter, get_device
from supcr_bench.measure.timed_loss import TimedLoss, batches_of
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.process_state import ProcessState
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.result import Result


def check_case(
    name: str, subject: Adapter, case: Case, memory_limit_bytes: int | None = None
) -> Result:
    """The result of one implementation on one case, as in a run, but without times."""
    device = get_device(case.device)
    arm = Arm(name, case.pass_, subject.resolution.definition)
    run = CellRun(
        cell=Cell(case.workload, (arm,), timed=False),
        subjects={name: subject},
        device=device,
        meter=Meter(device),
        budget=Budget(memory_limit_bytes=memory_limit_bytes),
    )
    (result,) = run.results()
    return replace(result, session=None, time_limit_s=None, spent_s=None)


class StopwatchCall:
    """A call for another package to time; :meth:`prepare`, untimed, releases the last output."""

    def __init__(self, subject: Adapter, case: Case, memory_limit_bytes: int | None = None) -> None:
        self.device, self.memory_limit_bytes = get_device(case.device), memory_limit_bytes
        definition = subject.resolution.definition.at(case.temperature)
        batches = batches_of(case.workload, make_batch(case.workload))
        loss = subject.bind(definition, batches[0])
        self._timed = TimedLoss(subject, loss, case.pass_, batches)
        self._numbers = itertools.count()
        self._process = ProcessState()
        self.changes: dict[str, None] = {}

    def check(self) -> None:
        """Undo what the last call changed in the process, and check its answer."""
        self.changes.update(dict.fromkeys(self._process.undo()))
        self._timed.require_right()

    def prepare(self) -> None:
        """Check the last call, and make inputs for the next one."""
        self.check()
        self._timed.prepare(next(self._numbers))
        self.device.flush_caches()
        self.device.synchronize()

    def __call__(self) -> None:
        self._timed()
        self.device.synchronize()

    def once_s(self) -> float:
        self.prepare()
        return self.device.time(self).host_s

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Limit memory within the block, and release the last output at its end."""
        try:
            with self.device.memory_limit(self.memory_limit_bytes):
                yield
        finally:
            self._timed.release()
