"""What claims to work under torch.compile does."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial

TAG = "compile"


@check("torch.compile", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """Only where the implementation carries the tag ``compile``.

    A claim that can be tested.
    """
    context.require(TAG in context.candidate.tags, "does not claim to work under torch.compile")
    problem = context.problem(n=9, dims=2)
    module = torch.compile(context.candidate.build(problem))
    yield context.compare(problem.changed("compiled"), module=module)
