"""The output that the note prints."""

import math
from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial
from supcr_bench.verification.problem import Problem

_NAN = math.nan
_LABELS = ((1.2, 2.1), (0.4, _NAN), (_NAN, 3.2), (1.4, 2.3))
_ONE_DIMENSION = ((1.2, _NAN), (0.4, _NAN), (1.8, _NAN), (1.4, _NAN))
PUBLISHED = (
    (_LABELS, (1.0, 1.0), 2.3407),
    (_LABELS, (0.7, 0.3), 2.4128),
    (_ONE_DIMENSION, (0.7, 0.3), 2.0708),
)
"""Labels, weights and the loss printed for them, to four decimals."""


@check("published output", "definition")
def run(context: CheckContext) -> Iterator[Trial]:
    """Four rows of eight columns from ``torch.manual_seed(42)``.

    The figures that the definition was published with.
    """
    definition = context.definition
    context.require(
        (definition.similarity, definition.views, definition.label_distance)
        == ("cosine", "sum", "per_dimension")
        and definition.empty_dimension == "keeps_weight"
        and bool(context.candidate.knobs.temperature)
        and context.takes_weights,
        "the note's figures are of another definition",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        first, second = torch.randn(4, 8), torch.randn(4, 8)
    for labels, weights, printed in PUBLISHED:
        problem = Problem(
            first, second, torch.tensor(labels), torch.tensor(weights), 0.1, f"prints {printed}"
        )
        loss = float(context.ask(problem).loss)
        bound = 0.5e-4 + 4 * 2.0**-22  # half the last digit, and a few units of float32
        error = abs(loss - printed)
        finding = f"the loss is {loss:.6f} where the note prints {printed}"
        right = error <= bound
        yield Trial(
            problem.name,
            error / bound if math.isfinite(error) else math.inf,
            error,
            bound,
            None if right else finding,
            problem,
        )
