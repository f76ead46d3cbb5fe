"""``from supcr_bench import SupCRLoss``."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

import supcr_bench
from supcr_bench.inputs.tensors import make_batch
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import PAPER, TORCHCELL, Definition
from tests.implementations.against_reference import worst_deviation

PACKAGE = "supcr_bench.implementations"


@pytest.fixture
def loss() -> Iterator[ModuleType]:
    """Its module, with nothing chosen yet and no choice left behind."""
    module = importlib.import_module(f"{PACKAGE}._loss")
    module.fastest.cache_clear()
    yield module
    module.fastest.cache_clear()


@pytest.mark.parametrize("definition", [TORCHCELL, PAPER], ids=lambda d: d.name)
@pytest.mark.parametrize("batch_size", [5, 40, 300])
def test_it_is_right(loss: ModuleType, definition: Definition, batch_size: int) -> None:
    def factory(**arguments: object) -> object:
        return supcr_bench.SupCRLoss(definition=definition.name, **arguments)

    workload = Workload(batch_size=batch_size, dims=2, nan_density=0.2, labels="tied")
    assert worst_deviation(factory, workload, definition) <= 1


def test_on_a_cpu_it_is_the_compiled_loop(loss: ModuleType) -> None:
    pytest.importorskip("numba")
    assert loss.fastest("cpu").__name__ == "TiledSupCR"


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
def test_elsewhere_it_is_scan(loss: ModuleType, device: str) -> None:
    assert loss.fastest(device).__name__ == "ScanSupCR"


def test_without_numba_it_is_scan(loss: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("tiled", "_tiled_loop"):
        monkeypatch.delitem(sys.modules, f"{PACKAGE}.{name}", raising=False)
    assert loss.fastest("cpu").__name__ == "ScanSupCR"
    batch = make_batch(Workload(batch_size=6))
    assert torch.isfinite(supcr_bench.SupCRLoss()(batch.perturbed, batch.intact, batch.labels)[0])


def test_importing_the_package_imports_no_torch() -> None:
    code = "import supcr_bench, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
