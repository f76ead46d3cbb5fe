"""What an implementation returns."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one implementation returned, as float64 on the CPU.

    Attributes:
        loss: scalar.
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
