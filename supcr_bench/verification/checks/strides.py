"""How tensors lie in memory means nothing."""

from collections.abc import Iterator

import torch
from torch import Tensor

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import Check
from supcr_bench.verification.compare import bounds_of, deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, worst_of


def _transposed(x: Tensor) -> Tensor:
    """The same values, column by column in memory."""
    return x.t().contiguous().t()


def _sliced(x: Tensor) -> Tensor:
    """The same values as every second row and column of a larger tensor of other values."""
    wide = torch.full((2 * x.shape[0], 2 * x.shape[1] + 1), 9.0, dtype=x.dtype)
    wide[::2, 1::2] = x
    return wide[::2, 1::2]


def run(context: CheckContext) -> Iterator[Trial]:
    """Views and labels transposed in memory, and sliced out of larger tensors."""
    problem = context.problem(n=9, d=6, dims=3)
    bounds = bounds_of(problem, context.definition, context.reference(problem))
    usual = context.ask(problem)
    module = context.candidate.build(problem)
    for name, lay in (("transposed in memory", _transposed), ("sliced", _sliced)):
        case = problem.changed(name)
        leaves = [lay(v).detach().requires_grad_() for v in (problem.first, problem.second)]
        output = context.candidate.invoke(module, leaves[0], leaves[1], lay(problem.labels))
        loss, _ = unpack(output, 3)
        loss.backward()  # type: ignore[no-untyped-call]
        trials = [
            deviation(
                case,
                "the loss",
                loss.detach().double().reshape(1),
                usual.loss.reshape(1),
                torch.tensor([bounds.loss], dtype=torch.float64),
                gives="it gives on contiguous tensors",
            )
        ]
        for leaf, right, bound in zip(leaves, usual.gradients, bounds.gradients, strict=False):
            own = torch.zeros_like(right) if leaf.grad is None else leaf.grad.double()
            trials.append(deviation(case, "a gradient", own, right, bound))
        yield worst_of(trials)


CHECK = Check(
    name="strides",
    group="conduct",
    why="embeddings come out of slices and transposes",
    run=run,
)
