"""Two inputs whose right answers are related exactly, with no reference in between."""

from collections.abc import Callable

from torch import Tensor

from supcr_bench.verification.candidate import Answer
from supcr_bench.verification.compare import Bounds, bounds_of, deviations, raised
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, worst_of
from supcr_bench.verification.problem import Problem


def relation(
    context: CheckContext,
    problem: Problem,
    changed: Problem,
    gradients: Callable[[Answer], tuple[Tensor, ...]],
) -> Trial:
    """Two problems with the same loss, and gradients that are related exactly.

    Args:
        context: asks both.
        problem: the first.
        changed: the second.
        gradients: from the first answer, what the second's gradients must be.
    """
    try:
        before, after = context.ask(problem), context.ask(changed)
    except Exception as error:  # noqa: BLE001 - whatever an implementation raises
        return raised(changed, error)
    first = bounds_of(problem, context.definition, context.reference(problem))
    second = bounds_of(changed, context.definition, context.reference(changed))
    both = Bounds(
        loss=first.loss + second.loss,
        parts=second.parts,
        gradients=tuple(2 * bound for bound in second.gradients),
    )
    return worst_of(
        deviations(changed, after, before.loss, gradients(before), both, gives="the relation gives")
    )


def same_gradients(answer: Answer) -> tuple[Tensor, ...]:
    """The relation that leaves gradients as they are."""
    return answer.gradients
