"""What was read of a loss: the member of the family that it is, and what departs from it."""

import math
from dataclasses import dataclass, field

from supcr_bench.verification.family import Member
from supcr_bench.verification.probes import Fit, Probe


@dataclass(slots=True)
class Reading:
    """The choices that a loss was found to make.

    Attributes:
        member: the choices, with the given or the default temperature; ``None`` if none fits.
        default_temperature: the loss's temperature if none is given.
        factors: factor of the gradient of the mean over pairs: on a batch of few rows, and on one
            of twice as many.
        sign: -1 if the gradient points the wrong way.
        ratio: the loss divided by the loss that fits its gradient; NaN if unknown.
        shift: constant added to the loss.
        factor_words: the factor in words, which are among the faults too.
        counted: the factor in words if missing labels are counted; else empty.
        views: the views, where the factor tells more than the member: their mean, or one twice.
        nan_labels: rule for missing labels, a key of ``PHRASES``; empty if unknown.
        renormalises: whether a dimension without a pair gives its weight to the others.
        choices: what else departs from a plain member by choice, in words.
        faults: what departs in another way than by a field of the member, in words.
        smallest: about the smallest denominator that was seen; a much smaller eps stays unknown.
        complete: whether all was read; if not, ties, eps and missing labels are unknown.
        float32: whether it computes float64 inputs in float32.
    """

    member: Member | None = None
    default_temperature: float | None = None
    factors: list[float] = field(default_factory=list)
    sign: int = 1
    ratio: float = 1.0
    shift: float = 0.0
    factor_words: str = ""
    counted: str = ""
    views: str = ""
    several_dimensions: bool = False
    nan_labels: str = ""
    renormalises: bool = False
    choices: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    smallest: float = 0.0
    complete: bool = False
    float32: bool = False

    def value_error(self, fit: Fit, probe: Probe) -> float:
        """Relative difference of a loss and the loss that its gradient implies; 0 if unknown."""
        right = fit.value * self.ratio + self.shift
        return 0.0 if math.isnan(right) else abs(right - probe.loss) / abs(probe.loss or 1.0)
