"""A worker as it is really started: everywhere else in the tests it is forked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supcr_bench.subjects.registry import locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.errors import WorkerError
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.worker_process import WorkerProcess, start_python

pytestmark = pytest.mark.slow

LOSSES = """
class Prints:
    def __init__(self, temperature, weights, eps): pass
    def __call__(self, perturbed, intact, labels):
        print("noise" * 100)
        loss = (perturbed * intact).sum()
        return loss, loss.detach().expand(labels.shape[1])
"""


@pytest.fixture(scope="module", autouse=True)
def true_start() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerProcess, "start", start_python)
        yield


def test_cells_are_measured_and_how_a_worker_ended_is_told(tmp_path: Path) -> None:
    """One true start shows it all; ``test_local_executor.py`` has what follows an end."""
    path = tmp_path / "losses.py"
    path.write_text(LOSSES)
    subjects = [locate("rowsort"), replace(locate(f"{path}:Prints"), name="Prints")]
    arms = tuple(Arm(s.name, "forward") for s in subjects)
    cell = Cell(Workload(batch_size=6, embedding_size=4), arms, "a session")
    budget = Budget(time_limit_s=60.0, sampling_s=0.005, memory_limit_bytes=2**30)
    executor = LocalExecutor(threads=1)  # two would wait for each other on a busy machine
    assert executor.environment["threads"] == 1
    found = {
        r.implementation: r for r in executor.run(cell, subjects, budget) if isinstance(r, Result)
    }
    assert found["rowsort"].status is Status.MEASURED
    assert found["Prints"].status is Status.WRONG
    worker = executor._live_worker()
    worker.kill()
    assert list(worker.responses()) == []
    assert worker.exit_description().startswith("killed by SIGKILL")
    executor.close()


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkerError, match="did not start: exited with status 1"):
        WorkerProcess()
