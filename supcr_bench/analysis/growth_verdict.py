"""The verdict on growth, from counted or from timed figures."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthVerdict:
    """The growth law of a figure, or why it is undecided.

    Attributes:
        law: name of the law, where the data separate it from every other; else ``None``.
        evidence: the deciding figures, or what would decide it, in a sentence.
        candidates: names of the laws that the data leave open, slowest first.
        exponent: the power of N; ``None`` where the data do not bound it.
        exponent_low, exponent_high: its interval.
        needs_size: the batch size that it would take to tell the candidates apart; ``None`` if the
            law is decided, or if no feasible size would decide it.
        curve: the fitted figure at a batch size, for drawing; ``None`` without a fit.
        band: the smallest and the largest figure that the data allow there.
    """

    law: str | None
    evidence: str
    candidates: tuple[str, ...] = ()
    exponent: float | None = None
    exponent_low: float | None = None
    exponent_high: float | None = None
    needs_size: int | None = None
    curve: Callable[[float], float] | None = None
    band: Callable[[float], tuple[float, float]] | None = None


def what_would_tell(size: int | None) -> str:
    return f"needs N up to about {size}" if size else "no feasible size would decide"
