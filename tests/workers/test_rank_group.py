"""Ranks start together, are heard together, and end together."""

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import psutil
import pytest

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.values.definition import NO_SELF
from supcr_bench.values.errors import WorkerError
from supcr_bench.verification.outcome import CheckEndedError
from supcr_bench.workers import rank_group
from supcr_bench.workers.messages import Failed, Returned
from supcr_bench.workers.rank_group import RankGroupWorker
from supcr_bench.workers.worker_process import WorkerProcess
from tests.forked.start import Servers
from tests.hanging import end_ranks_in
from tests.patience import HANGS_S
from tests.ranks import put, question_of

pytestmark = pytest.mark.slow

LOSSES = """
import os, signal, time
from torch import distributed
from supcr_bench.verification.bugs.right import RightNoSelf

class OnTheLastRank(RightNoSelf):
    def forward(self, perturbed, intact, labels):
        if distributed.get_rank() == distributed.get_world_size() - 1:
            self.happen()
        distributed.barrier()
        return super().forward(perturbed, intact, labels)

class Exits(OnTheLastRank):
    def happen(self): os._exit(9)

class IsKilled(OnTheLastRank):
    def happen(self): os.kill(os.getpid(), signal.SIGKILL)

class Hangs(OnTheLastRank):
    def happen(self): time.sleep(600)

class Raises(OnTheLastRank):
    def happen(self): raise ValueError("not today")

class AllRaise(RightNoSelf):
    def forward(self, perturbed, intact, labels): raise ValueError("not today")
"""
PARENT = """
import os
from tests.forked.start import use_servers
from supcr_bench.workers.rank_group import RankGroupWorker
use_servers()
group = RankGroupWorker(2)
print(*(worker.pid for worker in group._workers), flush=True)
os._exit(0)
"""


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    path = tmp_path / "losses.py"
    path.write_text(LOSSES)
    return path


def subject(path: Path, name: str) -> Subject:
    return replace(locate(f"{path}:{name}"), name=name)


def gone(pids: tuple[int, ...]) -> bool:
    """Whether none of these runs any more, once those that are ending have ended."""
    running = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(running, timeout=HANGS_S)
    return not alive


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Exits", "rank 1 ended: exited with status 9"),
        ("IsKilled", "rank 1 ended: killed by SIGKILL"),
        ("Raises", "rank 1 raises ValueError: not today, and rank 0 .* waits for it"),
    ],
)
def test_what_becomes_of_one_rank_ends_all_and_is_said(
    losses: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_group, "SETTLE_S", 0.2)
    with closing(RankGroupWorker(2, limit_s=HANGS_S)) as group:
        pids = tuple(worker.pid for worker in group._workers)
        with pytest.raises(CheckEndedError, match=words) as error:
            put(group, subject(losses, name), NO_SELF, question_of(NO_SELF, (3, 3)))
    assert not error.value.overdue
    assert gone(pids)


def test_ranks_that_hang_are_ended_once_the_limit_is_over(
    losses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(RankGroupWorker(2, limit_s=HANGS_S)) as group:
        pids = tuple(worker.pid for worker in group._workers)
        end_ranks_in(monkeypatch, {"forward"})
        with pytest.raises(CheckEndedError, match=r"rank 0, 1 .forward. did not answer") as error:
            put(group, subject(losses, "Hangs"), NO_SELF, question_of(NO_SELF, (3, 3)))
    assert error.value.overdue
    assert gone(pids)


def test_ranks_that_all_raise_meet_again_and_listen_on_the_loopback_alone(losses: Path) -> None:
    with closing(RankGroupWorker(2, limit_s=HANGS_S)) as group:
        pids = tuple(worker.pid for worker in group._workers)
        question = question_of(NO_SELF, (3, 3))
        said = put(group, subject(losses, "AllRaise"), NO_SELF, question)
        assert set(said) == {Failed("ValueError: not today")}
        group.join()
        right = Subject(
            "right", "module", "supcr_bench.verification.bugs.across_ranks", "RightAcrossRanks"
        )
        assert all(isinstance(r, Returned) for r in put(group, right, NO_SELF, question))
        connections = [c for pid in pids for c in psutil.Process(pid).net_connections("inet")]
        assert {c.laddr.ip for c in connections} == {"127.0.0.1"}
    assert gone(pids)


def test_ranks_end_with_their_parent(servers: Servers) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **servers.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    pids = tuple(map(int, done.stdout.split()))
    assert len(pids) == 2
    assert gone(pids)


def test_a_worker_that_does_not_start_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[WorkerProcess] = []
    places = SimpleQueue[str]()
    places.put("the only one")

    def start(threads: int, deliver: Any) -> WorkerProcess:  # called by two threads at once
        try:
            places.get_nowait()
        except Empty:
            raise WorkerError("a worker did not start: no memory") from None
        started.append(WorkerProcess(threads, deliver))
        return started[0]

    monkeypatch.setattr(rank_group, "WorkerProcess", start)
    with pytest.raises(WorkerError, match="no memory"):
        RankGroupWorker(2, limit_s=HANGS_S)
    assert gone((started[0].pid,))
