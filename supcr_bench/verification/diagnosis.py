"""Says what is most likely wrong with a loss, and finds a small case that shows it."""

from collections.abc import Sequence
from contextlib import suppress

from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.departures import causes
from supcr_bench.verification.outcome import Diagnosis, Outcome, Trial, Verdict
from supcr_bench.verification.resolve import read
from supcr_bench.verification.shrink import fails, shrink, snippet


def find_causes(context: CheckContext) -> tuple[str, ...]:
    """Where the loss departs from its definition, read from its numbers."""
    recognised = context.subject.resolution.recognised
    if recognised is not None:
        return recognised.faults
    with suppress(Exception):  # a check has reported what it raises
        return tuple(causes(read(context.subject, context.device), context.definition))
    return ()


def diagnose(
    context: CheckContext, outcomes: Sequence[Outcome], failed: Sequence[Trial]
) -> Diagnosis | None:
    """Return what is most likely wrong; ``None`` if nothing is, or if the findings say it already.

    The failed trials come from the checks of the definition and of relations.
    """
    wrong = [o for o in outcomes if o.verdict is Verdict.FAIL]
    if not wrong:
        return None
    found = find_causes(context)
    counting = [o for o in wrong if o.group != "robustness"]
    if not found and not counting:
        return None
    problems = sorted((t.problem for t in failed if t.problem is not None), key=lambda p: p.size)
    smallest = next((shrink(context, p) for p in problems[:5] if fails(context, p)), None)
    return Diagnosis(
        causes=found,
        smallest=smallest.name if smallest else None,
        snippet=snippet(context, smallest) if smallest else None,
    )
