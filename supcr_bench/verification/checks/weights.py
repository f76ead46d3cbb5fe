"""Dimension weights: unequal, and not adding up to one."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("weights", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """The weighted loss divides by the sum of the weights, whatever that is.

    Ignored or unnormalised weights change which label is learnt.
    """
    context.require(context.takes_weights, "takes no dimension weights")
    specs = [
        {"n": n, "dims": dims, "weights": weights, "nan_density": density, "seed": dims}
        for n, dims, density in ((5, 2, 0.0), (9, 3, 0.3), (17, 8, 0.2))
        for weights in ("unequal", "unnormalised")
    ]
    for problem in context.problems(specs):
        yield context.compare(problem, upstream=context.upstream(problem.labels.shape[1]))
