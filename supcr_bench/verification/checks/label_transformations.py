"""Only the order of label distances counts: shift, scale and sign do not."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.bench import Bench, Check, relation, same_gradients
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """On dyadic labels every one of these is exact in floating point."""
    for labels in ("continuous", "tied"):
        problem = bench.problem(n=13, dims=2, labels=labels)
        dyadic = torch.round(problem.labels * 64) / 64
        problem = problem.changed("dyadic", labels=dyadic)
        for name, other in (
            ("labels + 4", dyadic + 4),
            ("labels * 8", dyadic * 8),
            ("labels * -1", -dyadic),
        ):
            yield relation(bench, problem, problem.changed(name, labels=other), same_gradients)


CHECK = Check(
    name="label transformations",
    group="relations",
    why="units and origin of a label are arbitrary",
    run=run,
)
