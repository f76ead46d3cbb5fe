import gc
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch

from supcr_bench.measure.version_times import (
    VersionedCell,
    require_no_interference,
    time_versions,
)
from supcr_bench.subjects import calls
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.process_state import KEEP, SETTINGS, ProcessState
from supcr_bench.subjects.registry import Subject, load, locate
from supcr_bench.values.case import Case
from supcr_bench.values.errors import SubjectError

LOSS = """
import torch

class Loss(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        {in_init}

    def forward(self, perturbed, intact, labels):
        loss = (perturbed * intact).mean()
        return loss, loss.detach().expand(labels.shape[1])

{on_import}
"""


@pytest.fixture(autouse=True)
def same_process():
    """The settings are as they were after each test."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    precision = torch.get_float32_matmul_precision()
    path, known = list(sys.path), set(sys.modules)
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.use_deterministic_algorithms(False)
    torch.set_grad_enabled(True)
    torch.backends.cudnn.benchmark = False
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if name.startswith("apart"):
            del sys.modules[name]


def versions(tmp_path: Path, on_import: str = "", in_init: str = "pass") -> dict[str, Subject]:
    sides = {}
    for label in ("before", "after"):
        root = tmp_path / label
        root.mkdir()
        (root / "loss.py").write_text(LOSS.format(on_import=on_import, in_init=in_init))
        sides[label] = Subject("loss.py:Loss", "file", "loss.py", "Loss", str(root))
    return sides


def time(sides: dict[str, Subject]) -> list[Any]:
    case = Case(batch_size=8, dims=2, nan_density=0.0, pass_="training")
    cell = VersionedCell("loss.py:Loss", case, sides, sampling_s=0.01)
    return time_versions([cell], seed="0")


def operator(name: str) -> str:
    return (
        f"@torch.library.custom_op({name!r}, mutates_args=())\n"
        "def f(x: torch.Tensor) -> torch.Tensor:\n"
        "    return x.clone()\n"
    )


def test_versions_that_leave_the_process_alone_are_timed(tmp_path):
    assert set(time(versions(tmp_path))[0].seconds) == {"before", "after"}


@pytest.mark.parametrize(
    "on_import",
    [
        operator("apart_custom::f"),
        "library = torch.library.Library('apart_library', 'DEF')\n"
        "library.define('f(Tensor x) -> Tensor')\n",
    ],
    ids=["custom_op", "library"],
)
def test_an_operator_that_a_version_registers_is_named(tmp_path, on_import):
    before = ProcessState(operators=True)
    subject = versions(tmp_path, on_import)["after"]
    kept = load(subject)
    with pytest.raises(SubjectError, match=r"loss\.py:Loss: registers the operator apart_\w+::f "):
        require_no_interference({subject: kept}, before)
    assert kept.name == "loss.py:Loss"


def test_versions_that_register_the_same_operator_are_not_timed(tmp_path):
    with pytest.raises(SubjectError, match=r"apart_timed::f with torch.*cannot be timed in one"):
        time(versions(tmp_path, operator("apart_timed::f")))


def test_an_operator_of_another_package_is_no_reason(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    (site / "apart_package.py").write_text("import torch\n" + operator("apart_package::f"))
    monkeypatch.syspath_prepend(site)
    before = ProcessState(operators=True)
    subject = versions(tmp_path, "import apart_package")["after"]
    loaded = load(subject)
    assert "apart_package::f" in ProcessState(operators=True).operators - before.operators
    require_no_interference({subject: loaded}, before)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("torch.set_default_dtype(torch.float64)", "changes the default dtype"),
        ("torch.set_num_threads(torch.get_num_threads() + 1)", "changes the number of threads"),
        ("torch.use_deterministic_algorithms(True)", "changes the use of deterministic algorithms"),
        ("torch.set_grad_enabled(False)", "changes the grad mode"),
        ("torch.set_float32_matmul_precision('medium')", "the float32 matmul precision"),
        ("torch.backends.cudnn.benchmark = True", r"changes the cudnn\.benchmark"),
    ],
)
def test_a_setting_that_an_import_changes_is_named(tmp_path, statement, said):
    with pytest.raises(SubjectError, match=f"{said}.* affects the whole process"):
        time(versions(tmp_path, statement))


def test_a_setting_that_a_call_changes_is_named_after_timing(tmp_path):
    with pytest.raises(SubjectError, match="changes the float32 matmul precision"):
        time(versions(tmp_path, in_init="torch.set_float32_matmul_precision('medium')"))


def test_a_neighbour_that_a_call_imports_is_each_versions_own(tmp_path):
    sides = versions(
        tmp_path, in_init="import apart_helper\n        assert apart_helper.X in __file__"
    )
    for label, subject in sides.items():
        (Path(str(subject.root)) / "apart_helper.py").write_text(f"X = '/{label}/'\n")
    assert set(time(sides)[0].seconds) == {"before", "after"}


def test_a_neighbour_that_a_call_imports_from_elsewhere_is_named_after_timing(
    tmp_path, monkeypatch
):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "apart_helper.py").touch()
    sides = versions(tmp_path, in_init="import apart_helper")
    for subject in sides.values():
        (Path(str(subject.root)) / "apart_helper.py").touch()

    class Hook:
        """An import hook of an editable install, which finds the work tree first."""

        def find_spec(self, name, path=None, target=None):
            return PathFinder.find_spec(name, [str(tree)]) if name == "apart_helper" else None

    monkeypatch.setattr(sys, "meta_path", [Hook(), *sys.meta_path])
    with pytest.raises(SubjectError, match=r"imports apart_helper when it is called.*tree"):
        time(sides)


def test_one_version_alone_may_do_as_it_likes(tmp_path):
    before = ProcessState(operators=True)
    torch.set_float32_matmul_precision("medium")
    one = Subject("one", "file", "loss.py", "Loss")
    require_no_interference({one: load(locate("loopy"))}, before)


def test_what_cannot_be_undone_is_lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setitem(SETTINGS, "priority", (now.copy, lambda _: None, KEEP))
    state = ProcessState()
    assert state.lasting_changes() == []
    now[0] = 10
    assert state.lasting_changes() == []  # another may have changed it on purpose
    assert state.undo() == ["changes the priority"]
    assert state.lasting_changes() == ["changes the priority"]


@pytest.mark.parametrize(("key", "found"), [("CPU", True), ("FuncTorchBatched", False)])
def test_an_operator_is_overridden_unless_by_the_rules_of_torch_for_vmap(
    monkeypatch: pytest.MonkeyPatch, key: str, found: bool
) -> None:
    process = ProcessState()
    monkeypatch.setattr(torch.library, "_impls", {*torch.library._impls, f"aten/new/{key}"})
    assert ("overrides torch's operator new" in process.lasting_changes()) is found


def test_a_default_that_is_filled_in_and_a_name_of_a_builtin_in_numpy_are_no_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "_kernel", None, raising=False)
    state = ProcessState()
    monkeypatch.setattr(calls, "_kernel", len)
    monkeypatch.setattr(np, "float", float, raising=False)
    assert state.undo() == []
    assert vars(np)["float"] is float


def test_a_builtin_and_an_inherited_method_are_hidden_until_the_change_is_undone() -> None:
    state = ProcessState()
    vars(calls)["sorted"] = vars(calls)["no_builtin"] = len
    Adapter.__str__ = Adapter.__repr__  # type: ignore[method-assign]
    try:
        assert sorted(state.undo()) == [
            "replaces supcr_bench.subjects.adapter.Adapter.__str__",
            "replaces supcr_bench.subjects.calls.sorted",
        ]
        assert state.undo() == []
        assert "sorted" not in vars(calls)
        assert "__str__" not in vars(Adapter)
    finally:
        del vars(calls)["no_builtin"]


def test_what_torch_compiled_for_a_loss_of_ours_may_vanish() -> None:
    module = sys.modules[ProcessState.__module__]
    doubled = FunctionType((lambda x: 2 * x).__code__, vars(module))
    torch.compile(doubled, backend="eager")(torch.ones(2))
    generated = {name for name in vars(module) if name.startswith("__compiled_fn")}
    before = ProcessState()

    torch._dynamo.reset()
    gc.collect()

    assert generated
    assert not generated & vars(module).keys()
    assert not list(before.changes())
