"""Losses that spoil or fool a careless harness: each is noticed, and spoils no other."""

from dataclasses import replace

import pytest

from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Cpu, Meter
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.resolve import resolved
from supcr_bench.workers.verification import WorkerVerification
from tests.hostile import FOLDER, HONEST, HOSTILE, REFUSED, REMEMBERING, end_processes

WORKLOAD = Workload(batch_size=6, dims=2, nan_density=0.2, embedding_size=8)
BY_CHANCE = "last_answer_by_address"
"""Whether an address comes again, and the answer with it, is chance: ``verify`` alone is asked."""
UNDONE = [name for name, own in HOSTILE.items() if not own.lasting and name != BY_CHANCE]
BESIDE = "broadcast"
CELLS = [[*UNDONE, *HONEST][first::6] for first in range(6)]
"""Several in each cell: none may spoil another, whatever the other does."""


def measured(*names: str) -> dict[str, Result]:
    """The training results of a cell of these, resolved and measured as in a run."""
    subjects = {}
    for name in names:
        own = FOLDER / f"{name}.py"
        subject = locate(f"{own}:Loss" if own.exists() else name)
        found = load(subject)
        adapter = Adapter.usual(found.factory)
        resolution = replace(adapter.resolution, process_changes=found.process_changes)
        subjects[name] = replace(adapter, resolution=resolution)
    run = CellRun(
        cell=Cell(WORKLOAD, tuple(Arm(name, "training") for name in names), "session"),
        subjects=subjects,
        device=Cpu(),
        meter=Meter(Cpu()),
        budget=Budget(sampling_s=0.001, precision=0.9),
    )
    results = {result.implementation: result for result in run.results()}
    assert results.keys() == set(names)
    return results


def counts(result: Result) -> tuple[object, ...]:
    return result.status, result.loss, result.dispatched_ops, result.peak_bytes


@pytest.fixture(scope="module")
def alone() -> Result:
    """The result of the one beside it, before any of them has run."""
    return measured(BESIDE)[BESIDE]


@pytest.mark.parametrize("names", CELLS, ids=" ".join)
def test_each_is_noticed_and_the_one_beside_it_is_as_it_is_alone(
    alone: Result, names: list[str]
) -> None:
    found = measured(*names, BESIDE)
    assert counts(found[BESIDE]) == counts(alone)
    assert found[BESIDE].process_changes is None
    for name in names:
        expected, own = HOSTILE.get(name), found[name]
        if expected is None or not expected.finding:
            assert own.status is Status.MEASURED, name
        if expected is None or expected.change:
            changes = None if expected is None else (expected.change,)
            assert own.process_changes == changes, name
        if expected is not None and expected.finding:
            assert own.status in (Status.WRONG, Status.FAILED), name
            assert str(expected.finding) in str(own.reason), name


@pytest.mark.parametrize("name", REMEMBERING)
def test_costs_are_those_of_a_batch_that_a_loss_has_not_met(alone: Result, name: str) -> None:
    found = measured(name)[name]
    for cost in ("peak_bytes", "dispatch_peak_bytes", "dispatched_ops", "python_instructions"):
        assert getattr(found, cost) >= getattr(alone, cost), cost


@pytest.mark.parametrize("name", [name for name, own in HOSTILE.items() if own.check])
def test_verify_catches_each_that_a_check_can_see(name: str) -> None:
    subject, expected = locate(f"{FOLDER / name}.py:Loss"), HOSTILE[name]
    try:
        if expected.lasting:
            only = (str(expected.check),)
            subject = replace(subject, definition="torchcell")
            worker = WorkerVerification(subject, strict=False, seed=0, only=only)
            outcomes, headline = list(worker.run()), worker.result().headline
        else:
            session = LocalSession(load(subject), "torchcell", only=(str(expected.check),))
            outcomes, headline = list(session.run()), session.result().headline
    finally:
        end_processes()
    failed = [outcome.finding or "" for outcome in outcomes if outcome.verdict is Verdict.FAIL]
    assert failed, headline
    said = expected.change or expected.lasting
    assert not said or said in " ".join(failed)


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_that_may_be_computed_later_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(SubjectError, match="may compute its value when it is read"):
        resolved(locate(f"{FOLDER / name}.py:Loss"))
