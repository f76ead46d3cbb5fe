"""The temperature, misapplied."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class TemperatureMissing(RightSupCR):
    """Never divided by."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows)


class TemperatureSquared(RightSupCR):
    """Divided by twice."""

    def logits(self, rows: Tensor) -> Tensor:
        return super().logits(rows) / self.temperature


class TemperatureMultiplied(RightNoSelf):
    """Multiplied by."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows) * self.temperature


class TemperatureHardCoded(RightSupCR):
    """The default, whatever was asked for."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows) / 0.1


class TemperatureOfTheNumeratorOnly(RightSupCR):
    """The candidates are summed without it."""

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        return super().log_contrast(s * self.temperature, chosen)


TEMPERATURE = PHRASES["temperature"]

BUGS = (
    SeededBug(
        name="temperature-missing",
        factory=TemperatureMissing,
        group="definition",
        diagnosis=TEMPERATURE["missing"],
        why="Without it cosines lie between -1 and 1, and the softmax is all but flat.",
    ),
    SeededBug(
        name="temperature-squared",
        factory=TemperatureSquared,
        group="definition",
        diagnosis=TEMPERATURE["squared"],
        why="Divided once in the similarity and once more in the loss: 0.1 acts as 0.01.",
    ),
    SeededBug(
        name="temperature-multiplied",
        factory=TemperatureMultiplied,
        group="definition",
        diagnosis=TEMPERATURE["multiplies"],
        definition="no-self",
        why="A logit scale, as in CLIP, taken for a temperature.",
    ),
    SeededBug(
        name="temperature-hard-coded",
        factory=TemperatureHardCoded,
        group="definition",
        diagnosis=None,
        why="A sweep over temperatures then shows that the temperature does not matter.",
    ),
    SeededBug(
        name="temperature-of-the-numerator-only",
        factory=TemperatureOfTheNumeratorOnly,
        group="definition",
        diagnosis=None,
        why="Numerator and denominator are computed in two places, and one was missed.",
    ),
)
