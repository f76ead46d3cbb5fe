"""Without weights every dimension counts the same, however many there are."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright


@check("default weights", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """Built without weights, for one, two and three dimensions.

    Weights for two dimensions broadcast silently over one, and raise for three.
    """
    context.require(context.takes_weights, "takes no dimension weights")
    for dims in (1, 2, 3):
        problem = context.problem(n=7, dims=dims)
        problem = problem.changed("default weights")
        try:
            module = context.candidate.build(problem, weights=False)
        except Exception as error:  # noqa: BLE001 - whatever it raises
            yield outright(problem.name, f"raises {type(error).__name__}: {error}", problem)
            continue
        yield context.compare(problem, module=module)
