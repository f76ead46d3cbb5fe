"""Workers that stand still while another one takes times."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from supcr_bench.subjects.registry import locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.worker_process import BYSTANDERS, WorkerProcess

pytestmark = pytest.mark.slow

LOSS = """
import pathlib
import time
import psutil

BYSTANDER = psutil.Process({pid})
SEEN = pathlib.Path(__file__).with_name("seen")
SEEN.touch()

def loss(perturbed, intact, labels):
    calls_before = len(SEEN.read_text().split())
    if 1 <= calls_before <= 3:  # who resumes the bystander may come late on a busy machine
        limit_s = time.monotonic() + 20
        while BYSTANDER.status() == "stopped" and time.monotonic() < limit_s:
            time.sleep(0.001)
    with SEEN.open("a") as seen:
        seen.write(BYSTANDER.status() + "\\n")
    value = (perturbed * intact).sum()
    return value, value.detach().expand(labels.shape[1])
"""


@pytest.fixture
def bystander() -> Iterator[WorkerProcess]:
    with closing(WorkerProcess(bystander=True)) as worker:
        yield worker


def stands(worker: WorkerProcess) -> bool:
    return psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED


def test_a_bystander_stands_still_for_a_block_and_its_clock_too(bystander: WorkerProcess) -> None:
    with BYSTANDERS.still():
        assert stands(bystander)
        began, now = bystander.clock_s(), time.monotonic()
        time.sleep(0.01)
        assert bystander.clock_s() == began
    assert not stands(bystander)
    assert bystander.clock_s() - began <= time.monotonic() - now - 0.01


def test_one_that_is_killed_or_has_ended_keeps_nobody_waiting() -> None:
    worker = WorkerProcess(bystander=True)
    with BYSTANDERS.still():
        BYSTANDERS.kill()
    worker.close()
    with BYSTANDERS.still():
        assert not psutil.pid_exists(worker.pid)


@pytest.mark.parametrize("timed", [True, False])
def test_it_stands_still_in_calls_whose_time_counts_and_in_no_others(
    bystander: WorkerProcess, tmp_path: Path, *, timed: bool
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(LOSS.format(pid=bystander.pid))
    subject = locate(f"{path}:loss")
    cell = Cell(
        Workload(batch_size=4, embedding_size=3),
        (Arm(subject.name, "training"),),
        "a session",
        timed=timed,
    )
    with closing(LocalExecutor()) as executor:
        events = executor.run(cell, [subject], Budget(sampling_s=0.0))
        (result,) = (event for event in events if isinstance(event, Result))
    assert result.status is Status.WRONG
    still = [line == "stopped" for line in (tmp_path / "seen").read_text().split()]
    agreement, costs, times = still[:1], still[1:4], still[4:]
    assert (agreement, costs) == ([timed], [False] * 3)
    assert times == [True] * len(times)
    assert bool(times) == timed
    assert not stands(bystander)
