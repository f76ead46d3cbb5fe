"""Agreement: an implementation's error against the reference, and against other implementations."""

import torch
from torch import Tensor

from supcr_bench.reference.compare import Answer, deviations, finite, worst_of
from supcr_bench.reference.reference import Reference
from supcr_bench.reference.tolerance import bounds_of

Errors = dict[str, float | None]
"""Figures of a result on value and gradient: errors, and errors as multiples of the tolerance."""


def _ratio(difference: Tensor, scale: Tensor) -> Tensor:
    """The differences as multiples of a scale; a difference of 0 counts as 0."""
    return torch.where(difference == 0, 0.0, difference / scale)


def errors_of(answer: Answer, reference: Reference) -> tuple[Errors, str | None]:
    """The errors of value and gradient, and a sentence if they exceed the tolerance.

    The value's error is the largest relative error of the loss and the per-dimension losses; the
    gradient's is the largest error of a row, relative to the largest row. An error is ``None`` if
    it is NaN or relative to zero; after a forward alone there are no gradient errors.
    """
    bounds, gives = bounds_of(reference), f"{reference.definition.name} gives"
    trials = deviations(reference.batch, answer, reference, bounds, gives=gives)
    pairs = list(zip(answer.gradients, reference.gradients, strict=False))
    values = trials[: len(trials) - len(pairs)]
    own, right = answer.loss.reshape(1), reference.loss.reshape(1)
    if len(values) > 1 and answer.parts is not None:
        own = torch.cat([own, answer.parts])
        right = torch.cat([right, reference.per_dimension])
    relative, worst = _ratio((own - right).abs(), right.abs()).max(), worst_of(values)
    found: Errors = {"value_error": finite(relative), "value_tolerances": finite(worst.tolerances)}
    finding = worst.finding
    if answer.gradients:
        worst = worst_of(trials[len(values) :])
        off = torch.cat([own - right for own, right in pairs]).norm(dim=1).max()
        size = torch.cat([right for _, right in pairs]).norm(dim=1).max()
        found |= {
            "gradient_error": finite(_ratio(off, size)),
            "gradient_tolerances": finite(worst.tolerances),
        }
        finding = finding or worst.finding
    return found, finding


def pair_differences(one: Answer, other: Answer) -> tuple[float | None, float | None]:
    """The relative differences of two losses, and of their gradients if both have one."""

    def difference(a: Tensor, b: Tensor) -> float | None:
        if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
            return None
        largest = [x.reshape(len(x), -1).norm(dim=1).max() for x in (a - b, a, b)]
        return finite(_ratio(largest[0], max(largest[1:])))

    value = difference(one.loss.reshape(1), other.loss.reshape(1))
    if not one.gradients or len(one.gradients) != len(other.gradients):
        return value, None
    return value, difference(torch.cat(one.gradients), torch.cat(other.gradients))
