"""A cosine's gradient is orthogonal to its embedding."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import Check
from supcr_bench.verification.compare import bounds_of, deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, worst_of


def run(context: CheckContext) -> Iterator[Trial]:
    """Moving along an embedding changes its length alone."""
    context.require(context.definition.similarity == "cosine", "holds for cosines only")
    problem = context.problem(n=17, dims=2)
    answer = context.ask(problem)
    bounds = bounds_of(problem, context.definition, context.reference(problem))
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


CHECK = Check(
    name="tangent gradient",
    group="relations",
    why="a gradient along the embedding grows its norm and slows training down",
    run=run,
)
