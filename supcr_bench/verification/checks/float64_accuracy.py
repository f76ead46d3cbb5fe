"""float64 in means float64 accuracy out."""

from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("float64 accuracy", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """Against the rounding of float64.

    A float32 accumulator inside makes gradient checks and double-precision runs meaningless.
    """
    specs = [
        {"n": n, "dims": dims, "labels": labels, "dtype": "float64", "seed": n}
        for n, dims in ((3, 1), (9, 2), (17, 3))
        for labels in ("continuous", "tied")
    ]
    for problem in context.problems(specs):
        yield context.compare(problem)
