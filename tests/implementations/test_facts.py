"""What is known of the note's three implementations, defects included.

They are the subject under test: a change that mends one of these is not an improvement here, it
makes them something else than what the note describes.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from supcr_bench.inputs.tensors import Batch
from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.reference.reference import compute_reference
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from tests.batches import clear_gradients, make_leaves
from tests.examples import NAN, NOTE_NAMES, build, implementation

EACH = pytest.mark.parametrize("name", NOTE_NAMES)


class OperationCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that are launched within it, backward included."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def train(name: str, batch: Batch, labels: Tensor | None = None, tau: float = 0.1) -> Tensor:
    """One forward and backward; gives the loss."""
    clear_gradients(batch)
    module = build(name, tau, batch.weights)
    loss, _ = module(batch.first, batch.second, batch.labels if labels is None else labels)
    loss.backward()
    detached: Tensor = loss.detach()
    return detached


def forward(name: str, batch: Batch, labels: Tensor | None = None, tau: float = 0.1) -> float:
    module = build(name, tau, batch.weights)
    with torch.no_grad():
        loss, _ = module(batch.first, batch.second, batch.labels if labels is None else labels)
    return float(loss)


def right(definition: Definition, batch: Batch, labels: Tensor, tau: float = 0.1) -> float:
    asked = replace(batch, labels=labels, temperature=tau)
    return float(compute_reference(definition, asked).loss)


def operations(name: str, n: int) -> int:
    batch = make_leaves(Workload(batch_size=n))
    module = build(name, 0.1, batch.weights)
    counter = OperationCount()  # type: ignore[no-untyped-call]
    with counter:
        loss, _ = module(batch.first, batch.second, batch.labels)
        loss.backward()
    return counter.count


def test_broadcast_launches_the_same_few_operations_at_any_size() -> None:
    counts = {operations("broadcast", n) for n in (4, 8, 64)}
    assert len(counts) == 1
    assert counts.pop() == pytest.approx(172, rel=0.02)


def test_the_operations_of_rowsort_grow_with_the_rows() -> None:
    counts = [operations("rowsort", n) for n in (4, 8, 12, 64)]
    line = np.polynomial.Polynomial.fit([4, 8], counts[:2], 1)
    assert [line(12), line(64)] == pytest.approx(counts[2:], rel=1e-9)
    assert counts[3] == pytest.approx(5292, rel=0.02)


def test_the_operations_of_loopy_grow_with_the_pairs() -> None:
    """The polynomial through three small sizes gives the count at N=64 without launching it."""
    sizes = [4, 6, 8, 12]
    counts = [operations("loopy", n) for n in sizes]
    parabola = np.polynomial.Polynomial.fit(sizes[:3], counts[:3], 2)
    assert parabola(12) == pytest.approx(counts[3], rel=1e-9)
    assert parabola(64) == pytest.approx(294_438, rel=0.02)


@pytest.mark.parametrize(("name", "peak"), [("broadcast", 137e6), ("rowsort", 4.3e6)])
def test_peak_memory_of_training_at_256_rows(name: str, peak: float) -> None:
    batch = make_leaves(Workload(batch_size=256))
    assert peak_allocated_bytes(lambda: train(name, batch)) == pytest.approx(peak, rel=0.02)


@pytest.mark.parametrize("name", ["loopy", "broadcast"])
def test_just_below_the_lowest_temperature_of_float32_the_loss_is_nan(name: str) -> None:
    """exp(1 / 0.0112) is beyond float32, and infinity times an indicator of 0 is NaN."""
    batch = make_leaves(Workload(batch_size=12, temperature=0.0112))
    assert np.isnan(forward(name, batch, tau=0.0112))
    assert np.isfinite(forward(name, batch, tau=1 / 88.0))


def test_below_the_lowest_temperature_rowsort_gives_a_number_with_a_useless_gradient() -> None:
    """Its number has the floor in it, which the plain formula has not; its gradient is NaN."""
    batch = make_leaves(Workload(batch_size=16, temperature=0.0112))
    loss = float(train("rowsort", batch, tau=0.0112))
    unfloored = replace(TORCHCELL, eps=None)
    assert np.isfinite(loss)
    assert loss > right(unfloored, batch, batch.labels, tau=0.0112) * (1 + 1e-3)
    assert batch.first.grad is not None
    assert not torch.isfinite(batch.first.grad).all()


def test_rowsort_is_infinite_there_when_labels_tie() -> None:
    batch = make_leaves(Workload(batch_size=16, labels="tied"))
    assert forward("rowsort", batch, tau=0.0112) == np.inf


@EACH
def test_the_floor_stands_in_for_the_candidates_of_opposite_rows(name: str) -> None:
    """The one candidate's exponential is exp(-1/tau), below 1e-7 from about tau = 0.062 on."""
    labels = torch.tensor([[0.0], [1.0]])
    for tau, floored in ((0.1, False), (0.05, True)):
        opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
        loss, _ = build(name, tau, torch.ones(1))(opposite, opposite, labels)
        expected = 2 * (1 / tau + np.log(1e-7)) if floored else 0.0
        assert float(loss.detach()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_on_integer_labels_all_three_agree_and_none_is_no_self(seed: int) -> None:
    """Agreement between implementations proves nothing about ties."""
    batch = make_leaves(Workload(batch_size=24, seed=seed))
    labels = batch.labels.round()
    losses = [forward(name, batch, labels) for name in NOTE_NAMES]
    assert losses == pytest.approx([right(TORCHCELL, batch, labels)] * 3, rel=1e-5)
    assert min(losses) > 1.2 * right(NO_SELF, batch, labels)


def test_an_infinite_label_is_an_index_error_of_rowsort_only() -> None:
    batch = make_leaves(Workload(batch_size=8))
    labels = batch.labels.clone()
    labels[0] = torch.inf
    assert np.isfinite(forward("loopy", batch, labels))
    assert forward("loopy", batch, labels) == pytest.approx(forward("broadcast", batch, labels))
    with pytest.raises(IndexError, match="out of bounds"):
        forward("rowsort", batch, labels)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("loopy", torch.float32), ("rowsort", torch.float32), ("broadcast", torch.float64)],
)
def test_on_float64_inputs_two_of_three_keep_their_losses_in_float32(
    name: str, dtype: torch.dtype
) -> None:
    batch = make_leaves(Workload(batch_size=8, dtype="float64"))
    _, per_dimension = build(name, 0.1, batch.weights)(batch.first, batch.second, batch.labels)
    assert per_dimension.dtype == dtype
    error = abs(forward(name, batch) / right(TORCHCELL, batch, batch.labels) - 1)
    assert (error > 1e-10) is (dtype is torch.float32)


