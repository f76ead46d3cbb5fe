"""Neither view is the first."""

from collections.abc import Iterator

from supcr_bench.verification.bench import Bench, Check, relation
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """The views swapped: the same loss, gradients swapped."""
    bench.require(bench.definition.views != "single", "the definition has a single view")
    for labels in ("continuous", "tied"):
        problem = bench.problem(n=11, dims=2, labels=labels)
        changed = problem.changed("views swapped", first=problem.second, second=problem.first)
        yield relation(bench, problem, changed, lambda a: a.gradients[::-1])


CHECK = Check(
    name="swapped views",
    group="relations",
    why="a view that is used twice, or detached, trains half of the network",
    run=run,
)
