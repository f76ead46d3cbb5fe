"""The order of the rows means nothing."""

from collections.abc import Iterator

import torch

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.verification.candidate import Answer
from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("permutation", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Rows of views and labels in another order: the same loss, gradients in that order.

    A loss that depends on the order of the batch reads something it must not.
    """
    specs = [
        {"n": n, "dims": 2, "nan_density": 0.2, "labels": labels, "seed": n}
        for n in (5, 17)
        for labels in ("continuous", "tied")
    ]
    if not context.takes_missing_labels:
        specs = [{**spec, "nan_density": 0.0} for spec in specs]
    for problem in context.problems(specs):
        n = len(problem.labels)
        order = torch.from_numpy(Stream("order", context.seed, n).choose(n, of=n))
        changed = problem.rows(order).changed("rows permuted")

        def permuted(answer: Answer, order: torch.Tensor = order) -> tuple[torch.Tensor, ...]:
            return tuple(g[order] for g in answer.gradients)

        yield context.relation(problem, changed, permuted)