@EACH
def test_without_any_label_the_loss_is_zero_and_cannot_be_trained_on(name: str) -> None:
    batch = make_leaves(Workload(batch_size=6))
    labels = torch.full_like(batch.labels, NAN)
    assert forward(name, batch, labels) == 0
    with pytest.raises(RuntimeError, match="does not require grad"):
        train(name, batch, labels)


@EACH
def test_default_weights_broadcast_over_one_dimension_and_fail_on_three(name: str) -> None:
    module = implementation(name).factory()
    one, three = (make_leaves(Workload(batch_size=6, dims=dims)) for dims in (1, 3))
    with torch.no_grad():
        loss, per_dimension = module(one.first, one.second, one.labels)
        assert float(loss) == pytest.approx(float(per_dimension[0]))
        with pytest.raises(RuntimeError, match="must match the size"):
            module(three.first, three.second, three.labels)


@EACH
def test_labels_that_tie_on_paper_do_not_in_float32(name: str) -> None:
    batch = make_leaves(Workload(batch_size=3))
    on_paper = torch.tensor([[1.0], [2.0], [3.0]])
    in_float32 = torch.tensor([[0.1], [0.2], [0.3]])
    assert forward(name, batch, on_paper) > forward(name, batch, in_float32)
    assert forward(name, batch, in_float32) == pytest.approx(
        right(TORCHCELL, batch, in_float32), rel=1e-5
    )
