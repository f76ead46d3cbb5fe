"""Only the order of label distances counts: shift, scale and sign do not."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("label transformations", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """On dyadic labels every one of these is exact in floating point.

    Units and origin of a label are arbitrary.
    """
    for labels in ("continuous", "tied"):
        problem = context.problem(n=13, dims=2, labels=labels)
        dyadic = torch.round(problem.labels * 64) / 64
        problem = problem.changed("dyadic", labels=dyadic)
        for name, other in (
            ("labels + 4", dyadic + 4),
            ("labels * 8", dyadic * 8),
            ("labels * -1", -dyadic),
        ):
            yield context.relation(problem, problem.changed(name, labels=other))
