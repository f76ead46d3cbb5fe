"""An implementation's answer (loss and gradients), and its errors beside the bounds of rounding."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.reference import Reference, compute_reference
from supcr_bench.reference.tolerance import Bounds, bounds_of
from supcr_bench.values.definition import Definition
from supcr_bench.values.units import digits_apart

VIEWS = ("first", "second")


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One comparison of an answer with the right one.

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
    problem: Batch | None = None

    @property
    def failed(self) -> bool:
        return not self.tolerances <= 1


def outright(case: str, finding: str | None, problem: Batch | None = None) -> Trial:
    """A trial that is right or wrong without a measured error."""
    return Trial(case, math.inf if finding else 0.0, finding=finding, problem=problem)


def measured(problem: Batch, error: float, bound: float, finding: str) -> Trial:
    """A trial of one number, which gets the finding only if the error exceeds the bound."""
    tolerances = error / bound if math.isfinite(error) else math.inf
    text = None if tolerances <= 1 else finding
    return Trial(problem.name, tolerances, error, bound, text, problem)


def worst_of(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda t: math.inf if math.isnan(t.tolerances) else t.tolerances)


def finite(value: Tensor | float | None) -> float | None:
    """The value as a number; ``None`` for NaN and infinity, which strict JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(value)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one implementation returned, as float64 on the CPU.

    Attributes:
        parts: [D] losses of the D label dimensions; ``None`` where only the total was returned.
        gradients: [N, d], N rows by embedding size d, for each view; empty after a forward alone.
    """

    loss: Tensor
    parts: Tensor | None
    gradients: tuple[Tensor, ...] = ()


def answer_of(loss: Tensor, parts: Tensor | None, gradients: Sequence[Tensor]) -> Answer:
    """Copy an answer, so that the implementation cannot change it later."""
    return Answer(
        loss=loss.detach().double().cpu().clone(),
        parts=None if parts is None else parts.detach().double().cpu().clone(),
        gradients=tuple(view.double().cpu().clone() for view in gradients),
    )


def scale_up(loss: Tensor, parts: Tensor | None, upstream: Tensor | None) -> Tensor:
    """The scalar whose backward sends the [1 + D] gradient ``upstream`` to the loss and parts."""
    if upstream is None:
        return loss
    scalar = loss * upstream[0].to(loss)
    return scalar if parts is None else scalar + (parts * upstream[1:].to(parts)).sum()


@functools.lru_cache(maxsize=512)
def reference_of(
    definition: Definition, batch: Batch, upstream: tuple[float, ...] | None = None
) -> Reference:
    """The reference, computed once per process, because all subjects get the same problems."""
    arriving = None if upstream is None else torch.tensor(upstream, dtype=torch.float64)
    return compute_reference(definition, batch, upstream=arriving)


def judge(answer: Answer, reference: Reference, dtype: str | None = None) -> Trial:
    """The worst error; ``dtype`` sets the rounding, by default that of the inputs."""
    gives = f"{reference.definition.name} gives"
    bounds = bounds_of(reference, dtype)
    return worst_of(deviations(reference.batch, answer, reference, bounds, gives=gives))


def deviations(
    batch: Batch, own: Answer, right: Answer | Reference, bounds: Bounds, *, gives: str
) -> list[Trial]:
    """Errors of the loss, of per-dimension losses that a reference has too, and of gradients."""
    trials = [deviation(batch, "the loss", own.loss, right.loss, bounds.loss, gives=gives)]
    if isinstance(right, Reference) and own.parts is not None:
        parts, name = right.per_dimension, "the loss of dimension {}"
        if own.parts.shape == parts.shape:
            trials.append(deviation(batch, name, own.parts, parts, bounds.parts, gives=gives))
    of_views = zip(VIEWS, own.gradients, right.gradients, bounds.gradients, strict=False)
    return trials + [
        deviation(batch, f"the {view} view's gradient", mine, expected, bound, gives=gives)
        for view, mine, expected, bound in of_views
    ]


def deviation(
    batch: Batch,
    name: str,
    own: Tensor,
    right: Tensor,
    bound: Tensor | float,
    *,
    gives: str = "it should be",
) -> Trial:
    """Measure the error of one output: of a number, of each entry of a vector, or of each row.

    ``{}`` in ``name`` stands for the number of an entry of a vector. ``bound`` is the absolute
    tolerance of each entry or row, and ``gives`` says in words where ``right`` comes from.
    """
    own, right = (x.detach().double().cpu() for x in (own, right))
    own, right = (x.reshape(1) if x.numel() == 1 else x for x in (own, right))
    limit = torch.as_tensor(bound, dtype=torch.float64).reshape(-1)
    if torch.allclose(own, right, rtol=0, atol=0, equal_nan=True):
        return Trial(batch.name, 0.0, error=0.0, bound=float(limit.max()), problem=batch)
    difference = (own - right).reshape(len(own), -1).norm(dim=1)
    ratio = torch.where(difference == 0, 0.0, difference / limit).nan_to_num(math.inf, math.inf)
    worst = int(ratio.argmax())
    tolerances, error, finding = float(ratio[worst]), float(difference[worst]), None
    if tolerances > 1 and own.ndim > 1:
        finding = f"{name} is {_amiss(own, right, error, gives)}"
    elif tolerances > 1:
        mine, other = float(own[worst]), float(right[worst])
        digits = digits_apart(mine, other)
        finding = f"{name.format(worst)} is {mine:.{digits}g} where {gives} {other:.{digits}g}"
    if not math.isfinite(error):
        return Trial(batch.name, math.inf, finding=finding, problem=batch)
    return Trial(batch.name, tolerances, error, float(limit[worst]), finding, batch)


def _amiss(own: Tensor, right: Tensor, error: float, gives: str) -> str:
    """What is wrong with a matrix: all of it by a factor, or the error of its worst row."""
    scale = float(right.norm(dim=1).max())
    if not math.isfinite(error):
        return f"not finite in {int((~own.isfinite()).any(dim=1).sum())} of {len(own)} rows"
    if scale == 0:
        return f"not 0 where {gives} 0"
    if not own.any():
        return "0"
    factor = float((own * right).sum() / (right * right).sum())
    proportional = float((own - factor * right).norm()) < 1e-3 * float(right.norm())
    if proportional and abs(factor - 1) > 1e-2:
        return f"{factor:.4g} times what {gives}"
    return f"off by {error / scale:.2g} of its {'length' if len(own) == 1 else 'largest row'}"
