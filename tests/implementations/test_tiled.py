"""What is particular to ``tiled``: tiles, threads, its compiled loop, and where it gives way."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from supcr_bench.analysis.counted_growth import Size, judge_counted
from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.allocator_events import peak_cpu_bytes
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import Case
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from supcr_bench.values.errors import SubjectError
from tests.implementations.against_reference import worst_deviation

BOTH = pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF], ids=lambda d: d.name)
LOOPS = ("merge_rows", "any_tie", "put_last", "sweep_row", "add_weights", "sweep_anchors")
NAME = "supcr_bench.implementations.tiled"
LOOP = "supcr_bench.implementations._tiled_loop"


@pytest.fixture
def tiled() -> ModuleType:
    pytest.importorskip("numba")
    return importlib.import_module(NAME)


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def factory_of(module: ModuleType, definition: Definition) -> Any:
    return module.IMPLEMENTATION.under(definition.name).factory


def train(module: ModuleType, batch: Batch) -> tuple[torch.Tensor, ...]:
    batch.clear_gradients()
    loss, parts = module.TiledSupCR()(batch.perturbed, batch.intact, batch.labels)
    loss.backward()
    assert batch.perturbed.grad is not None
    assert batch.intact.grad is not None
    return loss.detach(), parts.detach(), batch.perturbed.grad, batch.intact.grad


@BOTH
@pytest.mark.parametrize("labels", ["continuous", "tied"])
@pytest.mark.parametrize("tile", [1, 7, 28])
def test_the_size_of_a_tile_changes_nothing(
    tiled: ModuleType,
    definition: Definition,
    labels: str,
    tile: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiled, "TILE", tile)
    workload = Case(batch_size=29, dims=3, nan_density=0.2, labels=labels)
    assert worst_deviation(factory_of(tiled, definition), workload, definition) <= 1


@BOTH
@pytest.mark.parametrize("temperature", [0.1, 0.01])
def test_the_loop_is_right_before_it_is_compiled(
    tiled: ModuleType,
    definition: Definition,
    temperature: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = importlib.import_module(LOOP)
    for name in LOOPS:
        monkeypatch.setattr(loop, name, getattr(loop, name).py_func)
    monkeypatch.setattr(tiled, "sweep_anchors", loop.sweep_anchors)
    workload = Case(batch_size=11, dims=2, nan_density=0.2, labels="tied", temperature=temperature)
    assert worst_deviation(factory_of(tiled, definition), workload, definition) <= 1


class Counted(np.ndarray[Any, Any]):
    """An array that counts how often one of its elements, or a row, is taken or set."""

    touched = 0

    def __getitem__(self, key: Any) -> Any:
        Counted.touched += 1
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        Counted.touched += 1
        super().__setitem__(key, value)


def test_the_loop_itself_grows_as_n_squared(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dispatch does not see it, so its own steps are counted: it is run as it is written."""
    loop = importlib.import_module(LOOP)
    for name in LOOPS:
        monkeypatch.setattr(loop, name, getattr(loop, name).py_func)
    monkeypatch.setattr(tiled, "sweep_anchors", loop.sweep_anchors)
    monkeypatch.setattr(
        tiled, "numpy_views", lambda *tensors: tuple(t.numpy().view(Counted) for t in tensors)
    )

    def touched(n: int, labels: str) -> float:
        Counted.touched = 0
        workload = Case(batch_size=n, labels=labels, embedding_size=4, dtype="float64")
        train(tiled, make_batch(workload))
        return float(Counted.touched)

    sizes = (8, 16, 32, 48, 64)  # threads take whole fours of their anchors
    plain = [touched(n, "continuous") for n in sizes]
    assert set(judge_counted(tuple(Size(n, n) for n in sizes), tuple(plain)).candidates) == {"N^2"}
    assert all(touched(n, "tied") < 1.5 * steps for n, steps in zip(sizes, plain, strict=True))


@pytest.mark.usefixtures("two_threads")
def test_threads_share_the_anchors_and_change_no_bit(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch(Case(batch_size=203, dims=2, nan_density=0.2, embedding_size=8))
    monkeypatch.setattr(tiled, "TILE", 32)
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 2**40)
    assert tiled.thread_count(2**30) == 1
    alone = train(tiled, batch)
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 1)
    assert tiled.thread_count(2**30) == 2
    for _ in range(3):
        assert all(map(torch.equal, alone, train(tiled, batch)))


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_a_thread_is_raised(tiled: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError("no room in the loop")

    monkeypatch.setattr(tiled, "sweep_anchors", fail)
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 1)
    with pytest.raises(MemoryError, match="no room in the loop"):
        train(tiled, make_batch(Case(batch_size=64)))


def test_memory_grows_with_the_rows_and_not_with_the_pairs(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", 32)
    peaks = []
    for n in (128, 256, 512):
        batch = make_batch(Case(batch_size=n, embedding_size=16))
        train(tiled, batch)
        peaks.append(peak_cpu_bytes(lambda batch=batch: train(tiled, batch)))  # type: ignore[misc]
    assert peaks[2] - peaks[1] == pytest.approx(2 * (peaks[1] - peaks[0]), rel=0.1)


@pytest.mark.parametrize(
    ("temperature", "dtype"), [(0.001, torch.float32), (0.1, torch.bfloat16), (0.1, torch.float16)]
)
def test_where_the_loop_does_not_apply_scan_takes_over(
    tiled: ModuleType,
    temperature: float,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("not for this loop")

    monkeypatch.setattr(tiled, "sweep_anchors", fail)
    batch = make_batch(Case(batch_size=9, labels="tied"))
    scan = importlib.import_module("supcr_bench.implementations._scan")
    inputs = (batch.perturbed, batch.intact, batch.labels.to(dtype))
    own, other = (
        loss(temperature=temperature)(*inputs)[0] for loss in (tiled.TiledSupCR, scan.ScanSupCR)
    )
    assert torch.equal(own, other)


def test_without_numba_it_is_unavailable_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in (NAME, LOOP):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SubjectError, match=r"tiled cannot be imported: .*needs numba: pip install"):
        load(locate("tiled"))
