"""Infinite labels and NaN embeddings never give a plausible number."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright
from supcr_bench.verification.problem import Problem


def _refuses(context: CheckContext, problem: Problem) -> Trial:
    """An error is fine, and so is NaN."""
    try:
        loss = float(context.ask(problem).loss)
    except (ValueError, AssertionError, FloatingPointError):
        return outright(problem.name, None)
    except Exception as error:  # noqa: BLE001 - whatever it raises
        clear = isinstance(error, RuntimeError)
        text = f"raises {type(error).__name__}: {error}, not an error that names the input"
        return outright(problem.name, None if clear else text, problem)
    finding = f"the loss is {loss:.6g}" if loss == loss else None
    return outright(problem.name, finding, problem)


@check("non-finite inputs", "robustness")
def run(context: CheckContext) -> Iterator[Trial]:
    """One entry of the labels, or of an embedding.

    A diverged network or a broken label must be seen, not averaged away.
    """
    base = context.problem(n=7, dims=1)
    for value in (torch.inf, -torch.inf):
        labels = base.labels.clone()
        labels[2, 0] = value
        yield _refuses(context, base.changed(f"a label of {value:g}", labels=labels))
    first = base.first.clone()
    first[2, 1] = torch.nan
    yield _refuses(context, base.changed("a NaN in an embedding", first=first))
