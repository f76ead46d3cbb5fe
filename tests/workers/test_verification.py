"""Verification in a worker: a hang or a crash is a finding and no more."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.values.errors import WorkerError
from supcr_bench.verification import session as sessions
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.messages import Failed
from supcr_bench.workers.verification import IdleWorkers, WorkerVerification
from supcr_bench.workers.worker_process import WorkerProcess, start_python

pytestmark = pytest.mark.slow

LOSSES = """
import os, time
from supcr_bench.verification.bugs.right import RightNoSelf

class HangsWhenLarge(RightNoSelf):
    def forward(self, perturbed, intact, labels):
        if len(perturbed) > 60: time.sleep(600)
        return super().forward(perturbed, intact, labels)

class Hangs(RightNoSelf):
    def forward(self, perturbed, intact, labels):
        time.sleep(600)

class Right(RightNoSelf): pass

class Crashes(RightNoSelf):
    def forward(self, perturbed, intact, labels):
        os._exit(9)

class CrashesWhenLarge(RightNoSelf):
    def forward(self, perturbed, intact, labels):
        if len(perturbed) > 64: os._exit(9)
        return super().forward(perturbed, intact, labels)
"""


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    path = tmp_path / "losses.py"
    path.write_text(LOSSES)
    return path


def subject(path: Path, name: str) -> Subject:
    return replace(locate(f"{path}:{name}"), name=name, definition="auto")


def test_an_implementation_that_is_right_passes(losses: Path) -> None:
    only = ("ties", "random cases", "strides")
    session = WorkerVerification(locate("broadcast"), strict=False, seed=0, only=only)
    outcomes = list(session.run())
    found = session.result()
    assert found
    assert found.definition == "torchcell"
    assert tuple(outcomes) == found.outcomes
    assert {outcome.check for outcome in outcomes} == set(only)


def test_a_registered_implementation_leaves_its_worker_to_the_next_and_a_file_does_not(
    losses: Path,
) -> None:
    idle, workers = IdleWorkers(), set()
    for one in (locate("broadcast"), locate("batched"), subject(losses, "Right")):
        session = WorkerVerification(
            one, strict=False, seed=0, only=("process settings",), idle=idle
        )
        for outcome in session.run():
            assert outcome.verdict is Verdict.PASS
            workers.add(session._worker)
    assert len(workers) == 1
    assert not idle._workers
    (worker,) = workers
    assert worker is not None
    assert worker.resident_bytes() is None


def test_a_worker_that_is_kept_is_the_one_that_verifies_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts, start = [], WorkerProcess.start

    def counted(*given: Any) -> Any:
        starts.append(given)
        return start(*given)

    monkeypatch.setattr(WorkerProcess, "start", staticmethod(counted))
    idle = IdleWorkers()
    worker = idle.take()
    idle.keep(worker)
    assert idle.take() is worker
    idle.keep(worker)
    idle.close()
    assert not idle._workers
    assert len(starts) == 1
    assert worker.resident_bytes() is None


def test_a_worker_that_could_not_be_started_is_started_when_it_is_next_needed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ends(_arguments: object, environment: object, stderr: object) -> object:
        return start_python(["no_such_module"], environment, stderr)  # type: ignore[arg-type]

    idle = IdleWorkers()
    with monkeypatch.context() as broken:
        broken.setattr(WorkerProcess, "start", staticmethod(ends))
        with pytest.raises(WorkerError, match="No module named no_such_module"):
            idle.take()
    idle.keep(idle.take())
    idle.close()
    assert "Traceback" not in capfd.readouterr().err


def test_a_hang_fails_its_check_and_the_others_are_made(
    losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "CHECK_LIMIT_S", 600.0)
    monkeypatch.setattr(sessions, "MOST_ENDS", 1)
    session = WorkerVerification(
        replace(subject(losses, "HangsWhenLarge"), definition="no-self"),
        strict=False,
        seed=0,
        only=("edge embeddings", "large batches", "strides"),
    )
    for _ in session.run():  # only the check that hangs is given little time
        monkeypatch.setattr(sessions, "CHECK_LIMIT_S", 1.0)
    found = {o.check: o for o in session.result().outcomes}
    assert found["large batches"].finding == "the check took over 1 s"
    assert found["edge embeddings"].verdict is Verdict.PASS
    assert found["strides"].verdict is Verdict.NOT_RUN
    assert session.result().verdict == "undecided"


def test_a_crash_fails_its_check_and_verification_goes_on_in_a_new_worker(losses: Path) -> None:
    only = ("edge embeddings", "large batches", "strides")
    crashes = subject(losses, "CrashesWhenLarge")
    session = WorkerVerification(crashes, strict=False, seed=0, only=only)
    list(session.run())
    found = {o.check: o for o in session.result().outcomes}
    assert "exited with status 9" in str(found["large batches"].finding)
    assert found["strides"].verdict is Verdict.PASS
    assert len(found) == len(session.result().outcomes) == len(only)


def test_one_that_always_crashes_ends_as_a_finding(losses: Path) -> None:
    session = WorkerVerification(subject(losses, "Crashes"), strict=False, seed=0)
    list(session.run())
    found = session.result()
    assert found.verdict == "not right"
    assert found.headline.startswith("Crashes is not right: the worker ended: exited with status 9")


def test_an_error_that_is_not_of_loading_ends_recognition(
    losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = IdleWorkers()
    idle.keep(WorkerProcess())
    monkeypatch.setattr(WorkerProcess, "responses", lambda _: iter([Failed("a fault of its own")]))
    session = WorkerVerification(subject(losses, "Right"), strict=False, seed=0, idle=idle)
    (outcome,) = session.run()
    assert (outcome.check, outcome.finding) == ("recognition", "a fault of its own")
    assert session.result().uncallable is None


def test_one_that_hangs_as_it_is_recognised_is_undecided(
    losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "OPEN_LIMIT_S", 1.0)
    session = WorkerVerification(subject(losses, "Hangs"), strict=False, seed=0)
    assert [o.overdue for o in session.run()] == [True]
    line = "Hangs is undecided: loading and recognition took over 1 s."
    assert session.result().headline == line


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "own_s"),
    [
        (10.0, 9.5, 9.5),
        (30.0, 6.0, 6.0),  # it shares its core
        (80.0, 6.0, 10.0),
    ],
)
def test_a_worker_that_shares_its_core_gets_more_time(
    wall_s: float, cpu_s: float, own_s: float
) -> None:
    assert sessions.own_time_s(wall_s, cpu_s) == own_s


def test_of_one_that_cannot_be_loaded_no_check_is_made() -> None:
    nowhere = Subject("mine", "module", "no.such.module", "Loss")
    session = WorkerVerification(nowhere, strict=False, seed=0)
    assert not list(session.run())
    found = session.result()
    assert not found
    assert found.uncallable is not None
    assert "cannot be imported" in found.uncallable.reason
    assert Verification.from_mapping(found.to_mapping()).headline == found.headline
