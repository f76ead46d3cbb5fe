"""Two rows without a tie have nothing to rank: the loss is 0."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("two rows", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Two rows, and many of which only two have a label.

    The only candidate of a pair is its partner, so the loss and its gradient are 0.
    """
    context.require(
        context.definition.views != "concatenate", "two concatenated views make four rows"
    )
    yield context.compare(context.problem(n=2, dims=1))
    if context.takes_missing_labels:
        problem = context.problem(n=7, dims=1)
        labels = problem.labels.clone()
        labels[2:] = torch.nan
        yield context.compare(problem.changed("two labelled rows", labels=labels))
