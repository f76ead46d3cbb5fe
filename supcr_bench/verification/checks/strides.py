"""How tensors lie in memory means nothing."""

from collections.abc import Iterator

import torch
from torch import Tensor

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import check
from supcr_bench.verification.compare import deviation, loss_deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, worst_of


def _transposed(x: Tensor) -> Tensor:
    """The same values, column by column in memory."""
    return x.t().contiguous().t()


def _sliced(x: Tensor) -> Tensor:
    """The same values as every second row and column of a larger tensor of other values."""
    wide = torch.full((2 * x.shape[0], 2 * x.shape[1] + 1), 9.0, dtype=x.dtype, device=x.device)
    wide[::2, 1::2] = x
    return wide[::2, 1::2]


@check("strides", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """Views and labels transposed in memory, and sliced out of larger tensors.

    Embeddings come out of slices and transposes.
    """
    problem = context.problem(n=9, d=6, dims=3)
    bounds = context.bounds(problem)
    usual = context.ask(problem)
    module = context.candidate.build(problem)
    for name, lay in (("transposed in memory", _transposed), ("sliced", _sliced)):
        case = problem.changed(name)
        first, second, labels = map(lay, context.given(problem))
        leaves = [view.detach().requires_grad_() for view in (first, second)]
        output = context.candidate.invoke(module, leaves[0], leaves[1], labels)
        loss, _ = unpack(output, 3)
        loss.backward()  # type: ignore[no-untyped-call]
        gives = "it gives on contiguous tensors"
        trials = [loss_deviation(case, loss, usual.loss, bounds.loss, gives)]
        for leaf, right, bound in zip(leaves, usual.gradients, bounds.gradients, strict=False):
            own = torch.zeros_like(right) if leaf.grad is None else leaf.grad.double().cpu()
            trials.append(deviation(case, "a gradient", own, right, bound))
        yield worst_of(trials)
