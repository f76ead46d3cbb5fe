"""A worker as it is really started: everywhere else in the tests it is forked."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from supcr_bench.subjects.registry import locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.errors import WorkerError
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.worker_process import WorkerProcess, start_python
from tests.hanging import call_long_ago
from tests.patience import HANGS_S

pytestmark = pytest.mark.slow

LOSSES = """
import os, time

class Loss:
    def __init__(self, temperature, weights, eps): pass
    def __call__(self, perturbed, intact, labels):
        self.before()
        loss = (perturbed * intact).sum()
        return loss, loss.detach().expand(labels.shape[1])

class Exits(Loss):
    def before(self): os._exit(7)

class Sleeps(Loss):
    def before(self): time.sleep(600)

class Prints(Loss):
    def before(self): print("noise" * 100)
"""


@pytest.fixture(scope="module", autouse=True)
def true_start() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerProcess, "start", start_python)
        yield


def test_cells_are_measured_and_what_ends_a_worker_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_long_ago(monkeypatch, WorkerProcess, "Sleeps")
    path = tmp_path / "losses.py"
    path.write_text(LOSSES)
    names = ("Exits", "Sleeps", "Prints")
    subjects = [locate("rowsort"), *(replace(locate(f"{path}:{n}"), name=n) for n in names)]
    arms = tuple(Arm(s.name, "forward") for s in subjects)  # one true start for each that ends
    cell = Cell(Workload(batch_size=6, embedding_size=4), arms, "a session")
    budget = Budget(time_limit_s=60.0, sampling_s=0.005, memory_limit_bytes=2**30)
    executor = LocalExecutor(threads=2)
    assert executor.environment["threads"] == 2
    found = {
        r.implementation: r for r in executor.run(cell, subjects, budget) if isinstance(r, Result)
    }
    executor.close()
    assert found["rowsort"].status is Status.MEASURED
    assert "the worker ended: exited with status 7" in str(found["Exits"].reason)
    assert found["Sleeps"].status is Status.TIMED_OUT
    assert found["Prints"].status is Status.WRONG


def test_a_killed_worker_says_how_it_ended() -> None:
    worker = WorkerProcess()
    worker.kill()
    assert list(worker.responses()) == []
    assert worker.exit_description().startswith("killed by SIGKILL")
    worker.close()


@pytest.mark.parametrize("suspended", [False, True])
def test_a_worker_ends_with_its_parent(*, suspended: bool) -> None:
    code = (
        "import os\n"
        "from supcr_bench.workers.worker_process import WorkerProcess\n"
        "worker = WorkerProcess()\n"
        f"{'worker.suspend()' if suspended else ''}\n"
        "print(worker.pid, flush=True)\n"
        "os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    running = [psutil.Process(p) for p in [int(done.stdout)] if psutil.pid_exists(p)]
    assert not psutil.wait_procs(running, timeout=HANGS_S)[1]


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkerError, match="did not start: exited with status 1"):
        WorkerProcess()
