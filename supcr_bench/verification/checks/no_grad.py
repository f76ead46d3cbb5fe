"""The value does not depend on whether a gradient will be asked for."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import Check
from supcr_bench.verification.compare import bounds_of, deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


def run(context: CheckContext) -> Iterator[Trial]:
    """Under ``torch.no_grad`` and under ``torch.inference_mode``."""
    problem = context.problem(n=9, dims=2)
    bound = bounds_of(problem, context.definition, context.reference(problem)).loss
    usual = context.ask(problem).loss
    for name, mode in (("no_grad", torch.no_grad), ("inference_mode", torch.inference_mode)):
        with mode():
            module = context.candidate.build(problem)
            output = context.candidate.invoke(
                module, problem.first.clone(), problem.second.clone(), problem.labels.clone()
            )
            loss, _ = unpack(output, 2)
        yield deviation(
            problem.changed(f"under torch.{name}"),
            "the loss",
            loss.detach().double().reshape(1),
            usual.reshape(1),
            torch.tensor([bound], dtype=torch.float64),
            gives="it gives with gradients",
        )


CHECK = Check(
    name="no grad",
    group="conduct",
    why="validation loops run without gradients",
    run=run,
)
