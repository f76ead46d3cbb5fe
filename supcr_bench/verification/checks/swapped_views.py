"""Neither view is the first."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("swapped views", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """The views swapped: the same loss, gradients swapped.

    A view that is used twice, or detached, trains half of the network.
    """
    context.require(context.definition.views != "single", f"{context.definition.name} has one view")
    for labels in ("continuous", "tied"):
        problem = context.problem(n=11, dims=2, labels=labels)
        changed = problem.changed("views swapped", first=problem.second, second=problem.first)
        yield context.relation(problem, changed, lambda a: a.gradients[::-1])
