"""A row without any label is not there."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import Answer
from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("unlabelled row", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Appended, whatever its embedding holds, it changes nothing and gets no gradient.

    Masking by multiplication lets a NaN through; zero times NaN is NaN.
    """
    context.require_missing_labels()
    problem = context.problem(n=9, dims=2, nan_density=0.2)
    missing = torch.full((1, problem.labels.shape[1]), torch.nan, dtype=problem.labels.dtype)
    for name, value in (("ordinary", 0.5), ("zero", 0.0), ("huge", 2.0**60), ("NaN", torch.nan)):
        row = torch.full((1, problem.embedding_size), value, dtype=problem.first.dtype)
        changed = problem.changed(
            f"an unlabelled row with {name} embedding appended",
            first=torch.cat((problem.first, row)),
            second=torch.cat((problem.second, row)),
            labels=torch.cat((problem.labels, missing)),
        )
        none = torch.zeros(1, problem.embedding_size, dtype=torch.float64)

        def unchanged(answer: Answer, none: torch.Tensor = none) -> tuple[torch.Tensor, ...]:
            return tuple(torch.cat((g, none)) for g in answer.gradients)

        yield context.relation(problem, changed, unchanged)
