"""Agreement: an implementation's error against the reference, and against other implementations."""

import math

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.answer import Answer, Deviation, explain
from supcr_bench.reference.reference import Reference
from supcr_bench.reference.tolerance import gradient_tolerance, total_tolerance, value_tolerance
from supcr_bench.values.case import Case
from supcr_bench.values.definition import Definition


def _ratio(difference: Tensor, scale: Tensor) -> Tensor:
    """The differences as multiples of a scale; a difference of 0 counts as 0."""
    return torch.where(difference == 0, 0.0, difference / scale)


def _finite(x: Tensor) -> float | None:
    return float(x) if math.isfinite(x) else None


def value_deviation(
    answer: Answer, reference: Reference, case: Case, definition: Definition
) -> Deviation:
    """The error of the loss or, if it is larger, that of a per-dimension loss."""
    own, right = answer.loss.reshape(1), reference.loss.reshape(1)
    if answer.parts is not None and answer.parts.shape == reference.per_dimension.shape:
        own = torch.cat([own, answer.parts])
        right = torch.cat([right, reference.per_dimension])
    if not torch.isfinite(own).all():
        said = explain("the loss", float(answer.loss), definition.name, float(reference.loss))
        return Deviation(None, None, said)
    parts = value_tolerance(case, definition, reference)
    total = torch.tensor([total_tolerance(case, reference, parts)], dtype=torch.float64)
    difference = (own - right).abs()
    multiples = _ratio(difference, torch.cat([total, parts])[: len(own)])
    finding = None
    if multiples.max() > 1:
        worst = int(multiples.argmax())
        name = "the loss" if worst == 0 else f"the loss of dimension {worst - 1}"
        finding = explain(name, float(own[worst]), definition.name, float(right[worst]))
    relative = _ratio(difference, right.abs()).max()
    return Deviation(_finite(relative), _finite(multiples.max()), finding)


def gradient_deviation(
    answer: Answer,
    reference: Reference,
    case: Case,
    definition: Definition,
    batch: Batch,
) -> Deviation:
    if not answer.gradients:
        raise ValueError("the answer has no gradients")
    largest = error = tolerances = torch.zeros((), dtype=torch.float64)
    for own, right, view in zip(
        answer.gradients, reference.gradients, (batch.perturbed, batch.intact), strict=False
    ):
        if not torch.isfinite(own).all():
            bad = int((~torch.isfinite(own)).any(dim=1).sum())
            return Deviation(None, None, f"the gradient is not finite in {bad} of {len(own)} rows")
        difference = (own - right).norm(dim=1)
        tolerance = gradient_tolerance(case, definition, reference, view)
        tolerances = max(tolerances, _ratio(difference, tolerance).max())
        error = max(error, difference.max())
        largest = max(largest, right.norm(dim=1).max())
    relative = _finite(_ratio(error, largest))
    finding = None
    if tolerances > 1:
        amount = f"{error:.2g}" if relative is None else f"{relative:.2g} of its largest row"
        finding = f"the gradient is off by {amount}"
    return Deviation(relative, _finite(tolerances), finding)


def pair_differences(one: Answer, other: Answer) -> tuple[float | None, float | None]:
    """The relative differences of two losses, and of their gradients if both have one."""

    def difference(a: Tensor, b: Tensor) -> float | None:
        if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
            return None
        largest = [x.reshape(len(x), -1).norm(dim=1).max() for x in (a - b, a, b)]
        return _finite(_ratio(largest[0], max(largest[1:])))

    value = difference(one.loss.reshape(1), other.loss.reshape(1))
    if not one.gradients or len(one.gradients) != len(other.gradients):
        return value, None
    return value, difference(torch.cat(one.gradients), torch.cat(other.gradients))
