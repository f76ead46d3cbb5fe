"""What is particular to ``tiled``: tiles, threads, its compiled loop, and where it gives way."""

import importlib
import sys
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Lock, current_thread, main_thread
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from supcr_bench.analysis.counted_growth import Size, judge_counted
from supcr_bench.inputs.tensors import Batch
from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import Case
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from supcr_bench.values.errors import SubjectError
from tests.batches import clear_gradients, make_leaves
from tests.family import definition_of
from tests.implementations.against_reference import worst_deviation
from tests.implementations.plain_vectors import Steps, run_as_written

BOTH = pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF], ids=lambda d: d.name)
PACKAGE = "supcr_bench.implementations"
CALL = f"{PACKAGE}._tiled_call"
FILES = ("_vectors", "_unrolled", "_tiled_memory", "_tiled_rows", "_tiled_loop", "_tiled_call")


@pytest.fixture
def tiled() -> ModuleType:
    pytest.importorskip("numba")
    return importlib.import_module(f"{PACKAGE}.tiled")


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def factory_of(module: ModuleType, definition: Definition) -> Any:
    return module.IMPLEMENTATION.under(definition.name).factory


def train(module: ModuleType, batch: Batch) -> tuple[torch.Tensor, ...]:
    clear_gradients(batch)
    loss, parts = module.TiledSupCR()(batch.first, batch.second, batch.labels)
    loss.backward()
    assert batch.first.grad is not None
    assert batch.second.grad is not None
    return loss.detach(), parts.detach(), batch.first.grad, batch.second.grad


@BOTH
@pytest.mark.parametrize("labels", ["continuous", "tied"])
@pytest.mark.parametrize("tile", [8, 16, 24])
def test_the_size_of_a_tile_changes_nothing(
    tiled: ModuleType,
    definition: Definition,
    labels: str,
    tile: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiled, "TILE", tile)
    workload = Case(batch_size=61, dims=3, nan_density=0.2, labels=labels)
    assert worst_deviation(factory_of(tiled, definition), workload, definition) <= 1


