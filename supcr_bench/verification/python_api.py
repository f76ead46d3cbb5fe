"""``supcr_bench.verify(MyLoss)``: verification from Python and from a notebook."""

from collections.abc import Callable
from typing import Any

from supcr_bench.subjects.process_state import pinned_threads
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import AUTO, Definition
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.impact import find_question
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.session import CHECK_LIMIT_S
from supcr_bench.verification.verification import Verification


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
    elif not isinstance(implementation, Implementation):
        if not callable(implementation):
            raise TypeError(
                f"{implementation!r} is not an implementation: give a class, a function or a name"
            )
        name = getattr(implementation, "__name__", type(implementation).__name__)
        implementation = Implementation(
            name=name, title=name, source="Python", definition=AUTO, factory=implementation
        )
    session = LocalSession(
        implementation, definition, device=device, limit_s=CHECK_LIMIT_S, strict=strict, seed=seed
    )
    session.question = question if labels else None
    with pinned_threads(1):  # the problems are small; more threads would only wait for each other
        return session.verified()
