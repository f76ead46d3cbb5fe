"""A batch without a single label can be trained on: the gradient is zero."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("all labels missing", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """Such batches come up where labels are rare, and must not stop the training.

    A loss without a graph makes backward raise in the middle of an epoch.
    """
    context.require_missing_labels()
    problem = context.problem(n=5, dims=2)
    labels = torch.full_like(problem.labels, torch.nan)
    yield context.compare(problem.changed("every label NaN", labels=labels))