@pytest.mark.parametrize("distance", ["per_dimension", "l1", "l2", "max"])
@pytest.mark.parametrize("similarity", ["cosine", "negative_euclidean", "dot"])
@pytest.mark.parametrize("views", ["sum", "concatenate"])
def test_the_loop_is_right_before_it_is_compiled(
    tiled: ModuleType,
    distance: Any,
    similarity: Any,
    views: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_as_written(monkeypatch, tiled)
    definition = definition_of(
        *(similarity, distance, "drop_row", (1e-7, "floor"), views, "never", "keeps_weight")
    )
    workload = Case(
        batch_size=11, dims=2, nan_density=0.2, labels="tied", embedding_size=3, temperature=2.0
    )
    factory = partial(tiled.TiledSupCR, definition=definition)
    if distance != "per_dimension":
        factory = partial(factory, weights=None)
    with np.errstate(divide="ignore", invalid="ignore"):
        assert worst_deviation(factory, workload, definition) <= 1
    assert Steps.taken > 0


def test_the_loop_itself_grows_as_n_squared(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dispatch does not see it, so its own steps are counted: it is run as it is written."""
    run_as_written(monkeypatch, tiled)

    def steps(n: int, labels: str) -> float:
        Steps.taken = 0
        train(tiled, make_leaves(Case(batch_size=n, labels=labels, embedding_size=4)))
        return float(Steps.taken)

    sizes = (16, 32, 48, 64, 80)  # whole panels of columns
    plain = [steps(n, "continuous") for n in sizes]
    assert set(judge_counted(tuple(Size(n, n) for n in sizes), tuple(plain)).candidates) == {"N^2"}
    assert all(steps(n, "tied") < 1.5 * own for n, own in zip(sizes, plain, strict=True))


@pytest.mark.usefixtures("two_threads")
def test_threads_share_the_tiles_and_give_the_same_bits_every_time(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_leaves(Case(batch_size=203, dims=2, nan_density=0.2, embedding_size=8))
    monkeypatch.setattr(tiled, "TILE", 32)
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 2**40)
    alone = train(tiled, batch)
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 1)
    together = train(tiled, batch)
    for own, other in zip(alone, together, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-7)
    for _ in range(3):
        assert all(map(torch.equal, together, train(tiled, batch)))


@pytest.mark.usefixtures("two_threads")
def test_where_threads_do_not_help_calls_do_without_them_for_a_while_and_give_the_same_bits(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(threads: int) -> None:
        raise AssertionError(f"{threads} threads are asked")

    batch = make_leaves(Case(batch_size=203, dims=2, nan_density=0.2, embedding_size=8))
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 1)
    monkeypatch.setattr(tiled, "_calls_alone", [0])
    monkeypatch.setattr(tiled, "HELPED", float("inf"))
    together = train(tiled, batch)
    monkeypatch.setattr(tiled, "pool", refuse)
    for _ in range(tiled.CALLS_ALONE):
        assert all(map(torch.equal, together, train(tiled, batch)))
    with pytest.raises(AssertionError, match="2 threads are asked"):
        train(tiled, batch)


def test_a_thread_that_waited_for_a_sum_that_is_complete_by_then_touches_no_memory(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call may have returned by then, and its memory may be another's."""
    waits = Event()

    class Watched:
        def __init__(self) -> None:
            self._lock = Lock()
            self.release = self._lock.release

        def acquire(self, *, blocking: bool = True) -> bool:
            if blocking:
                waits.set()
            return self._lock.acquire(blocking=blocking)

    swept: list[tuple[int, int]] = []

    def run(parts: int, first: int, stop: int, *_: object) -> tuple[int, int, float, float]:
        if parts == tiled.SWEEP:
            swept.append((first, stop))
            assert waits.wait(60)
        return 1, 0, 0.0, 0.0  # one tile, for one of three sums

    monkeypatch.setattr(tiled, "Lock", Watched)
    monkeypatch.setattr(tiled, "_calls_alone", [0])
    with ThreadPoolExecutor(2) as threads:
        monkeypatch.setattr(tiled, "pool", lambda _: threads)
        plan = tiled.Plan(
            run, *(0, 0, 0, 0, 1, 2), limit=60.0, together=True, between=0, strides=()
        )
        tiled.run_together(2, plan, (0,))
    assert swept == [(0, 1)]


def test_after_ctrl_c_other_threads_keep_the_memory_and_end(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        pass

    begun, go_on, owner = Event(), Event(), Memory()
    kept, swept = weakref.ref(owner), []

    def run(parts: int, *_: object) -> tuple[int, int, float, float]:
        if parts == tiled.SWEEP and current_thread() is main_thread():
            assert begun.wait(60)
            raise KeyboardInterrupt
        if parts == tiled.SWEEP:
            begun.set()
            assert go_on.wait(60)
            swept.append(kept() is not None)
        return 64, 0, 0.0, 0.0

    monkeypatch.setattr(tiled, "_calls_alone", [0])
    with ThreadPoolExecutor(2) as threads:
        monkeypatch.setattr(tiled, "pool", lambda _: threads)
        plan = tiled.Plan(
            run, *(0, 0, 0, 0, 1, 2), limit=60.0, together=True, between=0, strides=()
        )
        with pytest.raises(KeyboardInterrupt):
            tiled.run_together(2, plan, (0,), owner)
        del owner
        go_on.set()
    assert swept == [True]


def test_a_tracer_that_would_keep_its_numbers_is_refused(tiled: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="a tracer sees nothing of the loop"):
        make_fx(tiled.TiledSupCR())(torch.randn(6, 2, 4), torch.randn(6, 2))


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_a_tensor_without_memory_is_left_to_scan(tiled: ModuleType) -> None:
    """Its address is 0; a fake tensor is the plainest of these subclasses."""
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        tiled.TiledSupCR()(torch.randn(6, 2, 4), torch.randn(6, 2))


def test_weights_may_lie_apart_in_memory(tiled: ModuleType) -> None:
    batch = make_leaves(Case(batch_size=12, dims=2))
    criterion = tiled.TiledSupCR()
    criterion.weights = torch.tensor([1.0, 9.0, 3.0])[::2]
    loss, parts = criterion(batch.first, batch.second, batch.labels)
    torch.testing.assert_close(loss, parts @ torch.tensor([0.25, 0.75]))


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_a_thread_is_raised(tiled: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError("no room in the loop")

    run_as_written(monkeypatch, tiled)
    monkeypatch.setattr(importlib.import_module(CALL), "sweep_tile", fail)
    monkeypatch.setattr(tiled, "ELEMENTS_PER_THREAD", 1)
    with pytest.raises(MemoryError, match="no room in the loop"):
        train(tiled, make_leaves(Case(batch_size=64)))


def test_what_is_cached_on_disk_changes_with_all_that_is_compiled(tiled: ModuleType) -> None:
    call = importlib.import_module(CALL)
    assert call.FILES == FILES
    known = call.checksum()
    for name in FILES:
        assert Path(str(call.__file__)).with_name(f"{name}.py").is_file()
    run = call.compile_for("float32", "float32")
    assert known in [cell.cell_contents for cell in run.py_func.__closure__]


def test_memory_grows_with_the_rows_and_not_with_the_pairs(
    tiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", 32)
    peaks = []
    for n in (128, 256, 512):
        batch = make_leaves(Case(batch_size=n, embedding_size=16))
        train(tiled, batch)
        peaks.append(peak_allocated_bytes(lambda batch=batch: train(tiled, batch)))  # type: ignore[misc]
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

    run_as_written(monkeypatch, tiled)
    monkeypatch.setattr(importlib.import_module(CALL), "sweep_tile", fail)
    batch = make_leaves(Case(batch_size=9, labels="tied"))
    scan = importlib.import_module("supcr_bench.implementations._scan")
    inputs = (batch.first, batch.second, batch.labels.to(dtype))
    own, other = (
        loss(temperature=temperature)(*inputs)[0] for loss in (tiled.TiledSupCR, scan.ScanSupCR)
    )
    assert torch.equal(own, other)


def test_without_numba_it_is_unavailable_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("tiled", *FILES):
        monkeypatch.delitem(sys.modules, f"{PACKAGE}.{name}", raising=False)
    with pytest.raises(SubjectError, match=r"tiled cannot be imported: .*needs numba: pip install"):
        load(locate("tiled"))
