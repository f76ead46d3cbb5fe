"""Nothing is kept from call to call."""

import gc
from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright

CALLS = 8


def _live_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())


@check("memory growth", "conduct", slow=True)
def run(context: CheckContext) -> Iterator[Trial]:
    """Live tensors after some calls, and after as many more.

    Graphs that are kept run a training out of memory hours into it.
    """
    problem = context.problem(n=7, dims=2)
    module = context.candidate.build(problem)
    counts = []
    gc.freeze()  # what there was before is not counted, which in a large program takes long
    try:
        for _ in range(3):
            for _ in range(CALLS):
                context.ask(problem, module=module)
            counts.append(_live_tensors())
    finally:
        gc.unfreeze()
    grown = min(counts[1] - counts[0], counts[2] - counts[1])
    finding = None
    if grown >= CALLS:
        finding = f"{grown // CALLS} tensors more after every call"
    yield outright(f"{CALLS} calls", finding)
