"""float16, bfloat16 and autocast, within the rounding of that precision."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


def run(context: CheckContext) -> Iterator[Trial]:
    """Against the definition of the same, already rounded inputs; autocast around forward alone."""
    for dtype in ("bfloat16", "float16"):
        yield context.compare(context.problem(n=9, dims=1, labels="tied", dtype=dtype))
    problem = context.problem(n=9, dims=1, labels="tied")
    module = context.candidate.build(problem)

    def under_autocast(*arguments: torch.Tensor) -> object:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return module(*arguments)

    yield context.compare(problem.changed("autocast"), module=under_autocast, dtype="bfloat16")


CHECK = Check(
    name="low precision",
    group="robustness",
    why="mixed precision is the default of most training loops",
    run=run,
)
