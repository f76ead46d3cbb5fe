"""Cells that ranks share: what they measure, and what becomes of a rank that goes wrong."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import PASSES, Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.workers import rank_group
from supcr_bench.workers.rank_group import RankGroupWorker
from tests.hanging import call_long_ago

pytestmark = pytest.mark.slow

WORKLOAD = Workload(batch_size=21, dims=2, nan_density=0.2, embedding_size=8, ranks=2)
BUDGET = Budget(time_limit_s=60.0, sampling_s=0.02, memory_limit_bytes=2**30)
LOSSES = """
import os, time, torch
from supcr_bench.implementations.distributed import DistributedSupCR

class Loss(DistributedSupCR):
    calls = 0

    def forward(self, perturbed, intact, labels):
        self.calls += 1
        if torch.distributed.is_initialized():
            self.before(torch.distributed.get_rank())
        return super().forward(perturbed, intact, labels)

    def before(self, rank):
        pass

class OneRaises(Loss):
    def before(self, rank):
        if rank == 1: raise ValueError("rank 1 cannot")

class AllRaise(Loss):
    def before(self, rank): raise ValueError("nobody can")

class RaisesLater(Loss):
    def before(self, rank):
        if self.calls > 2 and rank == 0: raise ValueError("no more")

class Dies(Loss):
    def before(self, rank):
        if rank == 1: os._exit(7)

class Hangs(Loss):
    def before(self, rank):
        if rank == 1: time.sleep(600)

class NeverTwice(Loss):
    def forward(self, perturbed, intact, labels):
        self.met = getattr(self, "met", [])
        if any(torch.equal(perturbed, before) for before in self.met):
            raise ValueError("this batch has come before")
        self.met.append(perturbed.detach().clone())
        return super().forward(perturbed, intact, labels)

class Disagrees(Loss):
    def forward(self, perturbed, intact, labels):
        loss, parts = super().forward(perturbed, intact, labels)
        return loss * (1 + torch.distributed.get_rank()), parts

class TooLarge(Loss):
    def forward(self, perturbed, intact, labels):
        loss, parts = super().forward(perturbed, intact, labels)
        scale = torch.distributed.get_world_size()
        return loss * scale - loss.detach() * (scale - 1), parts
"""


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor()
    yield found
    found.close()


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("losses") / "losses.py"
    path.write_text(LOSSES)
    return path


def run(
    executor: LocalExecutor,
    *subjects: Subject,
    workload: Workload = WORKLOAD,
    trained: tuple[str, ...] = (),
    timed: bool = True,
) -> dict[tuple[str, str], Result]:
    """The results by name and pass; those named ``trained`` are in training alone."""
    arms = tuple(
        Arm(s.name, p) for s in subjects for p in PASSES if p == "training" or s.name not in trained
    )
    cell = Cell(workload, arms, "session", timed)
    found = [e for e in executor.run(cell, subjects, BUDGET) if isinstance(e, Result)]
    assert len(found) == len(arms)
    return {(r.implementation, r.case.pass_): r for r in found}


def test_ranks_answer_for_the_whole_batch_and_share_the_memory(executor: LocalExecutor) -> None:
    workload = replace(WORKLOAD, batch_size=64, embedding_size=64)
    one = replace(workload, ranks=1)
    alone = run(executor, locate("distributed"), workload=one, timed=False)
    shared = run(executor, locate("distributed"), workload=workload)
    for key, result in shared.items():
        assert result.status is Status.MEASURED
        assert result.case.ranks == 2
        assert result.loss == pytest.approx(alone[key].loss, rel=1e-5)
        assert result.reference_loss == alone[key].reference_loss
        assert result.time_samples_s
        assert result.dispatched_ops and result.elements_processed
        # A rank holds the rows of all ranks beside its own part; gloo may release them late.
        rows_bytes = 4 * workload.batch_size * (2 * workload.embedding_size + workload.dims)
        assert result.peak_bytes and result.peak_bytes < (alone[key].peak_bytes or 0) + rows_bytes
        assert "of the rank that needs most" in str(result.memory_method)
    assert shared["distributed", "training"].gradient_tolerances is not None


def test_no_rank_measures_rows_in_an_order_that_its_loss_has_met(
    executor: LocalExecutor, losses: Path
) -> None:
    found = run(executor, locate(f"{losses}:NeverTwice"))
    assert {(r.status, r.reason) for r in found.values()} == {(Status.MEASURED, None)}


WRONG = (
    ("OneRaises", Status.FAILED, "rank 1 raises ValueError: rank 1 cannot"),
    ("AllRaise", Status.FAILED, "ValueError: nobody can"),
    ("RaisesLater", Status.FAILED, "ValueError: no more"),
    ("Dies", Status.FAILED, "rank 1 ended: exited with status 7"),
    ("Hangs", Status.TIMED_OUT, "a call took over 60.0 s"),
    ("Disagrees", Status.FAILED, "rank 1 has the loss"),
    ("TooLarge", Status.WRONG, "2 times what torchcell gives"),
)


@pytest.fixture(scope="module")
def together(executor: LocalExecutor, losses: Path) -> dict[tuple[str, str], Result]:
    """The results of a cell in which all of these go wrong, and ``distributed`` does not."""
    subjects = [Subject(name, "file", str(losses), name) for name, _, _ in WRONG]
    with pytest.MonkeyPatch.context() as patch:
        call_long_ago(patch, RankGroupWorker, "Hangs")
        patch.setattr(rank_group, "SETTLE_S", 0.3)
        trained = tuple(name for name, _, _ in WRONG if name != "TooLarge")
        return run(executor, *subjects, locate("distributed"), trained=trained, timed=False)


@pytest.mark.parametrize(("name", "status", "words"), WRONG)
def test_what_goes_wrong_in_a_rank_is_a_row(
    together: dict[tuple[str, str], Result], name: str, status: Status, words: str
) -> None:
    assert together[name, "training"].status is status
    assert words in str(together[name, "training"].reason)


def test_beside_what_goes_wrong_the_others_are_measured(
    together: dict[tuple[str, str], Result],
) -> None:
    measured = {key for key, result in together.items() if result.status is Status.MEASURED}
    assert {("distributed", "forward"), ("distributed", "training")} <= measured
    assert ("TooLarge", "forward") in measured  # its gradient alone grows with the ranks


def test_a_loss_of_its_own_rows_is_told(executor: LocalExecutor) -> None:
    found = run(executor, locate("broadcast"))
    assert "rank 1 has the loss" in str(found["broadcast", "forward"].reason)
