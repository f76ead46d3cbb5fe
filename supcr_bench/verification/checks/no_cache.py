"""New content in the same storage is a new question."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import check
from supcr_bench.verification.compare import loss_deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("no cached outputs", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """The tensors of one question overwritten in place by those of another.

    Buffers are reused in training; an answer remembered by address is an old one.
    """
    problem = context.problem(n=9, dims=2)
    other = context.problem(n=9, dims=2, seed=3).changed("same storage, new content")
    module = context.candidate.build(problem)
    tensors = context.given(problem)
    with torch.no_grad():
        context.candidate.invoke(module, *tensors)
        for tensor, content in zip(tensors, context.given(other), strict=True):
            tensor.copy_(content)
        loss, _ = unpack(context.candidate.invoke(module, *tensors), 2)
    right, bound = context.ask(other).loss, context.bounds(other).loss
    yield loss_deviation(other, loss, right, bound, "a new module gives")
