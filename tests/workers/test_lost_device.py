"""A subject after whose error its process cannot use the device: the others go on in a new one."""

from contextlib import closing
from pathlib import Path

import pytest

from supcr_bench.measure.device import Cpu, find_accelerator
from supcr_bench.subjects.registry import locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.case import PASSES, Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import CheckEndedError
from supcr_bench.workers import worker as worker_module
from supcr_bench.workers.messages import ActivityPage, Failed, Request, Response, Returned
from supcr_bench.workers.verification import WorkerVerification
from supcr_bench.workers.worker import Worker
from supcr_bench.workers.worker_process import WorkerProcess

BUDGET = Budget(time_limit_s=60.0, sampling_s=0.005, memory_limit_bytes=2**30)
LOSS = """
class Loss:
    def __init__(self, temperature=0.1, weights=None, eps=1e-12): pass
    def __call__(self, perturbed, intact, labels):
        beyond = labels.long().clamp(0) * 0 + 10**6
        loss = perturbed[beyond].sum()
        return loss, loss.detach().expand(labels.shape[1])
"""


def cell_of(names: tuple[str, ...], device: str) -> Cell:
    workload = Workload(batch_size=6, embedding_size=4, device=device)
    return Cell(workload, tuple(Arm(name, pass_) for name in names for pass_ in PASSES))


def test_a_cell_ends_where_its_process_has_lost_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(Cpu):
        def error(self) -> str | None:
            return "AcceleratorError: CUDA error: device-side assert triggered"

    monkeypatch.setattr(worker_module, "get_device", lambda name: Lost())
    path = tmp_path / "mine.py"
    path.write_text(LOSS)
    broken = locate(f"{path}:Loss")
    responses: list[Response] = []
    worker = Worker(responses.append, ActivityPage(tmp_path / "page"))
    cell = cell_of((broken.name, "rowsort"), "cpu")
    subjects = broken, locate("rowsort")
    worker.answer(Request("measure", (cell, subjects, BUDGET, None)))
    result, failed, *_, returned = responses
    assert isinstance(result, Result)
    assert (result.implementation, result.status) == (broken.name, Status.FAILED)
    assert failed == Failed("AcceleratorError: CUDA error: device-side assert triggered")
    assert isinstance(returned, Returned)
    assert isinstance(returned.value, Account)


def test_a_check_that_ends_its_process_is_told_and_the_next_starts_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses: list[Response] = []
    worker = Worker(responses.append, ActivityPage(tmp_path / "page"))

    class Session:
        def make(self, check: str) -> None:
            raise CheckEndedError(f"{check} lost the device")

    monkeypatch.setattr(worker, "_session", Session())
    worker.answer(Request("ask_session", ("make", "ties")))
    assert responses == [Failed("ties lost the device")]
    session = WorkerVerification(locate("rowsort"), strict=False, seed=0)
    with closing(session):
        session.open()
        monkeypatch.setattr(WorkerProcess, "responses", lambda _: iter(responses))
        with pytest.raises(CheckEndedError, match="ties lost the device"):
            session.make("ties")
        assert session._worker is None


@pytest.mark.gpu
@pytest.mark.skipif(find_accelerator() is None, reason="needs an accelerator")
def test_an_index_out_of_range_on_a_real_accelerator_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(LOSS)
    broken = locate(f"{path}:Loss")
    subjects = broken, locate("rowsort")
    found = find_accelerator()
    assert found is not None
    cell = cell_of((broken.name, "rowsort"), found.type)
    with closing(LocalExecutor(threads=1)) as executor:
        events = list(executor.run(cell, subjects, BUDGET))
    results = {(r.implementation, r.case.pass_): r for r in events if isinstance(r, Result)}
    for pass_ in PASSES:
        assert results[broken.name, pass_].status is Status.FAILED
        assert results["rowsort", pass_].status is Status.MEASURED, results["rowsort", pass_].reason


@pytest.mark.gpu
@pytest.mark.skipif(find_accelerator() is None, reason="needs an accelerator")
@pytest.mark.parametrize("name", ["rowsort", "broadcast", "batched", "scan", "tiled"])
def test_what_is_right_on_the_cpu_is_right_on_a_real_accelerator(name: str) -> None:
    found = find_accelerator()
    assert found is not None
    session = WorkerVerification(locate(name), strict=False, seed=0, device=found.type)
    verification = session.verified()
    assert verification.passed, str(verification)
