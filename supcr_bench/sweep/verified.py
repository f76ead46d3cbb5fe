"""Runs a sweep and verifies implementations, both at the same time."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from functools import partial

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Executor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.runner import SweepEvent, SweepProgress, run_sweep
from supcr_bench.values.cell import Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.machine import usable_cpus
from supcr_bench.values.result import Result
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.streams import merge_streams
from supcr_bench.workers.verification import IdleWorkers, WorkerVerification
from supcr_bench.workers.worker_process import BYSTANDERS

VerifiedEvent = SweepEvent | tuple[str, Outcome] | Verification
"""A pair of an implementation's name and the outcome of one of its checks."""


def run_verified(
    plan: Sequence[Cell],
    executor: Executor,
    subjects: Sequence[Subject],
    forecast: Forecast,
    finished: Sequence[Result] = (),
    *,
    definition: Definition | str | None,
    seed: int,
    verify: Mapping[str, Collection[str] | None],
    together: bool = True,
) -> Generator[VerifiedEvent, None, None]:
    """Run a plan as :func:`run_sweep` does, and verify subjects (implementations by name).

    Verification compares with ``definition`` (``None``: the one that each implementation declares)
    and uses the random seed ``seed``. ``verify`` maps the implementations to verify to their checks
    (``None``: all checks and a diagnosis). One worker for each core runs at the same time; while a
    worker of the sweep takes times, the others are suspended. If not ``together``, verification
    begins when the sweep has ended.

    Yields:
        one :class:`Result` for every arm, one :class:`Verification` for each of ``verify``,
        progress in between, and a SweepProgress without open cells when the sweep has ended.
    """

    def swept() -> Iterator[VerifiedEvent]:
        yield from run_sweep(plan, executor, subjects, forecast, finished)
        yield SweepProgress(ended=len(plan), open=(), left_s=0.0)

    def verify_one(subject: Subject) -> Iterator[VerifiedEvent]:
        only = verify[subject.name]
        session = WorkerVerification(
            subject, definition, strict=False, seed=seed, only=only, idle=idle
        )
        for outcome in session.run():
            yield subject.name, outcome
        yield session.result()

    idle = IdleWorkers()
    streams: list[Callable[[], Iterator[VerifiedEvent]]] = [swept]
    streams += [partial(verify_one, subject) for subject in subjects if subject.name in verify]
    try:
        for group in [streams] if together else [streams[:1], streams[1:]]:
            yield from merge_streams(group, usable_cpus(), wait=False)
    finally:
        BYSTANDERS.kill()  # suspended processes do not end by themselves
        idle.close()
