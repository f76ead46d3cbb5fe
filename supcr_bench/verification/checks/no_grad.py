"""The value does not depend on whether a gradient will be asked for."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.bench import Bench, Check, bounds_of, deviation
from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """Under ``torch.no_grad`` and under ``torch.inference_mode``."""
    problem = bench.problem(n=9, dims=2)
    bound = bounds_of(problem, bench.definition, bench.reference(problem)).loss
    usual = bench.ask(problem).loss
    for name, mode in (("no_grad", torch.no_grad), ("inference_mode", torch.inference_mode)):
        with mode():
            module = bench.candidate.build(problem)
            output = bench.candidate.invoke(
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
