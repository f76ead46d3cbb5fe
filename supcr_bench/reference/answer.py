"""What an implementation returns, and how far that is from the definition."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one implementation returned, as float64 on the CPU.

    Attributes:
        loss: scalar.
        parts: [D] losses of the label dimensions; ``None`` where it returns the total alone.
        gradients: [N, d] for each view; empty where only forward was asked for.
        loss_dtype: of the loss as it was returned.
    """

    loss: Tensor
    parts: Tensor | None
    gradients: tuple[Tensor, ...] = ()
    loss_dtype: torch.dtype = torch.float64


@dataclass(frozen=True, slots=True)
class Deviation:
    """A distance from the right answer.

    Attributes:
        error: relative; ``None`` where it is not a number, or relative to zero.
        tolerances: the same as a multiple of the tolerance; ``None`` where it is not a number.
        finding: what is wrong, in a sentence; ``None`` where within the tolerance.
    """

    error: float | None
    tolerances: float | None
    finding: str | None


def explain(name: str, own: float, source: str, right: float) -> str:
    """Such as ``the loss is 2.5 where torchcell gives 2.25``."""
    return f"{name} is {own:.6g} where {source} gives {right:.6g}"
