"""Value and gradient at batch sizes where implementations begin to work in chunks."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("large batches", "definition", slow=True)
def run(context: CheckContext) -> Iterator[Trial]:
    """Sizes around powers of two, with ragged ends.

    Chunked code is often wrong only past its chunk, or in a ragged last one.
    """
    specs = [
        {"n": n, "d": 16, "dims": dims, "nan_density": density, "seed": n}
        for n, dims, density in (
            (17, 1, 0.0),
            (33, 1, 0.0),
            (65, 1, 0.0),
            (129, 2, 0.1),
            (257, 1, 0.0),
            (300, 2, 0.1),
        )
    ]
    for problem in context.problems(specs):
        yield context.compare(problem)
