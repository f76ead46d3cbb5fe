"""A label dimension given twice counts twice."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("duplicated dimension", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Weights (2, 1) on (y, z) are weights (1, 1, 1) on (y, y, z).

    Dimensions must be combined by their weights and nothing else.
    """
    context.require(context.takes_weights, "takes no dimension weights")
    problem = context.problem(n=11, dims=2)
    problem = problem.changed("weights 2, 1", weights=torch.tensor([2.0, 1.0]).to(problem.weights))
    changed = problem.changed(
        "a dimension given twice",
        labels=problem.labels[:, [0, 0, 1]],
        weights=torch.ones(3).to(problem.weights),
    )
    yield context.relation(problem, changed)
