"""Missing labels, from a few to nearly all, and dimensions with one label or none."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.problem import Problem


def _with_valid(problem: Problem, counts: tuple[int, ...]) -> Problem:
    """Keep just the first so many labels of each dimension."""
    labels = problem.labels.clone()
    for c, count in enumerate(counts[: labels.shape[1]]):
        labels[count:, c] = torch.nan
    return problem.changed(f"{', '.join(map(str, counts))} valid", labels=labels)


@check("missing labels", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """Every density, and dimensions without a pair.

    Rows and pairs are counted per dimension; a wrong count rescales the gradient silently.
    """
    context.require_missing_labels()
    densities = (0.1, 0.25, 0.5, 0.75, 0.9)
    specs = [
        {"n": 24, "dims": 3, "nan_density": density, "labels": labels, "weights": "unequal"}
        for density in densities
        for labels in ("continuous", "tied")
    ]
    for problem in context.problems(specs):
        yield context.compare(problem, upstream=context.upstream(problem.labels.shape[1]))
    for counts in ((9, 1), (9, 0), (2, 9), (3, 2), (9, 5)):
        problem = _with_valid(context.problem(n=9, dims=2, weights="unequal"), counts)
        yield context.compare(problem)
