"""A label dimension given twice counts twice."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.bench import Bench, Check, relation, same_gradients
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """Weights (2, 1) on (y, z) are weights (1, 1, 1) on (y, y, z)."""
    bench.require(bench.takes_weights, "takes no dimension weights")
    problem = bench.problem(n=11, dims=2)
    problem = problem.changed("weights 2, 1", weights=torch.tensor([2.0, 1.0]).to(problem.weights))
    changed = problem.changed(
        "a dimension given twice",
        labels=problem.labels[:, [0, 0, 1]],
        weights=torch.ones(3).to(problem.weights),
    )
    yield relation(bench, problem, changed, same_gradients)


CHECK = Check(
    name="duplicated dimension",
    group="relations",
    why="dimensions must be combined by their weights and nothing else",
    run=run,
)
