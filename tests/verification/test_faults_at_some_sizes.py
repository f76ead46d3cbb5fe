"""Faults that show only at some sizes, dimensions or temperatures are caught."""

from time import thread_time
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification import context
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


class Clock:
    """CPU seconds of a thread, of which a call takes so many."""

    def __init__(self, call_s: float) -> None:
        self.call_s, self.now_s = call_s, thread_time()

    def thread_time(self) -> float:
        return self.now_s

    def perf_counter(self) -> float:
        return self.now_s


def on_a_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> LocalSession:
    class Slow(SupCR):
        def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
            clock.now_s += clock.call_s
            return super().forward(perturbed, intact, labels)

    it = Implementation(name="it", title="", source="", definition="torchcell", factory=Slow)
    monkeypatch.setattr(context, "time", clock)
    monkeypatch.setattr(context, "BUDGET_S", 20.0)  # other tests do without
    return LocalSession(it, only={"two rows", "ties", "permutation"})


def test_a_loss_that_is_too_slow_for_a_check_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    session = on_a_clock(monkeypatch, Clock(call_s=7.0))
    found = {outcome.check: outcome for outcome in session.run()}
    late = [name for name, outcome in found.items() if outcome.verdict is Verdict.NOT_RUN]
    assert late
    assert {found[name].finding for name in late} == {"every case would have taken too long"}
    assert session.result().verdict == "undecided"


def test_what_numba_compiles_takes_no_time_from_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(call_s=0.0)
    session = on_a_clock(monkeypatch, clock)
    session.open()
    event = pytest.importorskip("numba.core.event")
    for compiles in (True, False):
        with session.context.without_compilation():
            if compiles:
                with event.trigger_event("numba:compile", data={}):
                    clock.now_s += 100.0
            else:
                clock.now_s += 100.0
        assert session.context.affordable(2) is compiles
