"""A batch without a single label can be trained on: the gradient is zero."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.bench import Bench, Check
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """Such batches come up where labels are rare, and must not stop the training."""
    bench.require(bench.takes_missing_labels, "the definition does not support NaN labels")
    problem = bench.problem(n=5, dims=2)
    labels = torch.full_like(problem.labels, torch.nan)
    yield bench.compare(problem.changed("every label NaN", labels=labels))


CHECK = Check(
    name="all labels missing",
    group="robustness",
    why="a loss without a graph makes backward raise in the middle of an epoch",
    run=run,
)
