"""Every timed call gets new tensors, and a loss that answers from memory is found out."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Cpu, Meter
from supcr_bench.measure.timed_loss import BATCHES, TimedLoss, batches_of, shuffled
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.case import Pass, Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.definition import TORCHCELL
from supcr_bench.values.result import Result, Status
from tests.examples import implementation

WORKLOAD = Workload(batch_size=12, dims=2, nan_density=0.25)
BROADCAST = implementation("broadcast").factory


class Remembers(torch.nn.Module):
    """Answers as broadcast does, and from memory if it has seen such inputs before."""

    def __init__(self, key: Callable[..., object], last: bool, **options: Any) -> None:
        super().__init__()
        self.right, self.key, self.last = BROADCAST(**options), key, last
        self.known: dict[object, Any] = {}
        self.computed = 0

    def forward(self, *tensors: Tensor) -> Any:
        key = self.key(*tensors)
        if key not in self.known:
            self.computed += 1
            if self.last:
                self.known.clear()
            self.known[key] = self.right(*tensors)
        return self.known[key]


def timed(factory: Callable[..., Any], pass_: Pass = "forward") -> TimedLoss:
    subject = Adapter.usual(factory)
    batches = batches_of(WORKLOAD, make_batch(WORKLOAD))
    return TimedLoss(subject, subject.bind(TORCHCELL, batches[0]), pass_, batches)


def findings(loss: TimedLoss, calls: int = 3 * BATCHES) -> list[str | None]:
    found = []
    for number in range(calls):
        loss.prepare(number)
        loss()
        found.append(loss.finding())
    return found


def content(*tensors: Tensor) -> object:
    return tuple(t.detach().numpy().tobytes() for t in tensors)


def labels_alone(perturbed: Tensor, intact: Tensor, labels: Tensor) -> object:
    return content(labels)


def storage(*tensors: Tensor) -> object:
    return tuple(t.data_ptr() for t in tensors)


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("key", [content, labels_alone])
def test_a_memory_of_inputs_or_of_labels_is_of_no_use(key: Any, last: bool) -> None:
    loss = timed(lambda **options: Remembers(key, last, **options))
    assert findings(loss) == [None] * 3 * BATCHES
    assert loss.loss.module.computed == 3 * BATCHES  # type: ignore[attr-defined]


def test_equal_numbers_give_equal_inputs_in_new_tensors() -> None:
    one, other = timed(BROADCAST), timed(BROADCAST)
    for number in (0, 5, 5):
        kept = dict(one.loss.arguments)
        one.prepare(number)
        other.prepare(number)
        for name, tensor in one.loss.arguments.items():
            assert torch.equal(tensor.nan_to_num(), other.loss.arguments[name].nan_to_num())
            assert tensor is not kept[name]


def test_the_rows_of_both_views_and_the_labels_are_shuffled_alike() -> None:
    batch = make_batch(WORKLOAD)
    found = shuffled(batch, 3)
    order = [int((batch.second == row).all(1).nonzero()) for row in found.second]
    assert sorted(order) == list(range(WORKLOAD.batch_size)) != order
    assert torch.equal(found.first, batch.first[order])
    assert torch.equal(found.labels.nan_to_num(), batch.labels[order].nan_to_num())


@pytest.mark.parametrize("pass_", ["forward", "training"])
def test_a_right_loss_gives_no_finding(pass_: Pass) -> None:
    assert findings(timed(BROADCAST, pass_)) == [None] * 3 * BATCHES


def test_one_that_gives_its_first_answer_for_ever_is_found() -> None:
    loss = timed(lambda **options: Remembers(lambda *tensors: 0, False, **options))
    said = findings(loss)[BATCHES - 1]
    assert said is not None
    assert said.endswith(f"for {BATCHES} different batches")


def test_one_that_computes_less_after_some_calls_is_found() -> None:
    calls = iter(range(100))

    class Tires(torch.nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.right = BROADCAST(**options)

        def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
            if next(calls) < 6:
                return self.right(perturbed, intact, labels)
            return self.right(perturbed[:3], intact[:3], labels[:3])

    found = findings(timed(Tires))
    assert found[:6] == [None] * 6
    assert all(found[6:])
    assert str(found[6]).startswith("while it was timed, it gave the loss ")


def run_cell(**factories: Callable[..., Any]) -> dict[str, Result]:
    arms = tuple(Arm(name, "forward") for name in factories)
    run = CellRun(
        cell=Cell(WORKLOAD, arms, "session"),
        subjects={name: Adapter.usual(factory) for name, factory in factories.items()},
        device=Cpu(),
        meter=Meter(Cpu()),
        budget=Budget(sampling_s=0.01, precision=0.5),
    )
    return {result.implementation: result for result in run.results()}


def test_in_a_run_it_is_wrong_and_says_so() -> None:
    calls = iter(range(1000))

    class Tires(Remembers):
        def forward(self, *tensors: Tensor) -> Any:
            self.key = content if next(calls) < 5 else lambda *tensors: 0
            return super().forward(*tensors)

    found = run_cell(tired=lambda **options: Tires(content, False, **options), right=BROADCAST)
    assert found["right"].status is Status.MEASURED
    assert found["tired"].status is Status.WRONG
    assert "while it was timed" in str(found["tired"].reason)


def test_what_a_call_changes_in_the_process_is_undone_and_said() -> None:
    interval = sys.getswitchinterval()
    seen: list[tuple[bool, float]] = []

    class Selfish(torch.nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.right = BROADCAST(**options)

        def forward(self, *tensors: Tensor) -> Any:
            torch.backends.cudnn.benchmark = True
            sys.setswitchinterval(2 * interval)
            return self.right(*tensors)

    class Sees(Selfish):
        def forward(self, *tensors: Tensor) -> Any:
            seen.append((torch.backends.cudnn.benchmark, sys.getswitchinterval()))
            return self.right(*tensors)

    found = run_cell(selfish=Selfish, right=Sees)
    assert set(seen) == {(False, interval)}
    assert (torch.backends.cudnn.benchmark, sys.getswitchinterval()) == (False, interval)
    assert found["right"].process_changes is None
    changes = found["selfish"].process_changes
    assert changes == ("changes the cudnn.benchmark", "changes the switch interval of threads")
    assert Result.from_mapping(found["selfish"].to_mapping()) == found["selfish"]
