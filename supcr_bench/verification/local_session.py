"""Verification in this process: ``supcr_bench.verify(MyLoss)`` from Python and from a notebook."""

import math
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from supcr_bench.measure.device import get_device
from supcr_bench.reference.compare import Trial
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.process_state import ProcessState, pinned_threads
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import DEFINITIONS, DEPARTS, Definition
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.checks import all_checks
from supcr_bench.verification.context import CheckContext, tested_as
from supcr_bench.verification.diagnosis import diagnose
from supcr_bench.verification.impact import Impact, ImpactQuestion, find_question
from supcr_bench.verification.impact_study import ImpactStudy
from supcr_bench.verification.outcome import CheckEndedError, Diagnosis, Outcome
from supcr_bench.verification.phrases import compared_with_none
from supcr_bench.verification.reading import Reading
from supcr_bench.verification.resolve import read, resolve
from supcr_bench.verification.session import (
    CHECK_LIMIT_S,
    STUDY_LIMIT_S,
    Opened,
    Session,
    own_time_s,
)
from supcr_bench.verification.verification import Verification

PATIENCE = 2
"""How often an interrupted block may go on because it had a core for less than half of its time."""


class LocalSession(Session):
    """Verifies an implementation in this process; see :class:`Session`.

    The ``definition`` is by default the one that the implementation declares. A check is stopped
    after ``limit_s`` if the platform can interrupt it. With ``only``, nothing is diagnosed.
    """

    context: CheckContext
    _reading: Reading | None

    def __init__(
        self,
        implementation: Implementation,
        definition: str | Definition | None = None,
        *,
        device: str = "cpu",
        limit_s: float | None = None,
        strict: bool = False,
        seed: int = 0,
        only: Collection[str] | None = None,
    ) -> None:
        super().__init__(implementation.name, strict=strict, seed=seed, only=only)
        self._implementation, self._definition = implementation, definition
        self._device, self._limit_s = get_device(device), limit_s
        self._process = ProcessState()
        self._began_cpu_s = time.process_time()
        if limit_s is None:
            self.total_limit_s = math.inf
        self._checks = {c.name: c for c in all_checks() if only is None or c.name in only}
        self._failed: list[Trial] = []

    def open(self) -> Opened:
        with interrupted_after(self._limit_s, "loading and recognition"):
            found, self._reading = resolve(
                self._implementation, self._definition, device=self._device.name
            )
            self._process.undo()
            found = replace(found, process_changes=self._implementation.process_changes)
        subject, name = self._implementation, self._device.name
        adapter = Adapter.of(subject, found)
        self.context = CheckContext(adapter, self.seed, subject.name, subject.tags, name)
        checks = [(check.name, check.group) for check in self._checks.values()]
        return checks, found.definition.name, found.recognised or tested_as(found)

    def make(self, check: str) -> Outcome:
        """Make one check, and keep the inputs that fail for the diagnosis."""
        try:
            with interrupted_after(self._limit_s, "the check"), self.context.without_compilation():
                outcome, failed = self._checks[check].outcome(self.context)
            if lost := self._device.error():
                raise CheckEndedError(
                    f"{lost}, after which its process cannot use {self._device.name}"
                )
        finally:
            self._process.undo()  # a check has reported it
        if outcome.group in ("definition", "relations"):
            self._failed += failed
        return outcome

    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        if self.only is not None:
            return None
        with interrupted_after(self._limit_s, "the diagnosis"):
            return diagnose(self.context, outcomes, self._failed)

    def spent_s(self) -> float:
        return own_time_s(super().spent_s(), time.process_time() - self._began_cpu_s)

    def measure_impact(self, question: ImpactQuestion) -> tuple[Impact, ...]:
        """Measure the impact; on generated labels only of a loss of the family that departs."""
        own, subject = self.context.definition, self.context.subject
        known = subject.resolution.recognised
        departs = known.choices or known.faults if known else self._failed
        if not question.labels and (not departs or (known and compared_with_none(known.faults))):
            return ()
        nearest = DEFINITIONS.get(own.name.partition(DEPARTS)[0], own)
        with interrupted_after(self._limit_s and STUDY_LIMIT_S, "the study"):
            reading = self._reading or read(subject, self._device.name)
            return tuple(ImpactStudy(self.context, reading, nearest, question).rows())


@contextmanager
def interrupted_after(seconds: float | None, what: str) -> Iterator[None]:
    """Interrupt the block after that time by a CheckEndedError, if the platform can.

    Only the main thread can be interrupted, and only between bytecodes: an implementation that
    hangs inside a kernel needs the command line, which runs it in a process of its own.
    """
    usable = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if seconds is None or not usable:
        yield
        return

    began, patience = time.process_time(), [seconds] * PATIENCE

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if patience and time.process_time() - began < seconds / 2:  # others use the machine
            signal.setitimer(signal.ITIMER_REAL, patience.pop())
            return
        raise CheckEndedError(f"{what} took over {seconds:g} s", overdue=True)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def verify(
    implementation: str | Implementation | Callable[..., Any],
    definition: str | Definition | None = None,
    *,
    strict: bool = False,
    seed: int = 0,
    device: str = "cpu",
    labels: str | None = None,
    batch_size: int | None = None,
    temperature: float | None = None,
) -> Verification:
    """Verify an implementation of the loss.

    Args:
        implementation: a class or factory, an :class:`Implementation`, or what the command line
            takes: a registered name, ``module:attribute`` or ``file.py:attribute``.
        definition: ``torchcell``, ``no-self``, ``rank-n-contrast``, a definition of your own, or
            ``auto`` to recognise it from the numbers; by default the declared one, or ``auto`` if
            none is declared, as for a class of your own.
        strict: whether robustness findings count as failures.
        seed: random seed for the inputs.
        device: where inputs and module live, such as ``cuda:0``.
        labels: ``FILE:COLUMN,...``: labels on which to measure how far each departure turns the
            gradient.
        batch_size: of that study; by default 256, or all rows of a smaller file.
        temperature: of that study; by default the loss's own.

    Returns:
        a result that prints as a table, also in a notebook, and is true if the loss passes.

    Raises:
        TypeError: what is given is neither a name nor callable.
        UsageError: there is no such implementation, definition, device, file or column.
    """
    question = find_question(labels, batch_size, temperature)
    if isinstance(implementation, str):
        implementation = load(locate(implementation))
    with pinned_threads(1):  # the problems are small; more threads would only wait for each other
        session = LocalSession(
            Implementation.of(implementation, "Python"),
            definition,
            device=device,
            limit_s=CHECK_LIMIT_S,
            strict=strict,
            seed=seed,
        )
        session.question = question if labels else None
        return session.verified()
