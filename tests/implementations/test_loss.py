"""``from supcr_bench import SupCRLoss``."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import supcr_bench
from supcr_bench.values.case import Case
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from tests.batches import make_leaves
from tests.examples import implementation
from tests.implementations.against_reference import worst_deviation

PACKAGE = "supcr_bench.implementations"


@pytest.fixture
def loss() -> Iterator[ModuleType]:
    """Its module, with nothing chosen yet and no choice left behind."""
    module = importlib.import_module(f"{PACKAGE}._loss")
    module._fastest.clear()
    yield module
    module._fastest.clear()


@pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF], ids=lambda d: d.name)
@pytest.mark.parametrize("batch_size", [5, 40, 300])
def test_it_is_right(loss: ModuleType, definition: Definition, batch_size: int) -> None:
    def factory(**arguments: object) -> object:
        return supcr_bench.SupCRLoss(definition=definition.name, **arguments)

    workload = Case(batch_size=batch_size, dims=2, nan_density=0.2, labels="tied")
    assert worst_deviation(factory, workload, definition) <= 1


def test_on_a_cpu_it_is_the_compiled_loop(loss: ModuleType) -> None:
    pytest.importorskip("numba")
    assert loss.fastest("cpu").__name__ == "TiledSupCR"


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
def test_elsewhere_it_is_scan(loss: ModuleType, device: str) -> None:
    assert loss.fastest(device).__name__ == "ScanSupCR"


def test_without_numba_it_is_scan(loss: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]:
        if name.split(".")[-1].startswith(("tiled", "_tiled", "_unrolled", "_vectors")):
            monkeypatch.delitem(sys.modules, name)
    assert loss.fastest("cpu").__name__ == "ScanSupCR"
    batch = make_leaves(Case(batch_size=6))
    assert torch.isfinite(supcr_bench.SupCRLoss()(batch.first, batch.second, batch.labels)[0])


def test_importing_the_package_imports_no_torch() -> None:
    code = "import supcr_bench, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_where_nothing_can_be_kept_on_disk_the_loop_is_compiled_all_the_same(
    tmp_path: Path,
) -> None:
    pytest.importorskip("numba")
    folder = tmp_path / "losses"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name in ("_vectors", "_unrolled", "_tiled_memory", "_tiled_rows"):
        file = importlib.import_module(f"{PACKAGE}.{name}").__file__
        (folder / f"{name}.py").write_text(Path(str(file)).read_text())
    (folder / "__pycache__").touch()  # in the place of the folder that numba would make
    code = (
        "from losses._vectors import kept_on_disk; from losses._tiled_rows import sort_row\n"
        "import numpy as np\n"
        "sort = kept_on_disk(sort_row.py_func)\n"
        "print(sort(np.array([3, 1]), 2, *np.zeros((3, 256), np.int64))[:2])"
    )
    nowhere = {"HOME": str(folder / "__pycache__" / "x"), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=nowhere, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[1 0]\n", done.stderr


def test_a_numba_that_is_broken_is_said_and_done_without(
    loss: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, package: str | None = None) -> ModuleType:
        raise SystemError(f"initialization of {name} failed")

    monkeypatch.setattr(loss.importlib, "import_module", broken)
    with pytest.warns(RuntimeWarning, match="compiled loop cannot be used: initialization of"):
        assert loss.fastest("cpu").__name__ == "ScanSupCR"


@pytest.mark.parametrize(("learned", "bfloat16"), [(False, False), (True, True)])
def test_a_whole_training_step_compiles(learned: bool, bfloat16: bool) -> None:
    """As one graph; what the compiler makes of the rest of the step is torch's own affair."""
    torch.manual_seed(0)
    net = torch.nn.Linear(6, 4)
    tau = torch.nn.Parameter(torch.tensor(2.0))
    criteria = (
        supcr_bench.RnCLoss(tau if learned else 2.0),
        supcr_bench.SupCRLoss(tau if learned else 0.1, weights=torch.tensor([1.0, 3.0])),
    )
    x, y = torch.randn(12, 2, 6), torch.randn(12, 2)
    for criterion in criteria:

        def step(x: torch.Tensor, y: torch.Tensor, criterion: Any = criterion) -> torch.Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                found = criterion(net(x), y)
            loss: torch.Tensor = found if isinstance(found, torch.Tensor) else found[0]
            return loss

        found = []
        for run in (step, torch.compile(step, fullgraph=True, backend="aot_eager")):
            net.zero_grad()
            tau.grad = None
            loss = run(x, y)
            loss.backward()  # type: ignore[no-untyped-call]
            assert net.weight.grad is not None
            found.append((loss.detach(), net.weight.grad.clone(), tau.grad))
            assert (tau.grad is not None) == learned
        torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_learned_temperature_of_any_shape_compiles(shape: tuple[int, ...]) -> None:
    tau = torch.nn.Parameter(torch.full(shape, 2.0))
    criterion = supcr_bench.RnCLoss(tau)
    features, labels = torch.randn(6, 2, 4), torch.randn(6)
    torch.compile(criterion, fullgraph=True, backend="aot_eager")(features, labels).backward()  # type: ignore[no-untyped-call]
    alone = torch.tensor(2.0, requires_grad=True)
    supcr_bench.RnCLoss(alone)(features, labels).backward()
    assert tau.grad is not None
    assert alone.grad is not None
    torch.testing.assert_close(tau.grad, alone.grad.reshape(shape))


