"""What a task on a machine of a cluster does, done here; on a cluster: ``test_ray_run.py``."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep import ray_executor
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Activity

CELL = Cell(Workload(batch_size=4, embedding_size=4), (Arm("rowsort", "forward"),), "session")
RESULT = Result(implementation="rowsort", case=CELL.case(CELL.arms[0]), status=Status.MEASURED)


@pytest.fixture
def first_task(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No executor in this process, as a task finds it that is the first in its own."""
    made: dict[object, LocalExecutor] = {}
    monkeypatch.setattr(ray_executor, "_KEPT", made)
    yield
    for executor in made.values():
        executor.close()


@pytest.mark.slow
@pytest.mark.usefixtures("first_task")
def test_tasks_share_a_worker_until_one_has_other_labels(tmp_path: Path) -> None:
    rowsort = [locate("rowsort")]
    assert ray_executor.node_environment(1, None)["threads"] == 1
    first = ray_executor.kept_executor(1, None)
    found = ray_executor.node_preflight(1, None, rowsort, "cpu")["rowsort"]
    assert isinstance(found, Subject)
    assert found.resolution is not None
    budget = Budget(threads=1, time_limit_s=60.0, sampling_s=0.005)
    events = list(ray_executor.node_measure(None, CELL, rowsort, budget))
    assert [e.status for e in events if isinstance(e, Result)] == [Status.MEASURED]
    assert ray_executor.kept_executor(1, None) is first

    (tmp_path / "own.csv").write_text("y\n1\n2\n3\n4\n")
    labels = read_label_file(f"{tmp_path}/own.csv:y")
    (tmp_path / "own.csv").unlink()  # only one machine has the file
    assert ray_executor.node_environment(1, labels)["threads"] == 1
    assert ray_executor.kept_executor(1, labels) is not first
    own = replace(CELL.workload, labels=labels.label_kind, nan_density=None)
    events = list(ray_executor.node_measure(labels, replace(CELL, workload=own), rowsort, budget))
    assert [e.status for e in events if isinstance(e, Result)] == [Status.MEASURED]


class Busy:
    """An executor that says five times that it still does the same."""

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[object]:
        began_s = time.monotonic() - 7
        for _ in range(5):
            yield Activity("time", cell.arms[0], began_s)
        yield RESULT

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("heartbeat_s", "messages"), [(3600.0, 1), (0.0, 5)])
def test_what_goes_on_is_said_once_and_then_at_every_heartbeat(
    monkeypatch: pytest.MonkeyPatch, heartbeat_s: float, messages: int
) -> None:
    monkeypatch.setattr(ray_executor, "HEARTBEAT_S", heartbeat_s)
    monkeypatch.setattr(ray_executor, "kept_executor", lambda threads, labels: Busy())
    *before, result = ray_executor.node_measure(None, CELL, (), Budget())
    assert result == RESULT
    assert len(before) == messages
    assert all(isinstance(e, tuple) and e[1] >= 7 for e in before)
