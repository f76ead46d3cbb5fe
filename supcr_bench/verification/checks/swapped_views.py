"""Neither view is the first."""

from collections.abc import Iterator

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.relation import relation


def run(context: CheckContext) -> Iterator[Trial]:
    """The views swapped: the same loss, gradients swapped."""
    context.require(context.definition.views != "single", "the definition has a single view")
    for labels in ("continuous", "tied"):
        problem = context.problem(n=11, dims=2, labels=labels)
        changed = problem.changed("views swapped", first=problem.second, second=problem.first)
        yield relation(context, problem, changed, lambda a: a.gradients[::-1])


CHECK = Check(
    name="swapped views",
    group="relations",
    why="a view that is used twice, or detached, trains half of the network",
    run=run,
)