def trace_by_fx(loss: Any, *arguments: torch.Tensor) -> Any:
    return make_fx(loss)(*arguments)


def trace_by_jit(loss: Any, *arguments: torch.Tensor) -> Any:
    return torch.jit.trace(loss, arguments)  # type: ignore[no-untyped-call]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("trace", [trace_by_fx, trace_by_jit])
def test_a_trace_of_it_computes_the_loss_of_other_inputs(trace: Any) -> None:
    criterion = supcr_bench.RnCLoss()
    features, labels = torch.randn(6, 2, 4), torch.randn(6)
    traced = trace(lambda x, y: criterion(x, y), features, labels)
    other = 2 * features
    torch.testing.assert_close(traced(other, labels), criterion(other, labels))


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_fake_tensors_have_a_fake_loss() -> None:
    """Their address is 0, where the compiled loop would read."""
    with FakeTensorMode():
        features = torch.randn(6, 2, 4, requires_grad=True)
        loss = supcr_bench.RnCLoss()(features, torch.randn(6))
        loss.backward()
    assert loss.shape == ()
    assert features.grad is not None
    assert features.grad.shape == features.shape


def test_the_operator_too_is_differentiated_only_once() -> None:
    step: Any = torch.compile(supcr_bench.RnCLoss(), fullgraph=True, backend="eager")
    features = torch.randn(6, 2, 4, requires_grad=True)
    loss = step(features, torch.randn(6))
    once: torch.Tensor = torch.autograd.grad(loss, features, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="differentiated only once"):
        once.sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.vmap])
def test_a_transform_is_refused_in_words(transform: Any) -> None:
    features, labels = torch.randn(6, 2, 4), torch.randn(6)
    criterion = supcr_bench.RnCLoss()
    with pytest.raises(RuntimeError, match=r"does not support transforms of torch\.func"):
        transform(lambda x: criterion(x, labels))(features)


def test_views_have_the_names_of_the_losses_that_it_replaces() -> None:
    features, labels = torch.randn(6, 2, 4), torch.randn(6, 2)
    first, second = features.unbind(1)
    joint = {"definition": "rank-n-contrast"}
    for criterion in (supcr_bench.RnCLoss(), implementation("distributed").factory(**joint)):
        right = criterion(features, labels)
        assert torch.equal(criterion(labels=labels, features=features), right)
    criterion = supcr_bench.SupCRLoss()
    right, _ = criterion(first, second, labels)
    for names in (("z1", "z2"), ("perturbed", "intact")):
        views = dict(zip(names, (first, second), strict=True))
        assert torch.equal(criterion(labels=labels, **views)[0], right)
    assert torch.equal(criterion(first, intact_embeddings=second, labels=labels)[0], right)
    with pytest.raises(TypeError, match="unknown argument 'target'; views may be named features"):
        criterion(first, second, target=labels)
    with pytest.raises(TypeError, match="give the labels so too"):
        criterion(first, labels, z2=second)
    with pytest.raises(TypeError, match="give no other view beside them"):
        criterion(features=features, z1=first, labels=labels)


@pytest.mark.parametrize("name", ["RnCLoss", "distributed"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), r"got \(\)"),
        ((torch.ones(3, 2), None), r"got \(Tensor, NoneType\)"),
        ((torch.ones(3, 2, 2),), r"got \(Tensor\)"),
        ((torch.ones(3, 2, 2), [1.0, 2.0, 3.0]), r"got \(Tensor, list\)"),
        (([torch.ones(3, 2)] * 2, torch.ones(3)), r"got \(list, Tensor\)"),
        ((np.ones((3, 2, 2)), torch.ones(3)), r"got \(ndarray, Tensor\)"),
    ],
)
def test_what_is_no_tensor_is_named(name: str, arguments: tuple[Any, ...], words: str) -> None:
    factory = supcr_bench.RnCLoss if name == "RnCLoss" else implementation(name).factory
    with pytest.raises(TypeError, match=f"all tensors; {words}"):
        factory()(*arguments)


def test_the_operator_keeps_torchs_contract() -> None:
    module = importlib.import_module(f"{PACKAGE}._loss")
    for name, dtype in (("torchcell", torch.float32), ("rank-n-contrast", torch.bfloat16)):
        views = torch.randn(2, 6, 4).to(dtype).requires_grad_()
        choices = supcr_bench.SupCRLoss(definition=name)._choices_as_text
        given = (views, torch.randn(6, 2), None, torch.tensor(0.5), choices, True)
        torch.library.opcheck(module._operator, given)


@pytest.mark.parametrize("name", ["scan", "tiled"])
def test_complex_labels_are_refused(name: str) -> None:
    batch = make_leaves(Case(batch_size=5))
    module = importlib.import_module(f"supcr_bench.implementations.{name}").IMPLEMENTATION.factory()
    with pytest.raises(ValueError, match="real numbers"):
        module(batch.first, batch.second, batch.labels.to(torch.complex64))
