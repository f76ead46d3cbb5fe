"""Counts the work of a suite and verifies its implementations: the gate's evidence without time.

Nothing is timed here, so several workers run in parallel if there are enough cores.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import untimed
from supcr_bench.sweep.runner import SweepEvent, run_sweep
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.machine import usable_cpus
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.streams import merge_streams
from supcr_bench.workers.verification import WorkerVerification

DeterministicEvent = SweepEvent | tuple[str, Outcome] | Verification
"""A pair of an implementation's name and the outcome of one of its checks."""


def measure_deterministic(
    plan: Sequence[Cell],
    executor: Executor,
    subjects: Sequence[Subject],
    budget: Budget,
    *,
    definition: Definition | str | None,
    seed: int,
    verify: Mapping[str, Collection[str] | None],
) -> Iterator[DeterministicEvent]:
    """Count the work of a plan without timing, and verify subjects (implementations by name).

    ``budget`` limits each arm (implementation and pass). Verification compares with ``definition``
    (``None``: the one that each implementation declares) and uses the random seed ``seed``.
    ``verify`` maps the implementations to verify to their checks (``None``: all checks and a
    diagnosis). One worker for each core runs at the same time.

    Yields:
        one :class:`Result` for every arm, one :class:`Verification` for each of ``verify``, and
        progress in between.
    """

    def verify_one(subject: Subject) -> Iterator[DeterministicEvent]:
        only = verify[subject.name]
        session = WorkerVerification(subject, definition, strict=False, seed=seed, only=only)
        for outcome in session.run():
            yield subject.name, outcome
        yield session.result()

    count = partial(run_sweep, untimed(plan), executor, subjects, Forecast(budget))
    streams: list[Callable[[], Iterator[DeterministicEvent]]] = [count]
    streams += [partial(verify_one, subject) for subject in subjects if subject.name in verify]
    return merge_streams(streams, usable_cpus(), wait=False)
