"""Workers that are started, watched, ended and replaced."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep import local_executor
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import PASSES, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import RECOGNITION, Activity, Failed, Response
from supcr_bench.workers.worker_process import WorkerProcess
from tests.hanging import call_long_ago
from tests.patience import HANGS_S

pytestmark = pytest.mark.slow

WORKLOAD = Workload(batch_size=6, embedding_size=4)
BUDGET = Budget(time_limit_s=60.0, sampling_s=0.005, memory_limit_bytes=2**30)
LOSSES = """
import os, time, torch

class Loss:
    def __init__(self, temperature, weights, eps): pass
    def __call__(self, perturbed, intact, labels):
        self.before(len(perturbed))
        loss = (perturbed * intact).sum()
        return loss, loss.detach().expand(labels.shape[1])
    def before(self, n): pass

class Sleeps(Loss):
    def before(self, n): time.sleep(600)

class SleepsOnMany(Loss):
    def before(self, n): time.sleep(600 * (n > 3))

class Exits(Loss):
    def before(self, n): os._exit(7)

class Prints(Loss):
    def before(self, n): print("noise" * 100)

class Greedy(Loss):
    def before(self, n):
        if n > 5: torch.zeros(2**34)
"""


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(threads=1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("losses") / "losses.py"
    path.write_text(LOSSES)
    return path


def subject(path: Path, name: str) -> Subject:
    return replace(locate(f"{path}:{name}"), name=name)


def reason_of(checked: Subject | Failed) -> str:
    assert isinstance(checked, Failed)
    return checked.reason


def run(
    executor: LocalExecutor, subjects: list[Subject], *, timed: bool = False
) -> tuple[list[Result], list[Account]]:
    arms = tuple(Arm(s.name, p) for s in subjects for p in PASSES)
    events = list(executor.run(Cell(WORKLOAD, arms, "a session", timed), subjects, BUDGET))
    results = [e for e in events if isinstance(e, Result)]
    assert {Arm(r.implementation, r.case.pass_) for r in results} == set(arms)
    assert len(results) == len(arms)
    return results, [e for e in events if isinstance(e, Account)]


def test_a_worker_outlives_a_cell_and_tells_its_environment(executor: LocalExecutor) -> None:
    rowsort = locate("rowsort")
    first, accounts = run(executor, [rowsort], timed=True)
    assert {r.status for r in first} == {Status.MEASURED}
    assert accounts[-1].calls_s > 0
    worker = executor._worker
    run(executor, [rowsort])
    assert executor._worker is worker
    assert executor.environment["threads"] == 1
    assert executor.environment["devices"][0] == "cpu"


def test_each_arm_is_said_to_have_taken_its_calls_and_all_together_no_more_than_the_cell(
    executor: LocalExecutor,
) -> None:
    subjects = [locate("rowsort"), locate("broadcast")]
    arms = tuple(Arm(s.name, p) for s in subjects for p in PASSES)
    began = time.monotonic()
    events = list(executor.run(Cell(WORKLOAD, arms, "a session"), subjects, BUDGET))
    whole_s = time.monotonic() - began
    took = {event.arm: event.seconds for event in events if isinstance(event, Took)}
    assert set(took) == set(arms)
    assert sum(took.values()) <= whole_s
    for result in (event for event in events if isinstance(event, Result)):
        arm = Arm(result.implementation, result.case.pass_)
        assert result.first_call_s
        assert took[arm] >= sum((result.first_call_s, *(result.time_samples_s or ())))


def test_each_process_of_a_run_is_a_new_worker(executor: LocalExecutor) -> None:
    rowsort, pids = locate("rowsort"), []
    for process in (1, 2, 2, 3):
        cell = Cell(WORKLOAD, (Arm("rowsort", "forward"),), process=process)
        (result,) = (e for e in executor.run(cell, [rowsort], BUDGET) if isinstance(e, Result))
        assert result.time_samples_s
        assert executor._worker is not None
        pids.append(getattr(executor._worker, "pid", None))
    assert pids[1] == pids[2]
    assert len(set(pids)) == 3


def test_what_an_implementation_prints_does_not_reach_the_pipe(
    executor: LocalExecutor, losses: Path
) -> None:
    results, _ = run(executor, [subject(losses, "Prints")])
    assert {r.status for r in results} == {Status.WRONG}


def test_a_hang_ends_one_implementation_and_the_others_start_again(
    executor: LocalExecutor, losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_long_ago(monkeypatch, WorkerProcess, "Sleeps")
    first = executor._worker
    results, accounts = run(executor, [subject(losses, "Sleeps"), locate("rowsort")])
    by_name = {(r.implementation, r.case.pass_): r for r in results}
    assert by_name["Sleeps", "forward"].reason == "a call took over 60.0 s"
    assert by_name["Sleeps", "training"].status is Status.TIMED_OUT
    assert by_name["rowsort", "training"].status is Status.MEASURED
    assert executor._worker is not first
    assert sum(a.calls_s for a in accounts) > 60  # the time that the hang took is counted


def test_what_a_worker_did_before_is_charged_to_no_arm_of_the_next_cell(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_long_ago(monkeypatch, WorkerProcess, "rowsort", "preflight")
    true_responses = WorkerProcess.responses

    def polled_at_once(self: WorkerProcess) -> Iterator[Response | None]:
        yield None
        yield from true_responses(self)

    executor.preflight([locate("rowsort")], "cpu")
    monkeypatch.setattr(WorkerProcess, "responses", polled_at_once)
    results, _ = run(executor, [locate("rowsort")])
    assert {r.status for r in results} == {Status.MEASURED}


def test_a_worker_that_does_not_begin_with_a_request_is_replaced(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.preflight([locate("broadcast")], "cpu")
    first = executor._worker
    assert isinstance(first, WorkerProcess)
    psutil.Process(first.pid).suspend()
    true_activity = WorkerProcess.activity

    def began_long_ago(self: WorkerProcess) -> Activity | None:
        found = true_activity(self)
        return replace(found, since_s=found.since_s - 3600) if found and self is first else found

    monkeypatch.setattr(WorkerProcess, "activity", began_long_ago)
    (checked,) = executor.preflight([locate("rowsort")], "cpu").values()
    assert isinstance(checked, Subject)
    assert executor._worker is not first


def test_an_exit_is_a_failure_that_says_how(executor: LocalExecutor, losses: Path) -> None:
    results, _ = run(executor, [subject(losses, "Exits")])
    assert {r.status for r in results} == {Status.FAILED}
    assert results[0].reason == "the worker ended: exited with status 7"


def test_running_out_of_memory_replaces_the_worker_after_the_cell(
    executor: LocalExecutor, losses: Path
) -> None:
    results, _ = run(executor, [subject(losses, "Greedy"), locate("rowsort")])
    by_name = {r.implementation: r.status for r in results}
    assert by_name == {"Greedy": Status.OUT_OF_MEMORY, "rowsort": Status.MEASURED}
    assert executor._worker is None


def test_resident_memory_past_the_limit_ends_the_worker_where_the_system_does_not(
    executor: LocalExecutor, losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor._live_worker()
    monkeypatch.setattr(WorkerProcess, "resident_bytes", lambda self: 2**40)
    results, _ = run(executor, [subject(losses, "Sleeps")])
    assert results[0].status is Status.OUT_OF_MEMORY
    assert "resident memory exceeded the limit of 1 GiB" in str(results[0].reason)


@pytest.mark.parametrize(
    ("stage", "elapsed_s", "reason"),
    [
        ("time", 0.0, None),
        ("time", 300.0, "a call took over 60.0 s"),
        ("agreement", 300.0, "a call took over 60.0 s"),
        ("memory", 300.0, None),
        ("memory", 660.0, "a call with its allocations recorded took over 600 s"),
        ("work", 300.0, None),
        ("work", 660.0, "a call with its operations counted took over 600 s"),
    ],
)
def test_a_call_of_which_something_is_recorded_may_take_ten_times_as_long(
    executor: LocalExecutor, stage: str, elapsed_s: float, reason: str | None
) -> None:
    activity = Activity(stage, Arm("rowsort", "forward"), time.monotonic() - elapsed_s)
    verdict = executor._overdue(executor._live_worker(), activity, BUDGET)
    assert verdict == (None if reason is None else (Status.TIMED_OUT, reason))


def test_a_check_names_who_hangs_and_who_crashes_and_clears_the_others(
    executor: LocalExecutor, losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_long_ago(monkeypatch, WorkerProcess, "Sleeps")
    subjects = [locate("rowsort"), subject(losses, "Sleeps"), subject(losses, "Exits")]
    checked = executor.preflight(subjects, "cpu")
    rowsort, sleeps, exits = checked.values()
    assert isinstance(rowsort, Subject)
    assert rowsort.description is not None
    assert rowsort.description.claimed_time == "N^2 log N"
    assert "did not answer within" in reason_of(sleeps)
    assert "exited with status 7" in reason_of(exits)


def test_a_loss_that_hangs_on_more_than_a_few_rows_is_left_to_the_sweep(
    executor: LocalExecutor, losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_long_ago(monkeypatch, WorkerProcess, "SleepsOnMany", RECOGNITION)
    subjects = [subject(losses, "SleepsOnMany"), locate("rowsort")]
    checked = executor.preflight(subjects, "cpu")
    called = {n: own.resolution for n, own in checked.items() if isinstance(own, Subject)}
    assert {n: own.definition.name for n, own in called.items() if own} == {
        "SleepsOnMany": "no-self",
        "rowsort": "torchcell",
    }
    assert [own.definition for own in checked.values() if isinstance(own, Subject)] == [None, None]


def test_what_takes_another_route_on_other_devices_predicts_nothing_of_them(
    executor: LocalExecutor,
) -> None:
    cell = Cell(WORKLOAD, (Arm("scan", "forward"), Arm("rowsort", "forward")), "session", False)
    events = executor.run(cell, [locate("scan"), locate("rowsort")], BUDGET)
    found = {r.implementation: r for r in events if isinstance(r, Result)}
    assert found["scan"].elements_processed
    assert found["scan"].predicted_cuda_peak_bytes is None
    assert found["rowsort"].predicted_cuda_peak_bytes is not None


def test_a_harness_stage_that_never_ends_fails_all_arms(
    executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_executor, "HARNESS_LIMIT_S", -1.0)
    monkeypatch.setattr(
        WorkerProcess, "activity", lambda self: Activity("reference", None, since_s=0.0)
    )
    monkeypatch.setattr(WorkerProcess, "responses", lambda self: iter([None]))
    results, _ = run(executor, [locate("rowsort")])
    assert {r.status for r in results} == {Status.FAILED}
    assert "reference took over" in str(results[0].reason)


def test_what_an_implementation_has_started_ends_though_its_worker_crashed(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    path = tmp_path / "crashes.py"
    path.write_text(
        "import os, pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(__file__).with_name('pid').write_text(str(child.pid))\n"
        "os._exit(3)\n"
    )
    (found,) = executor.preflight([locate(f"{path}:Loss")], "cpu").values()
    assert "exited with status 3" in reason_of(found)
    with suppress(psutil.NoSuchProcess):
        child = psutil.Process(int((tmp_path / "pid").read_text()))
        deadline = time.monotonic() + HANGS_S
        while child.status() != psutil.STATUS_ZOMBIE:  # whoever inherits it may not ask
            assert time.monotonic() < deadline
            time.sleep(0.01)
