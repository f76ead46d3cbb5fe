"""``supcr_bench.verify(MyLoss)``: verification from Python and from a notebook."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import NO_SELF, Definition, get_definition
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.run_checks import all_checks
from supcr_bench.verification.verification import Verification
from supcr_bench.verification.verifier import Verifier

AUTO = "auto"
CHECK_LIMIT_S = 30
TOTAL_LIMIT_S = 60.0


class CheckTimeoutError(BaseException):
    """A check took too long. Not an Exception, so that no trial takes it for its own failure."""


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """Interrupt what runs in the block after that time, where the platform can.

    Only the main thread can be interrupted, and only between bytecodes: an implementation that
    hangs inside a kernel needs the command line, which runs it in a process of its own.
    """
    usable = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if not usable:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise CheckTimeoutError(f"took over {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def make_verifier(
    implementation: Implementation,
    definition: str | Definition | None,
    *,
    declares: bool,
    seed: int,
) -> Verifier:
    """The verifier for an implementation.

    Args:
        implementation: what to verify.
        definition: a definition, its name, ``auto``, or ``None`` for what the implementation
            declares; ``auto`` if it declares nothing.
        declares: whether it said what it computes.
        seed: of the random cases.

    Raises:
        UnknownNameError: there is no such definition.
    """
    name, factory, tags = implementation.name, implementation.factory, implementation.tags
    if definition is None:
        definition = implementation.definition if declares else AUTO
    if definition == AUTO:
        return Verifier.for_recognised(name, factory, seed, tags)
    if isinstance(definition, str):
        definition = get_definition(definition)
    factory = implementation.under(definition.name).factory
    return Verifier.for_definition(name, factory, definition, seed, tags)


def verify(
    implementation: str | Implementation | Callable[..., Any],
    definition: str | Definition | None = None,
    *,
    strict: bool = False,
    seed: int = 0,
) -> Verification:
    """Verify an implementation of the loss.

    Args:
        implementation: a class or factory, an :class:`Implementation`, or what the command line
            takes: a registered name, ``module:attribute`` or ``file.py:attribute``.
        definition: ``torchcell``, ``no-self``, ``rank-n-contrast``, a definition of your own, or
            ``auto`` to find out what its numbers follow, which is what a class of your own gets.
        strict: whether findings on robustness fail it.
        seed: of the random cases.

    Returns:
        a value that prints as a table, shows as one in a notebook, and is true or false.

    Raises:
        UsageError: there is no such implementation or definition.
    """
    declares = True
    if isinstance(implementation, str):
        subject = locate(implementation)
        implementation = load(subject)
        declares = subject.kind in ("folder", "entry point")
    elif not isinstance(implementation, Implementation):
        declares = False
        name = getattr(implementation, "__name__", type(implementation).__name__)
        implementation = Implementation(
            name=name, title=name, source="Python", factory=implementation
        )
    try:
        with _alarm(CHECK_LIMIT_S):
            verifier = make_verifier(implementation, definition, declares=declares, seed=seed)
    except CheckTimeoutError:
        # It does not answer at all, so what it follows is not known, and `no-self` serves.
        verifier = Verifier.unprobed(implementation.name, implementation.factory, NO_SELF, seed)
    outcomes: list[Outcome] = []
    diagnosis: Diagnosis | None = None
    began = time.monotonic()
    for check in all_checks():
        if time.monotonic() - began > TOTAL_LIMIT_S:
            outcomes.append(
                Outcome(
                    check=check.name,
                    group=check.group,
                    verdict=Verdict.NOT_RUN,
                    finding="the time was up",
                )
            )
            continue
        try:
            with _alarm(CHECK_LIMIT_S):
                outcomes.append(verifier.run(check))
        except CheckTimeoutError as error:
            outcomes.append(
                Outcome(
                    check=check.name,
                    group=check.group,
                    verdict=Verdict.FAIL,
                    cases=1,
                    failed=1,
                    finding=str(error),
                )
            )
    with suppress(CheckTimeoutError), _alarm(CHECK_LIMIT_S):
        diagnosis = verifier.diagnose(outcomes)
    return Verification(
        implementation=implementation.name,
        definition=verifier.bench.definition.name,
        recognised=verifier.recognised,
        strict=strict,
        seed=seed,
        outcomes=tuple(outcomes),
        diagnosis=diagnosis,
    )
