"""float16, bfloat16 and autocast, within the rounding of that precision."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.bench import Bench, Check
from supcr_bench.verification.outcome import Trial


def run(bench: Bench) -> Iterator[Trial]:
    """Against the definition of the same, already rounded inputs; autocast around forward alone."""
    for dtype in ("bfloat16", "float16"):
        yield bench.compare(bench.problem(n=9, dims=1, labels="tied", dtype=dtype))
    problem = bench.problem(n=9, dims=1, labels="tied")
    module = bench.candidate.build(problem)

    def under_autocast(*arguments: torch.Tensor) -> object:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return module(*arguments)

    yield bench.compare(problem.changed("autocast"), module=under_autocast, dtype="bfloat16")


CHECK = Check(
    name="low precision",
    group="robustness",
    why="mixed precision is the default of most training loops",
    run=run,
)
