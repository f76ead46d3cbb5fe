"""Labels that tie: where the conventions of the family part, and sorts go wrong."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("ties", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """Labels on a grid, in clusters, of two values and of one.

    Real labels repeat; whether the anchor counts among its candidates then is the definition.
    """
    specs = [
        {"n": n, "dims": dims, "labels": labels, "nan_density": density, "seed": n}
        for n, dims, density in ((2, 1, 0.0), (3, 1, 0.0), (5, 1, 0.0), (17, 2, 0.2), (64, 1, 0.0))
        for labels in ("tied", "clustered", "binary", "constant")
    ]
    for problem in context.problems(specs):
        yield context.compare(problem)
