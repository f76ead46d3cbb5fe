"""The result of either way of summing the candidates."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class ContrastSums:
    """The sum over all i != j, its gradient, and the contrast of each pair.

    Attributes:
        total: scalar, over all views.
        gradient: [V, M, M], d total / d s.
        log_contrasts: [V, M, M], log of each candidate sum before the floor; +inf where i = j.
    """

    total: Tensor
    gradient: Tensor
    log_contrasts: Tensor
