import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from supcr_bench.measure.call_check import broken_call
from supcr_bench.measure.cell import Factory
from supcr_bench.values.case import Workload
from tests.examples import NOTE_NAMES, implementation
from tests.measure.fakes import around, raising

LIKE = Workload(batch_size=4096, dims=2, nan_density=0.5, labels="tied")


@pytest.mark.parametrize("name", NOTE_NAMES)
@pytest.mark.parametrize("dims", [1, 3])
def test_the_notes_implementations_keep_the_call(name: str, dims: int) -> None:
    assert broken_call(implementation(name).factory, Workload(batch_size=8, dims=dims)) is None


def test_labels_from_a_file_are_not_needed_to_try_the_call() -> None:
    like = Workload(batch_size=64, dims=2, nan_density=None, labels="file:0123456789ab")
    assert broken_call(implementation("broadcast").factory, like) is None


def test_a_plain_function_may_be_what_the_factory_gives() -> None:
    def factory(**options: Any) -> Any:
        return lambda p, i, y: (p.sum(), y.sum(dim=0))

    assert broken_call(factory, LIKE) is None


class OtherOptions(nn.Module):
    def __init__(self, tau: float = 0.1) -> None:
        super().__init__()


class OneView(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return features.sum()


@pytest.mark.parametrize(
    ("factory", "finding"),
    [
        (OtherOptions, r"called as \(temperature=, weights=, eps=\): TypeError: .*temperature"),
        (OneView, r"called as \(perturbed, intact, labels\): TypeError"),
        (lambda **options: 3, "gives int, which cannot be called"),
        (around(lambda loss, parts: loss), "returned Tensor, not the pair"),
        (around(lambda loss, parts: (loss, parts[:1])), r"of shape \(1,\), not \(2,\)"),
        (around(lambda loss, parts: (parts, loss)), r"loss of shape \(2,\), not \(\)"),
        (around(lambda loss, parts: (float(loss.detach()), parts)), "loss: float, not a tensor"),
    ],
)
def test_a_wrong_signature_or_shape_is_found(factory: Factory, finding: str) -> None:
    found = broken_call(factory, LIKE)
    assert found is not None
    assert torch.is_grad_enabled()
    assert re.search(finding, found)


@pytest.mark.parametrize("error", [RuntimeError("only for large batches"), ValueError("dims")])
def test_any_other_error_is_left_to_become_a_row(error: Exception) -> None:
    def cannot_be_built(**options: Any) -> Any:
        raise error

    assert broken_call(cannot_be_built, LIKE) is None
    assert broken_call(raising(error), LIKE) is None
