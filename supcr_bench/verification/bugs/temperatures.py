"""The temperature, misapplied."""

from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

TEMPERATURE = PHRASES["temperature"]


@seeded_bug(named=TEMPERATURE["missing"])
class TemperatureMissing(RightSupCR):
    """Never divided by. Without it cosines lie between -1 and 1, and the softmax is all but
    flat."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows)


@seeded_bug(named=TEMPERATURE["squared"])
class TemperatureSquared(RightSupCR):
    """Divided by twice. Divided once in the similarity and once more in the loss: 0.1 acts as
    0.01."""

    def logits(self, rows: Tensor) -> Tensor:
        return super().logits(rows) / self.temperature


@seeded_bug(named=TEMPERATURE["multiplies"])
class TemperatureMultiplied(RightNoSelf):
    """Multiplied by. A logit scale, as in CLIP, taken for a temperature."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows) * self.temperature


@seeded_bug()
class TemperatureHardCoded(RightSupCR):
    """The default, whatever was asked for. A sweep over temperatures then shows that the
    temperature does not matter."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows) / 0.1


@seeded_bug()
class TemperatureOfTheNumeratorOnly(RightSupCR):
    """The candidates are summed without it. Numerator and denominator are computed in two
    places, and one was missed."""

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        return super().log_contrast(s * self.temperature, chosen)
