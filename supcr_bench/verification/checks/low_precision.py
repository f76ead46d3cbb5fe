"""float16, bfloat16 and autocast, within the rounding of that precision."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("low precision", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """Against the definition of the same, already rounded inputs; autocast around forward alone.

    Mixed precision is the default of most training loops.
    """
    for dtype in ("bfloat16", "float16"):
        yield context.compare(context.problem(n=9, dims=1, labels="tied", dtype=dtype))
    problem = context.problem(n=9, dims=1, labels="tied")
    module = context.candidate.build(problem)

    device = torch.device(context.candidate.device).type

    def under_autocast(*arguments: torch.Tensor) -> object:
        with torch.autocast(device, dtype=torch.bfloat16):
            return module(*arguments)

    yield context.compare(problem.changed("autocast"), module=under_autocast, dtype="bfloat16")
