"""Columns of zeros change nothing."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.relation import relation


def run(context: CheckContext) -> Iterator[Trial]:
    """Three columns of zeros appended to both views: the same loss, and no gradient in them."""
    problem = context.problem(n=11, dims=2)
    none = torch.zeros(11, 3, dtype=problem.first.dtype)
    changed = problem.changed(
        "zero columns appended",
        first=torch.cat((problem.first, none), dim=1),
        second=torch.cat((problem.second, none), dim=1),
    )
    yield relation(
        context,
        problem,
        changed,
        lambda a: tuple(torch.cat((g, none.double()), dim=1) for g in a.gradients),
    )


CHECK = Check(
    name="zero columns",
    group="relations",
    why="a loss that divides by the number of columns has another temperature at every width",
    run=run,
)
