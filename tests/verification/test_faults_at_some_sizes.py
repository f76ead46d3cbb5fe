"""Faults that show only at some sizes, dimensions or temperatures are caught."""

from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Verdict

RIGHT = load(locate("scan")).factory


class SupCR(torch.nn.Module):
    """The right loss."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__()
        self.temperature, self.weights, self.eps = temperature, weights, eps

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
        return self.loss(self.temperature, self.weights)(perturbed, intact, labels)

    def loss(self, temperature: float, weights: Tensor | None) -> Any:
        return RIGHT(temperature=temperature, weights=weights, eps=self.eps)


class TemperatureOfOneDimension(SupCR):
    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
        tau = self.temperature if labels.shape[1] == 1 else 0.1
        return self.loss(tau, self.weights)(perturbed, intact, labels)


class WeightsOfSmallBatches(SupCR):
    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
        weights = self.weights if len(labels) <= 17 else None
        return self.loss(self.temperature, weights)(perturbed, intact, labels)


class LeavesGradientsOff(SupCR):
    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
        output = super().forward(perturbed, intact, labels)
        torch.set_grad_enabled(False)
        return output


@pytest.mark.parametrize(
    ("factory", "check", "verdict"),
    [
        (TemperatureOfOneDimension, "random cases", Verdict.FAIL),
        (TemperatureOfOneDimension, "low temperature", Verdict.FAIL),
        (WeightsOfSmallBatches, "missing labels", Verdict.FAIL),
        (LeavesGradientsOff, "gradcheck", Verdict.PASS),
    ],
)
def test_a_check_tells(factory: type[SupCR], check: str, verdict: Verdict) -> None:
    it = Implementation(name="it", title="", source="", definition="torchcell", factory=factory)
    (outcome,) = LocalSession(it, only={check}).run()
    assert outcome.verdict is verdict
