"""A loss under torch.compile: by its name, or compiled by its author. No code is generated here."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor

from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Cpu
from supcr_bench.subjects import compiler
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import locate
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.errors import UnavailableError, UnknownNameError
from supcr_bench.values.implementation import Resolution
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.resolve import resolve_to_measure, resolved
from tests.examples import implementation
from tests.measure.fake_meter import FakeMeter

BROADCAST = implementation("broadcast")


class Compiled(torch.nn.Module):
    """As torch.compile gives it, without a compiler."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._orig_mod = module

    def forward(self, *tensors: Tensor) -> Any:
        return self._orig_mod(*tensors)


@pytest.fixture(autouse=True)
def no_compiler_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, **options: Compiled(module))


def test_a_name_with_at_compile_is_that_implementation_compiled() -> None:
    subject = locate("broadcast@compile")
    assert (subject.name, subject.target) == ("broadcast@compile", locate("broadcast").target)
    found, adapter = resolved(subject)
    assert found.name == "broadcast@compile"
    assert adapter.resolution.compiled
    assert isinstance(adapter.build(adapter.resolution.definition), Compiled)
    with pytest.raises(UnknownNameError):
        locate("broadcst@compile")


@pytest.mark.parametrize(
    ("device", "advice"), [("cpu", "install g\\+\\+ or clang"), ("cuda", "pip install triton")]
)
def test_without_a_compiler_it_is_unavailable_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, device: str, advice: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=advice):
        missing = compiler.why_no_compiler(device)
        raise UnavailableError("package", "x cannot be compiled.", str(missing))


def test_where_it_cannot_be_compiled_a_run_leaves_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UnavailableError, match="broadcast@compile cannot be compiled"):
        resolved(locate("broadcast@compile"))


def test_the_calls_of_a_compiled_loss_are_tried_on_what_it_was_compiled_from() -> None:
    module = BROADCAST.factory(weights=torch.ones(2))
    calls: list[int] = []

    class Counts(Compiled):
        def forward(self, *tensors: Tensor) -> Any:
            calls.append(1)
            return super().forward(*tensors)

    from dataclasses import replace

    found = resolve_to_measure(replace(BROADCAST, factory=Counts(module)), None)
    assert found.definition.name == "torchcell"
    assert not calls


def run(module: Callable[..., Any], compiled: bool) -> tuple[Result, list[str]]:
    stages: list[str] = []
    cell = Cell(Workload(batch_size=8, dims=2), (Arm("one", "training"),), "session")
    run = CellRun(
        cell=cell,
        subjects={"one": Adapter(module, Resolution(compiled=compiled))},
        device=Cpu(),
        meter=FakeMeter(),
        budget=Budget(),
        announce=lambda stage, arm: stages.append(stage),
    )
    (result,) = run.results()
    return result, stages


def test_its_first_call_is_a_figure_and_its_operations_are_not_counted() -> None:
    result, stages = run(BROADCAST.factory, compiled=True)
    assert result.status is Status.MEASURED
    assert result.first_call_s is not None
    assert result.first_call_s > 0
    assert result.peak_bytes is not None
    assert result.dispatched_ops is None
    assert "work" not in stages
    assert run(BROADCAST.factory, compiled=False)[0].dispatched_ops == 1


def test_while_torch_compiles_the_stage_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch._dynamo")
    from torch._dynamo.callback import CallbackTrigger, callback_handler

    class Compiles(torch.nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.right = BROADCAST.factory(**options)

        def forward(self, *tensors: Tensor) -> Any:
            with callback_handler.install_callbacks(CallbackTrigger.DYNAMO, "0"):
                return self.right(*tensors)

    before = list(callback_handler.start_callbacks)
    _, stages = run(Compiles, compiled=False)
    assert stages[:4] == ["inputs", "agreement", "compilation", "agreement"]
    assert callback_handler.start_callbacks == before
    assert "torch._dynamo" in sys.modules


def test_a_compilation_by_numba_is_told_once_with_what_it_calls() -> None:
    event = pytest.importorskip("numba.core.event")
    told: list[str] = []
    with compiler.numba_watched(lambda: told.append("start"), lambda: told.append("end")):
        with event.trigger_event("numba:compile"), event.trigger_event("numba:compile"):
            told.append("compiles")
        with suppress(ValueError), event.trigger_event("numba:compile"):
            raise ValueError
    with event.trigger_event("numba:compile"):
        assert told == ["start", "compiles", "end", "start", "end"]
