"""The axes of the embedding space mean nothing."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


def orthogonal(dtype: torch.dtype) -> torch.Tensor:
    """An 8 x 8 orthogonal matrix of halves: two Hadamard blocks and a reversal of the axes."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    block = torch.kron(two, two) / 2
    return torch.kron(torch.eye(2), block).flip(0).to(dtype)


@check("rotation", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Both views turned alike: the same loss, gradients turned along.

    Similarities depend on angles and distances alone.
    """
    problem = context.problem(n=11, d=8, dims=2)
    turn = orthogonal(problem.first.dtype)
    changed = problem.changed(
        "embeddings rotated", first=problem.first @ turn, second=problem.second @ turn
    )
    yield context.relation(
        problem, changed, lambda a: tuple(g @ turn.double() for g in a.gradients)
    )
