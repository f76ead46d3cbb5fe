"""One comparison of an answer with the right one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a stored verification is read without torch
    from torch import Tensor

    from supcr_bench.inputs.tensors import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One comparison.

    Attributes:
        tolerances: the error as a multiple of its bound; above 1 is a failure, and infinite means
            a failure without a measured error.
        error: the largest absolute error, if one was measured.
        bound: the largest absolute error that rounding explains.
        problem: the inputs, if they may be shrunk to a smaller failing case.
    """

    case: str
    tolerances: float
    error: float | None = None
    bound: float | None = None
    finding: str | None = None
    problem: "Batch | None" = None

    @property
    def failed(self) -> bool:
        return not self.tolerances <= 1


def outright(case: str, finding: str | None, problem: "Batch | None" = None) -> Trial:
    """A trial that is right or wrong without a measured error."""
    return Trial(case, math.inf if finding else 0.0, finding=finding, problem=problem)


def worst_of(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda t: math.inf if math.isnan(t.tolerances) else t.tolerances)


def finite(value: "Tensor | float | None") -> float | None:
    """The value as a number; ``None`` for NaN and infinity, which strict JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(value)


def measured(problem: "Batch", error: float, bound: float, finding: str) -> Trial:
    """A trial of one number, which gets the finding only if the error exceeds the bound."""
    tolerances = error / bound if math.isfinite(error) else math.inf
    text = None if tolerances <= 1 else finding
    return Trial(problem.name, tolerances, error, bound, text, problem)
