"""Agreement: what an implementation answers, held against the definition and the others."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.reference import Reference
from supcr_bench.reference.tolerance import gradient_tolerance, total_tolerance, value_tolerance
from supcr_bench.values.case import Case
from supcr_bench.values.definition import Definition


class BrokenCallError(Exception):
    """An implementation returned something that is not the definition's answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one implementation returned, as float64 on the CPU.

    Attributes:
        loss: scalar.
        per_dimension: [D].
        gradients: [N, d] for each view; ``None`` where only forward was asked for.
    """

    loss: Tensor
    per_dimension: Tensor
    gradients: tuple[Tensor, Tensor] | None = None


def check_output(output: object, dims: int) -> tuple[Tensor, Tensor]:
    """The (loss, per-dimension) pair of a call.

    Raises:
        BrokenCallError: it is something else; says what.
    """
    if not (isinstance(output, tuple | list) and len(output) == 2):
        raise BrokenCallError(
            f"returned {type(output).__name__}, not the pair (loss, per-dimension losses)"
        )
    loss, per_dimension = output
    for name, value, shape in (
        ("loss", loss, ()),
        ("per-dimension losses", per_dimension, (dims,)),
    ):
        if not isinstance(value, Tensor):
            raise BrokenCallError(f"{name}: {type(value).__name__}, not a tensor")
        if tuple(value.shape) != shape:
            raise BrokenCallError(f"{name} of shape {tuple(value.shape)}, not {shape}")
    return loss, per_dimension


def take_answer(loss: Tensor, per_dimension: Tensor, batch: Batch | None) -> Answer:
    """Copy an answer out of the implementation's hands; with gradients if given the batch."""
    gradients = None
    if batch is not None:
        gradients = (_gradient(batch.perturbed), _gradient(batch.intact))
    return Answer(
        loss=loss.detach().double().cpu().clone(),
        per_dimension=per_dimension.detach().double().cpu().clone(),
        gradients=gradients,
    )


def _gradient(leaf: Tensor) -> Tensor:
    """A leaf's gradient; none at all is a zero gradient."""
    if leaf.grad is None:
        return torch.zeros(leaf.shape, dtype=torch.float64)
    return leaf.grad.detach().double().cpu().clone()


@dataclass(frozen=True, slots=True)
class Deviation:
    """A distance from the definition.

    Attributes:
        error: relative; ``None`` where it is not a number, or relative to zero.
        tolerances: the same as a multiple of the tolerance; ``None`` where it is not a number.
        finding: what is wrong, in a sentence; ``None`` where within the tolerance.
    """

    error: float | None
    tolerances: float | None
    finding: str | None


def _multiple(difference: Tensor, tolerance: Tensor) -> float:
    """The largest difference as a multiple of its tolerance; nothing is 0 of nothing."""
    ratios = torch.where(difference == 0, 0.0, difference / tolerance)
    return float(ratios.max())


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _relative(difference: float, scale: float) -> float | None:
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else None


def value_deviation(
    answer: Answer, reference: Reference, case: Case, definition: Definition
) -> Deviation:
    """Of the total loss and of each per-dimension loss, the worst."""
    own = torch.cat([answer.loss.reshape(1), answer.per_dimension])
    right = torch.cat([reference.loss.reshape(1), reference.per_dimension])
    if not torch.isfinite(own).all():
        return Deviation(
            None,
            None,
            f"the loss is {float(answer.loss):g} where the definition gives "
            f"{float(reference.loss):.6g}",
        )
    parts = value_tolerance(case, definition, reference)
    tolerance = torch.cat(
        [torch.tensor([total_tolerance(case, reference, parts)], dtype=torch.float64), parts]
    )
    difference = (own - right).abs()
    tolerances = _multiple(difference, tolerance)
    relative = torch.where(difference == 0, 0.0, difference / right.abs())
    error = float(relative.max())
    finding = None
    if tolerances > 1:
        worst = int((difference / tolerance).nan_to_num(0).argmax())
        name = "the loss" if worst == 0 else f"the loss of dimension {worst - 1}"
        finding = (
            f"{name} is {float(own[worst]):.6g} where the definition gives "
            f"{float(right[worst]):.6g}"
        )
    return Deviation(_finite(error), _finite(tolerances), finding)


def gradient_deviation(
    answer: Answer,
    reference: Reference,
    case: Case,
    definition: Definition,
    batch: Batch,
) -> Deviation:
    """Over both views, the worst row."""
    if answer.gradients is None:
        raise ValueError("the answer has no gradients")
    largest = error = 0.0
    tolerances = 0.0
    for own, right, view in zip(
        answer.gradients, reference.gradients, (batch.perturbed, batch.intact), strict=True
    ):
        if not torch.isfinite(own).all():
            bad = int((~torch.isfinite(own)).any(dim=1).sum())
            return Deviation(None, None, f"the gradient is not finite in {bad} of {len(own)} rows")
        difference = (own - right).norm(dim=1)
        tolerance = gradient_tolerance(case, definition, reference, view)
        tolerances = max(tolerances, _multiple(difference, tolerance))
        error = max(error, float(difference.max()))
        largest = max(largest, float(right.norm(dim=1).max()))
    relative = _relative(error, largest)
    finding = None
    if tolerances > 1:
        amount = f"{relative:.2g} of its largest row" if relative is not None else f"{error:.2g}"
        finding = f"the gradient is off by {amount}"
    return Deviation(relative, _finite(tolerances), finding)


def pair_differences(one: Answer, other: Answer) -> tuple[float | None, float | None]:
    """Relative difference of two answers in value and, where both have one, in gradient."""

    def difference(a: Tensor, b: Tensor) -> float | None:
        if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
            return None
        rows_a, rows_b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        scale = max(float(rows_a.norm(dim=1).max()), float(rows_b.norm(dim=1).max()))
        return _relative(float((rows_a - rows_b).norm(dim=1).max()), scale)

    value = difference(one.loss.reshape(1), other.loss.reshape(1))
    if one.gradients is None or other.gradients is None:
        return value, None
    return value, difference(torch.cat(one.gradients), torch.cat(other.gradients))
