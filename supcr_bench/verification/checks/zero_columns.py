"""Columns of zeros change nothing."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("zero columns", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Three columns of zeros appended to both views: the same loss, and no gradient in them.

    A loss that divides by the number of columns has another temperature at every width.
    """
    problem = context.problem(n=11, dims=2)
    none = torch.zeros(11, 3, dtype=problem.first.dtype)
    changed = problem.changed(
        "zero columns appended",
        first=torch.cat((problem.first, none), dim=1),
        second=torch.cat((problem.second, none), dim=1),
    )
    yield context.relation(
        problem,
        changed,
        lambda a: tuple(torch.cat((g, none.double()), dim=1) for g in a.gradients),
    )
