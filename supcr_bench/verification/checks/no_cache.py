"""New content in the same storage is a new question."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import Check
from supcr_bench.verification.compare import bounds_of, deviation
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


def run(context: CheckContext) -> Iterator[Trial]:
    """The tensors of one question overwritten in place by those of another."""
    problem = context.problem(n=9, dims=2)
    other = context.problem(n=9, dims=2, seed=3).changed("same storage, new content")
    module = context.candidate.build(problem)
    first, second, labels = problem.first.clone(), problem.second.clone(), problem.labels.clone()
    with torch.no_grad():
        context.candidate.invoke(module, first, second, labels)
        first.copy_(other.first)
        second.copy_(other.second)
        labels.copy_(other.labels)
        loss, _ = unpack(context.candidate.invoke(module, first, second, labels), 2)
    bounds = bounds_of(other, context.definition, context.reference(other))
    yield deviation(
        other,
        "the loss",
        loss.double().reshape(1),
        context.ask(other).loss.reshape(1),
        torch.tensor([bounds.loss], dtype=torch.float64),
        gives="a new module gives",
    )


CHECK = Check(
    name="no cached outputs",
    group="conduct",
    why="buffers are reused in training; an answer remembered by address is an old one",
    run=run,
)
