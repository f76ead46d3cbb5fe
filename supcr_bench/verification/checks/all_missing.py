"""A batch without a single label can be trained on: the gradient is zero."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


def run(context: CheckContext) -> Iterator[Trial]:
    """Such batches come up where labels are rare, and must not stop the training."""
    context.require(context.takes_missing_labels, "the definition does not support NaN labels")
    problem = context.problem(n=5, dims=2)
    labels = torch.full_like(problem.labels, torch.nan)
    yield context.compare(problem.changed("every label NaN", labels=labels))


CHECK = Check(
    name="all labels missing",
    group="robustness",
    why="a loss without a graph makes backward raise in the middle of an epoch",
    run=run,
)
