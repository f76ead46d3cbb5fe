"""The gradient against finite differences of the value, with no reference in between."""

import math
from collections.abc import Iterator

import torch

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.values.case import UNIT_ROUNDOFF
from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.problem import Problem


def _directional(context: CheckContext, problem: Problem, accumulator: str) -> Trial:
    """The gradient along v against a central difference of fourth order.

    The step balances the truncation, of the order h^4, with the rounding of the value: u / h.
    """
    answer = context.ask(problem)
    u = UNIT_ROUNDOFF[accumulator]
    h = 0.5 * u ** (1 / 5) * problem.temperature
    n, d, _ = problem.size
    single = context.definition.views == "single"
    directions = [
        torch.from_numpy(Stream("direction", view, context.seed).bell(n * d).reshape(n, d)).to(
            problem.first
        )
        for view in (0, 1)
    ]
    length = math.sqrt(sum(float(v.pow(2).sum()) for v in directions))
    directions = [v / length for v in directions]

    def value(step: float) -> float:
        moved = problem.changed(
            "moved",
            first=problem.first + step * directions[0],
            second=problem.second + step * directions[1],
        )
        return float(context.ask(moved).loss)

    numeric = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    pairs = list(zip(answer.gradients, directions, strict=True))[: 1 if single else 2]
    analytic = sum(float((g * v.double()).sum()) for g, v in pairs)
    size = max(abs(float(answer.loss)), 1.0)
    # Rounding: 18/12 u of the value over h, several roundings deep; truncation: h^4 times a fifth
    # derivative that scales with 1/tau^5 and a direction of length 1.
    bound = size * (16 * u / h + (h / problem.temperature) ** 4 / problem.temperature)
    error = abs(numeric - analytic)
    tolerances = error / bound if math.isfinite(error) else math.inf
    finding = None
    if not tolerances <= 1:
        finding = (
            f"along a random direction the slope is {numeric:.6g}, the gradient {analytic:.6g}"
        )
    return Trial(problem.name, tolerances, error, bound, finding, problem)


@check("gradcheck", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """Small problems in float64, tied and not.

    A gradient that is not that of the value optimises something else.
    """
    for labels in ("continuous", "tied"):
        for dims in (1, 3):
            problem = context.problem(
                n=7, d=4, dims=dims, labels=labels, dtype="float64", seed=dims
            )
            trial = _directional(context, problem, "float64")
            if trial.failed:
                # A value accumulated in float32 is a matter of robustness, and has its own check.
                trial = _directional(context, problem, "float32")
            yield trial
