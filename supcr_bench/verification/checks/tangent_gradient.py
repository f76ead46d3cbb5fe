"""A cosine's gradient is orthogonal to its embedding."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.compare import deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, worst_of


@check("tangent gradient", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Moving along an embedding changes its length alone.

    A gradient along the embedding grows its norm and slows training down.
    """
    context.require(context.definition.similarity == "cosine", "holds for cosines only")
    problem = context.problem(n=17, dims=2)
    answer = context.ask(problem)
    bounds = context.bounds(problem)
    trials = []
    names = ("the first view's gradient", "the second view's gradient")
    views = (problem.first, problem.second)
    for name, gradient, view, bound in zip(
        names, answer.gradients, views, bounds.gradients, strict=False
    ):
        along = (gradient * view.double()).sum(dim=1) / view.double().norm(dim=1)
        trials.append(
            deviation(problem, f"{name} along its embedding", along, torch.zeros_like(along), bound)
        )
    yield worst_of(trials)
