"""The floor does the products that it names, and is timed after the arms of a cell."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure.device import Cpu, Elapsed, Meter
from supcr_bench.measure.floor import FEWEST_TRIALS, TILE, floor_call
from supcr_bench.measure.work import count_work
from supcr_bench.values.case import PASSES, Pass, Workload
from supcr_bench.values.definition import RANK_N_CONTRAST, TORCHCELL, Definition
from tests.examples import implementation
from tests.measure.fake_meter import FLOOR_S
from tests.measure.fakes import run_cell

WORKLOAD = Workload(batch_size=16, embedding_size=8)


def test_the_floor_of_training_adds_the_gradient_of_the_summed_exponentials_in_tiles() -> None:
    batch = make_batch(replace(WORKLOAD, batch_size=TILE + 3))
    gradient = floor_call(TORCHCELL, "training", batch)()
    units = torch.stack([torch.nn.functional.normalize(v) for v in (batch.first, batch.second)])
    units = units.detach().requires_grad_()
    logits = units.detach() @ units.detach().mT / TORCHCELL.temperature
    expected = (logits.exp() + logits.exp().mT) @ units.detach()
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-2)


def test_it_grows_with_the_dimensions_and_the_rows_that_a_definition_compares() -> None:
    def elements(definition: Definition, pass_: Pass, dims: int) -> int:
        batch = make_batch(replace(WORKLOAD, dims=dims))
        return count_work(floor_call(definition, pass_, batch)).elements_processed

    assert elements(TORCHCELL, "training", 2) == 2 * elements(TORCHCELL, "training", 1)
    assert elements(TORCHCELL, "training", 1) > elements(TORCHCELL, "forward", 1)
    assert elements(RANK_N_CONTRAST, "training", 3) == elements(RANK_N_CONTRAST, "training", 1)
    assert elements(RANK_N_CONTRAST, "forward", 1) > elements(TORCHCELL, "forward", 1)


def test_each_result_has_the_floor_of_its_pass_and_an_untimed_one_none() -> None:
    factories = {name: implementation(name).factory for name in ("broadcast", "rowsort")}
    found = run_cell(factories, WORKLOAD)
    assert {r.floor_s for r in found.values()} == {FLOOR_S}
    assert {r.floor_s for r in run_cell(factories, WORKLOAD, timed=False).values()} == {None}


@pytest.mark.parametrize("pass_", PASSES)
def test_a_slow_floor_is_timed_a_few_times(monkeypatch: pytest.MonkeyPatch, pass_: Pass) -> None:
    cpu, calls = Cpu(), list[object]()

    def time(call: Callable[[], object]) -> Elapsed:
        calls.append(call)
        return Elapsed(1.0)

    monkeypatch.setattr(cpu, "time", time)
    assert Meter(cpu).floor_s(TORCHCELL, pass_, make_batch(WORKLOAD)) == 1.0
    assert len(calls) == FEWEST_TRIALS
