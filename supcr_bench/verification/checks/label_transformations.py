"""Only the order of label distances counts: shift, scale and sign do not."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.relation import relation, same_gradients


def run(context: CheckContext) -> Iterator[Trial]:
    """On dyadic labels every one of these is exact in floating point."""
    for labels in ("continuous", "tied"):
        problem = context.problem(n=13, dims=2, labels=labels)
        dyadic = torch.round(problem.labels * 64) / 64
        problem = problem.changed("dyadic", labels=dyadic)
        for name, other in (
            ("labels + 4", dyadic + 4),
            ("labels * 8", dyadic * 8),
            ("labels * -1", -dyadic),
        ):
            yield relation(context, problem, problem.changed(name, labels=other), same_gradients)


CHECK = Check(
    name="label transformations",
    group="relations",
    why="units and origin of a label are arbitrary",
    run=run,
)
