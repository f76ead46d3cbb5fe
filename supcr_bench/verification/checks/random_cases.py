"""Value and gradient over random batches of many shapes."""

from collections.abc import Iterator
from typing import Any

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("random cases", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """Rows, columns, dimensions and missing labels, each over its range.

    A loss that is off on plain random batches trains something else.
    """
    specs: list[dict[str, Any]] = [
        {"n": n, "d": d, "dims": dims, "nan_density": density, "seed": 10 * n + dims}
        for n, d, dims, density in (
            (2, 8, 1, 0.0),
            (3, 2, 1, 0.0),
            (3, 8, 2, 0.0),
            (5, 8, 1, 0.2),
            (5, 1, 2, 0.0),
            (5, 64, 3, 0.2),
            (17, 8, 1, 0.0),
            (17, 3, 2, 0.25),
            (17, 16, 8, 0.5),
            (17, 512, 4, 0.1),
            (64, 8, 1, 0.0),
            (64, 64, 2, 0.25),
            (64, 16, 3, 0.9),
        )
    ]
    tau = context.definition.temperature
    specs += [{"n": 9, "d": 8, "dims": 1, "temperature": factor * tau} for factor in (0.8, 3, 10)]
    for problem in context.problems(specs):
        yield context.compare(problem)
        yield context.compare(problem, upstream=context.upstream(problem.labels.shape[1]))
