"""Compares an answer (loss and gradients) with the right one, within the bounds of rounding."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Problem
from supcr_bench.measure.outcome import describe_error
from supcr_bench.reference import tolerance
from supcr_bench.reference.answer import Answer
from supcr_bench.reference.reference import Method, Reference, compute_reference
from supcr_bench.values.definition import Definition
from supcr_bench.values.units import digits_apart
from supcr_bench.verification.outcome import FindingError, Trial, outright, worst_of

VIEWS = ("first", "second")


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Tolerances of one problem: its loss, per-dimension losses [D], each view's gradients [N]."""

    loss: float
    parts: Tensor
    gradients: tuple[Tensor, ...]


def reference_of(
    definition: Definition,
    problem: Problem,
    upstream: Tensor | None = None,
    method: Method | None = None,
) -> Reference:
    """The reference, which is computed once in a process: all subjects get the same problems."""
    return _reference(
        definition, problem, None if upstream is None else tuple(upstream.tolist()), method
    )


@functools.lru_cache(maxsize=512)
def _reference(
    definition: Definition,
    problem: Problem,
    upstream: tuple[float, ...] | None,
    method: Method | None,
) -> Reference:
    return compute_reference(
        definition,
        problem.views[: 1 if definition.views == "single" else 2],
        problem.labels,
        weights=problem.weights,
        temperature=problem.temperature,
        method=method,
        upstream=None if upstream is None else torch.tensor(upstream, dtype=torch.float64),
        floor_margin=tolerance.logit_error(problem),
    )


def bounds_of(
    problem: Problem, definition: Definition, reference: Reference, dtype: str | None = None
) -> Bounds:
    """Derive the tolerances; see :mod:`supcr_bench.reference.tolerance`."""
    conditions = problem
    if dtype is not None:
        conditions = replace(problem, first=problem.first.to(getattr(torch, dtype)))
    parts = tolerance.value_tolerance(conditions, definition, reference)
    return Bounds(
        loss=tolerance.total_tolerance(conditions, reference, parts),
        parts=parts,
        gradients=tuple(
            tolerance.gradient_tolerance(conditions, definition, reference, view)
            for view in problem.views[: len(reference.gradients)]
        ),
    )


def judge(
    problem: Problem,
    definition: Definition,
    answer: Answer,
    reference: Reference,
    dtype: str | None = None,
) -> Trial:
    bounds = bounds_of(problem, definition, reference, dtype)
    gives = f"{definition.name} gives"
    right = (reference.loss, reference.gradients)
    trials = deviations(problem, answer, *right, bounds, gives=gives)
    if answer.parts is not None and len(answer.parts) == len(reference.per_dimension):
        name, expected = "a per-dimension loss", reference.per_dimension
        parts = deviation(problem, name, answer.parts, expected, bounds.parts, gives=gives)
        trials.insert(1, parts)
    return worst_of(trials)


def deviations(
    problem: Problem,
    own: Answer,
    loss: Tensor,
    gradients: Sequence[Tensor],
    bounds: Bounds,
    *,
    gives: str,
) -> list[Trial]:
    trials = [deviation(problem, "the loss", own.loss, loss, bounds.loss, gives=gives)]
    of_views = zip(VIEWS, own.gradients, gradients, bounds.gradients, strict=False)
    for view, mine, right, bound in of_views:
        name = f"the {view} view's gradient"
        trials.append(deviation(problem, name, mine, right, bound, gives=gives))
    return trials


def measured(problem: Problem, error: float, bound: float, finding: str) -> Trial:
    """A trial of one number; the finding holds where its error exceeds the bound."""
    tolerances = error / bound if math.isfinite(error) else math.inf
    text = None if tolerances <= 1 else finding
    return Trial(problem.name, tolerances, error, bound, text, problem)


def finding_of(error: Exception) -> str:
    return str(error) if isinstance(error, FindingError) else f"raises {describe_error(error)}"


def raised(problem: Problem, error: Exception) -> Trial:
    return outright(problem.name, finding_of(error), problem)


def deviation(
    problem: Problem,
    name: str,
    own: Tensor,
    right: Tensor,
    bound: Tensor | float,
    *,
    gives: str = "it should be",
) -> Trial:
    """Measure the error of one output: a number, or a vector, or by norms the rows of a matrix.

    Args:
        problem: the inputs.
        name: the output's name.
        own: the implementation's value.
        right: the correct value.
        bound: the absolute tolerance of each entry or row.
        gives: the source of ``right``, in words.
    """
    own, right = (x.detach().double().cpu() for x in (own, right))
    own, right = (x.reshape(1) if x.numel() == 1 else x for x in (own, right))
    limit = torch.as_tensor(bound, dtype=torch.float64).reshape(-1)
    if torch.allclose(own, right, rtol=0, atol=0, equal_nan=True):
        return Trial(problem.name, 0.0, error=0.0, bound=float(limit.max()), problem=problem)
    if not torch.isfinite(own).all():
        text = f"{name} is not finite"
        if own.numel() == 1:
            text = f"{name} is {float(own):g} where {gives} {float(right):.6g}"
        return Trial(problem.name, math.inf, finding=text, problem=problem)

    difference = (own - right).reshape(len(own), -1).norm(dim=1)
    ratio = torch.where(difference == 0, 0.0, difference / limit)
    worst = int(ratio.argmax())
    tolerances, error = float(ratio[worst]), float(difference[worst])
    finding = None
    if tolerances > 1 and own.ndim > 1:
        finding = f"{name} is {_amiss(own, right, error, gives)}"
    elif tolerances > 1:
        mine, other = float(own[worst]), float(right[worst])
        digits = digits_apart(mine, other)
        among = f": {mine:.{digits}g} in dimension {worst}"
        value = f" is {mine:.{digits}g}" if own.numel() == 1 else among
        finding = f"{name}{value} where {gives} {other:.{digits}g}"
    return Trial(problem.name, tolerances, error, float(limit[worst]), finding, problem)


def _amiss(own: Tensor, right: Tensor, error: float, gives: str) -> str:
    """What a matrix is where its largest error is in a row: a multiple, if that explains it."""
    scale = float(right.norm(dim=1).max())
    if scale == 0:
        return f"not 0 where {gives} 0"
    if not own.any():
        return "0"
    factor = float((own * right).sum() / (right * right).sum())
    proportional = float((own - factor * right).norm()) < 1e-3 * float(right.norm())
    if proportional and abs(factor - 1) > 1e-2:
        return f"{factor:.4g} times what {gives}"
    return f"off by {error / scale:.2g} of its {'length' if len(own) == 1 else 'largest row'}"
