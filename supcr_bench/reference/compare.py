"""An implementation's answer (loss and gradients), and its errors beside the bounds of rounding."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.reference import Method, Reference, compute_reference
from supcr_bench.reference.tolerance import Bounds, bounds_of
from supcr_bench.reference.trial import Trial, worst_of
from supcr_bench.values.definition import Definition
from supcr_bench.values.units import digits_apart

VIEWS = ("first", "second")


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
    definition: Definition,
    batch: Batch,
    upstream: tuple[float, ...] | None = None,
    method: Method | None = None,
) -> Reference:
    """The reference, computed once per process, because all subjects get the same problems."""
    arriving = None if upstream is None else torch.tensor(upstream, dtype=torch.float64)
    return compute_reference(definition, batch, method=method, upstream=arriving)


def judge(answer: Answer, reference: Reference, dtype: str | None = None) -> Trial:
    """The worst error; ``dtype`` sets the rounding, by default that of the inputs."""
    bounds, gives = bounds_of(reference, dtype), f"{reference.definition.name} gives"
    values = value_trials(answer, reference, bounds)
    return worst_of(
        [*values, *gradient_trials(reference.batch, answer, reference, bounds, gives=gives)]
    )


def value_trials(answer: Answer, reference: Reference, bounds: Bounds) -> list[Trial]:
    batch, gives = reference.batch, f"{reference.definition.name} gives"
    right, parts = reference.loss, reference.per_dimension
    trials = [deviation(batch, "the loss", answer.loss, right, bounds.loss, gives=gives)]
    if answer.parts is not None and answer.parts.shape == parts.shape:
        name = "the loss of dimension {}"
        trials.append(deviation(batch, name, answer.parts, parts, bounds.parts, gives=gives))
    return trials


def gradient_trials(
    batch: Batch, own: Answer, right: Answer | Reference, bounds: Bounds, *, gives: str
) -> list[Trial]:
    of_views = zip(VIEWS, own.gradients, right.gradients, bounds.gradients, strict=False)
    return [
        deviation(batch, f"the {view} view's gradient", mine, expected, bound, gives=gives)
        for view, mine, expected, bound in of_views
    ]


def deviations(
    batch: Batch, own: Answer, right: Answer | Reference, bounds: Bounds, *, gives: str
) -> list[Trial]:
    loss = deviation(batch, "the loss", own.loss, right.loss, bounds.loss, gives=gives)
    return [loss, *gradient_trials(batch, own, right, bounds, gives=gives)]


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
