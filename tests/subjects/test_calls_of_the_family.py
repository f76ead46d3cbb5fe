"""Implementations as people write them: arguments, calls and returns."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.calls import NotALossError, unpack
from supcr_bench.subjects.find_call import find_call
from supcr_bench.subjects.signature import find_parameters
from supcr_bench.values.definition import NO_SELF, Call
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation, LabelLayout, Resolution
from tests.batches import problem

PROBLEM = problem(n=5, d=3, dims=1)


def takes_all(temperature: float, weights: Tensor, eps: float) -> None: ...
def takes_tau(tau: float = 0.1) -> None: ...
def takes_t(t: float = 2) -> None: ...
def takes_temp(temp: float) -> None: ...
def takes_none() -> None: ...
def takes_any(**options: Any) -> None: ...


@pytest.mark.parametrize(
    ("factory", "parameters"),
    [
        (takes_all, Resolution(temperature="temperature", weights=True, eps=True)),
        (takes_tau, Resolution(temperature="tau", weights=False, eps=False)),
        (takes_t, Resolution(temperature="t", weights=False, eps=False)),
        (takes_temp, Resolution(temperature="temp", weights=False, eps=False)),
        (takes_none, Resolution(temperature=None, weights=False, eps=False)),
        (takes_any, Resolution(temperature="temperature", weights=True, eps=True)),
    ],
)
def test_a_factory_gets_the_arguments_that_it_knows(factory: Any, parameters: Resolution) -> None:
    assert find_parameters(factory) == parameters


def test_a_loss_is_found_however_it_is_returned() -> None:
    loss, parts = torch.tensor(2.0), torch.tensor([1.0, 3.0])
    for output in (loss, (loss,), (loss, parts), [loss, parts], {"loss": loss}, {"my_loss": loss}):
        assert unpack(output, 2)[0].item() == 2.0
    assert unpack((loss, parts), 2)[1] is parts
    assert unpack((loss, parts), 3)[1] is None
    assert unpack(torch.tensor([2.0]), 1)[0].shape == ()


@dataclass
class Parts:
    rnc: Tensor
    similarities: Tensor


def test_the_only_scalar_with_a_gradient_is_the_loss_wherever_it_is() -> None:
    loss, other = torch.tensor(2.0, requires_grad=True), torch.ones(3, 3, requires_grad=True)
    count = torch.tensor(3.0)
    for output in ((other, loss, count), {"rnc": loss, "s": other, "n": count}, Parts(loss, other)):
        assert unpack(output, 2)[0].item() == 2.0


@pytest.mark.parametrize("output", [None, 2.0, (), {"other": 1}, torch.ones(3)])
def test_what_is_no_loss_is_refused(output: object) -> None:
    with pytest.raises(NotALossError):
        unpack(output, 2)


@pytest.mark.parametrize(
    ("call", "labels", "shapes"),
    [
        ("perturbed_intact_labels", "columns", [(5, 3), (5, 3), (5, 1)]),
        ("two_views", "columns", [(5, 3), (5, 3), (5, 1)]),
        ("features_two_views", "columns", [(5, 2, 3), (5, 1)]),
        ("features_single_view", "flat", [(5, 3), (5,)]),
    ],
)
def test_each_call_of_the_family_is_made(
    call: Call, labels: LabelLayout, shapes: list[tuple[int, ...]]
) -> None:
    seen: list[tuple[int, ...]] = []

    def loss(*tensors: Tensor) -> Tensor:
        seen.extend(tuple(t.shape) for t in tensors)
        return tensors[0].sum()

    usual = Adapter.usual(lambda: loss, replace(NO_SELF, call=call))
    subject = replace(usual, resolution=replace(usual.resolution, labels=labels))
    answer = subject.answer(PROBLEM)
    assert seen == shapes
    assert torch.equal(answer.gradients[0], torch.ones(5, 3, dtype=torch.float64))


def test_a_factory_that_does_not_keep_its_signature_is_refused() -> None:
    def factory(temperature: float) -> None:
        raise TypeError("no")

    subject = Implementation(name="loss", title="loss", source="a test", factory=factory)
    with pytest.raises(SubjectError, match="loss cannot be constructed: TypeError: no"):
        find_call(subject, NO_SELF)
