"""Takes the evidence that has no noise: a suite counted, and its implementations verified.

Neither is timed, so both may run at once where there are cores for it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import PlannedCell, untimed, usable_cpus
from supcr_bench.sweep.runner import SweepEvent, run_sweep
from supcr_bench.values.cell import Budget
from supcr_bench.values.definition import Definition
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.streams import merge_streams
from supcr_bench.workers.verification import WorkerVerification


@dataclass(frozen=True, slots=True)
class CheckMade:
    """Verification has made one check of an implementation."""

    implementation: str
    outcome: Outcome


VerificationEvent = CheckMade | Verification
DeterministicEvent = SweepEvent | VerificationEvent


def count_cells(
    plan: Sequence[PlannedCell], executor: Executor, subjects: Sequence[Subject], budget: Budget
) -> Iterator[SweepEvent]:
    """Run a plan with no cell timed: one result for every arm, and what happens between."""
    return run_sweep(untimed(plan), executor, subjects, budget, Forecast())


def verify_subject(
    subject: Subject, definition: Definition | None, seed: int, only: Collection[str] | None = None
) -> Iterator[VerificationEvent]:
    """Verify one in a worker of its own: each check as it is made, then the whole."""
    session = WorkerVerification(subject, definition, strict=False, seed=seed, only=only)
    for outcome in session.run():
        yield CheckMade(subject.name, outcome)
    yield session.result()


def measure_deterministic(
    plan: Sequence[PlannedCell],
    executor: Executor,
    subjects: Sequence[Subject],
    budget: Budget,
    *,
    definitions: Mapping[str, Definition],
    seed: int,
    verify: Mapping[str, Collection[str] | None],
    at_once: int | None = None,
) -> Iterator[DeterministicEvent]:
    """Count a plan and verify subjects.

    Args:
        plan: the cells; whether they are timed does not matter.
        executor: runs a cell.
        subjects: the implementations by name.
        budget: of each arm.
        definitions: that verification holds them against, by name.
        seed: of its random cases.
        verify: names of the implementations to verify too, and the checks to make of each;
            ``None`` for all of them, and a diagnosis.
        at_once: how many workers may be busy at the same time; one a core by default.

    Yields:
        one :class:`Result` for every arm, one :class:`Verification` for each of ``verify``, and
        what happens between.
    """

    def counting() -> Iterator[DeterministicEvent]:
        return count_cells(plan, executor, subjects, budget)

    def verifying(subject: Subject) -> Iterator[DeterministicEvent]:
        return verify_subject(subject, definitions.get(subject.name), seed, verify[subject.name])

    wanted = [s for s in subjects if s.name in verify]
    streams: list[Callable[[], Iterator[DeterministicEvent]]]
    streams = [counting, *(partial(verifying, s) for s in wanted)]
    return merge_streams(streams, at_once or usable_cpus())
