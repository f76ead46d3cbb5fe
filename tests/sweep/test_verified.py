"""A sweep and the verification of implementations, in one stream of events."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar

import pytest

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep import runner
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import make_plan
from supcr_bench.sweep.runner import Event, SweepProgress, VerifiedEvent, run_verified
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.definition import TORCHCELL, Definition
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Outcome, Verdict
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.messages import Failed
from supcr_bench.workers.verification import IdleWorkers, WorkerVerification
from tests.made_verifications import make_verification
from tests.one_machine import OneMachine

SUITE = Suite.model_validate(
    {
        "name": "tiny",
        "purpose": "To see.",
        "implementations": ["one", "two"],
        "axes": {"batch_size": [4, 8]},
    }
)
SUBJECTS = [
    Subject(name, "module", "no.such.module", "Loss", definition=TORCHCELL)
    for name in ("one", "two")
]


class FakeExecutor(OneMachine):
    """Answers every arm at once, and keeps the cells that it was given."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        return {}

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        self.cells.append(cell)
        for arm in cell.arms:
            yield Result(
                implementation=arm.implementation, case=cell.case(arm), status=Status.MEASURED
            )

    def close(self) -> None:
        pass


class FakeVerification:
    """Makes a check, and keeps what it was asked for."""

    asked: ClassVar[list[tuple[str, Definition | str | None, int, Collection[str] | None]]] = []

    def __init__(
        self,
        subject: Subject,
        *,
        strict: bool,
        seed: int,
        only: Collection[str] | None,
        idle: IdleWorkers,
    ) -> None:
        assert not strict
        self.name = subject.name
        self.asked.append((subject.name, subject.definition, seed, only))

    def run(self) -> Iterator[Outcome]:
        yield Outcome(check="ties", group="definition", verdict=Verdict.PASS)

    def result(self) -> Verification:
        return make_verification(self.name)


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> FakeExecutor:
    monkeypatch.setattr(runner, "WorkerVerification", FakeVerification)
    monkeypatch.setattr(FakeVerification, "asked", [])
    return FakeExecutor()


def events(
    executor: FakeExecutor,
    verify: Mapping[str, Collection[str] | None],
) -> list[VerifiedEvent]:
    return list(
        run_verified(
            make_plan(SUITE, ["one", "two"]),
            executor,
            SUBJECTS,
            Forecast(Budget()),
            seed=7,
            verify=verify,
        )
    )


def test_without_verification_there_is_the_sweep_and_its_end(executor: FakeExecutor) -> None:
    found = events(executor, {})
    assert len([e for e in found if isinstance(e, Result)]) == 8
    assert [e.ended for e in found if isinstance(e, SweepProgress)] == [0, 1, 2]
    assert FakeVerification.asked == []


def test_verification_waits_for_the_end_of_the_sweep(executor: FakeExecutor) -> None:
    found = events(executor, {"one": None, "two": None})
    end = next(i for i, e in enumerate(found) if isinstance(e, SweepProgress) and e.ended == 2)
    assert len([e for e in found[:end] if isinstance(e, Result)]) == 8
    assert {type(e) for e in found[end + 1 :]} == {tuple, Verification}


def test_those_that_are_named_are_verified_with_all_checks_or_with_some(
    executor: FakeExecutor,
) -> None:
    found = events(executor, {"two": ["ties"], "one": None})
    assert sorted(FakeVerification.asked, key=str) == [
        ("one", TORCHCELL, 7, None),
        ("two", TORCHCELL, 7, ["ties"]),
    ]
    for name in ("one", "two"):
        checks = [e[1].check for e in found if isinstance(e, tuple) and e[0] == name]
        whole = [e for e in found if isinstance(e, Verification) and e.implementation == name]
        assert (checks, len(whole)) == (["ties"], 1)
    assert len([e for e in found if isinstance(e, Result)]) == 8


@pytest.mark.slow
def test_some_checks_alone_are_made_where_some_are_asked_for() -> None:
    session = WorkerVerification(
        locate("broadcast"), strict=False, seed=0, only=["ties", "low temperature"]
    )
    assert {o.check for o in session.run()} == {"ties", "low temperature"}
    assert session.result().diagnosis is None
    assert session.result().definition == "torchcell"
