"""What an implementation returns, and how far that is from the definition."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.values.units import digits_apart


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one implementation returned, as float64 on the CPU.

    Attributes:
        loss: scalar.
        parts: [D] losses of the D label dimensions; ``None`` where only the total was returned.
        gradients: [N, d], N rows by embedding size d, for each view; empty after a forward alone.
        loss_dtype: the dtype of the returned loss.
    """

    loss: Tensor
    parts: Tensor | None
    gradients: tuple[Tensor, ...] = ()
    loss_dtype: torch.dtype = torch.float64


def answer_of(loss: Tensor, parts: Tensor | None, gradients: Sequence[Tensor]) -> Answer:
    """Copy an answer, so that the implementation cannot change it later."""
    return Answer(
        loss=loss.detach().double().cpu().clone(),
        parts=None if parts is None else parts.detach().double().cpu().clone(),
        gradients=tuple(view.double().cpu().clone() for view in gradients),
        loss_dtype=loss.dtype,
    )


def scale_up(loss: Tensor, parts: Tensor | None, upstream: Tensor | None) -> Tensor:
    """The scalar whose backward sends the [1 + D] gradient ``upstream`` to the loss and parts."""
    if upstream is None:
        return loss
    scalar = loss * upstream[0].to(loss)
    return scalar if parts is None else scalar + (parts * upstream[1:].to(parts)).sum()


@dataclass(frozen=True, slots=True)
class Deviation:
    """A distance from the right answer.

    Attributes:
        error: relative; ``None`` where it is not a number, or relative to zero.
        tolerances: the error as a multiple of the tolerance; ``None`` where it is not a number.
        finding: a sentence that says what is wrong; ``None`` within the tolerance.
    """

    error: float | None
    tolerances: float | None
    finding: str | None


def explain(name: str, own: float, source: str, right: float) -> str:
    """A sentence such as ``the loss is 2.5 where torchcell gives 2.25``."""
    digits = digits_apart(own, right)
    return f"{name} is {own:.{digits}g} where {source} gives {right:.{digits}g}"
