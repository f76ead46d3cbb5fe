"""The loss lies between 0 and what the temperature allows."""

import math
from collections.abc import Iterator

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial


@check("bounds", "relations")
def run(context: CheckContext) -> Iterator[Trial]:
    """Every partner is among its own candidates, so no term is negative.

    With cosines no term exceeds log M + 2 / tau either.

    A negative loss means that the partner is missing from its own denominator.
    """
    specs = [
        {"n": n, "dims": 1, "labels": labels, "seed": n}
        for n in (3, 5, 17)
        for labels in ("continuous", "tied")
    ]
    for problem in context.problems(specs):
        loss = float(context.ask(problem).loss)
        bound = context.bounds(problem).loss
        views = 2 if context.definition.views == "sum" else 1
        rows = (
            2 * len(problem.labels)
            if context.definition.views == "concatenate"
            else len(problem.labels)
        )
        most = math.inf
        if context.definition.similarity == "cosine":
            most = views * (math.log(rows) + 2 / problem.temperature)
        error = max(-loss, loss - most, 0.0)
        finding = None
        if not error <= bound:
            finding = f"the loss is {loss:.6g}, outside 0 to {most:.6g}"
        tolerances = error / bound if math.isfinite(loss) else math.inf
        yield Trial(problem.name, tolerances, error, bound, finding, problem)
