"""A cosine does not see the length of a row."""

from collections.abc import Iterator

import torch

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("embedding scale", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Every row times a power of two of its own: the same loss, gradients divided by it.

    Without normalisation the loss can be lowered by growing the embeddings.
    """
    context.require(
        context.definition.similarity == "cosine", "a distance does depend on the rows' lengths"
    )
    problem = context.problem(n=11, dims=2)
    exponents = torch.from_numpy(Stream("scale", context.seed).uniform(11) * 9 - 4).floor()
    scale = torch.exp2(exponents).unsqueeze(1)
    changed = problem.changed(
        "rows scaled",
        first=problem.first * scale.to(problem.first),
        second=problem.second * scale.to(problem.second),
    )
    yield context.relation(problem, changed, lambda a: tuple(g / scale for g in a.gradients))
