"""Stand-ins for what measuring needs: losses that are wrong in a known way, and a cell of them."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Cpu, Meter
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.case import Pass, Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.result import Result
from tests.examples import implementation
from tests.measure.fake_meter import FakeMeter

Factory = Callable[..., Any]


class Unflushed(Cpu):
    """Nothing is written before a call whose time is a formula's: that is tested on its own."""

    @cached_property
    def flush_caches(self) -> Callable[[], object]:
        return lambda: None


Loss = tuple[Tensor, Tensor]


class Around(nn.Module):
    """The broadcast implementation, with something done to its answer."""

    def __init__(self, change: Callable[[Tensor, Tensor], Any], **options: Any) -> None:
        super().__init__()
        self.right = implementation("broadcast").factory(**options)
        self.change = change

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
        return self.change(*self.right(perturbed, intact, labels))


def around(change: Callable[[Tensor, Tensor], Any]) -> Factory:
    """A factory of broadcast implementations whose answer is changed."""
    return lambda **options: Around(change, **options)


def raising(error: BaseException) -> Factory:
    """A factory of implementations that raise when called."""

    def fail(loss: Tensor, per_dimension: Tensor) -> Loss:
        raise error

    return around(fail)


class _RaisesInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise RuntimeError("no way back")


def no_way_back(loss: Tensor, per_dimension: Tensor) -> Loss:
    """A right value whose backward raises."""
    return _RaisesInBackward.apply(loss), per_dimension  # type: ignore[no-untyped-call]


def run_cell(
    factories: Mapping[str, Factory],
    workload: Workload,
    *,
    passes: tuple[Pass, ...] = ("forward", "training"),
    meter: Meter | None = None,
    budget: Budget | None = None,
    announced: list[tuple[str, Arm | None]] | None = None,
    timed: bool = True,
    process: int = 1,
) -> dict[Arm, Result]:
    """Run a cell in this process; its results by arm, each exactly once."""
    arms = tuple(Arm(name, pass_) for name in factories for pass_ in passes)
    if isinstance(meter, FakeMeter):
        meter.workload = workload
    run = CellRun(
        cell=Cell(workload, arms, "session", timed, process),
        subjects={name: Adapter.usual(factory) for name, factory in factories.items()},
        device=Unflushed() if meter is None or isinstance(meter, FakeMeter) else Cpu(),
        meter=meter or FakeMeter(),
        budget=budget or Budget(),
        announce=lambda stage, arm: (
            announced.append((stage, arm)) if announced is not None else None
        ),
    )
    results = list(run.results())
    found = {Arm(r.implementation, r.case.pass_): r for r in results}
    assert len(found) == len(results)
    assert set(found) == set(arms)
    return found
