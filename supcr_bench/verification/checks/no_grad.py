"""The value does not depend on whether a gradient will be asked for."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import check
from supcr_bench.verification.compare import loss_deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("no grad", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """Under ``torch.no_grad`` and under ``torch.inference_mode``.

    Validation loops run without gradients.
    """
    problem = context.problem(n=9, dims=2)
    bound = context.bounds(problem).loss
    usual = context.ask(problem).loss
    for name, mode in (("no_grad", torch.no_grad), ("inference_mode", torch.inference_mode)):
        with mode():
            module = context.candidate.build(problem)
            loss, _ = unpack(context.candidate.invoke(module, *context.given(problem)), 2)
        case = problem.changed(f"under torch.{name}")
        yield loss_deviation(case, loss, usual, bound, "it gives with gradients")
