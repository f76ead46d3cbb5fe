"""Large labels, and float64 labels closer together than float32 can tell."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("label magnitude", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """Label distances are formed in the labels' own dtype.

    Labels cast to a lower precision tie where the data do not.
    """
    problem = context.problem(n=13, dims=1)
    whole = torch.round(problem.labels * 64)
    yield context.compare(problem.changed("labels of about 1e6", labels=whole + 2.0**20))
    fine = context.problem(n=13, dims=1, dtype="float64")
    steps = torch.round(fine.labels * 1024)
    yield context.compare(
        fine.changed("labels 2^-40 apart", labels=1 + steps * 2.0**-40), dtype="float32"
    )
