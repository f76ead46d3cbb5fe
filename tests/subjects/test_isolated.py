import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from supcr_bench.subjects import isolated
from supcr_bench.subjects.registry import Subject, load, require_own_imports
from supcr_bench.values.errors import SubjectError
from tests.forked.start import Servers


@pytest.fixture(autouse=True)
def own_modules(monkeypatch):
    """What a test imports is not known to the next."""
    known = set(sys.modules)
    yield
    isolated.enter(None)
    for name in set(sys.modules) - known:
        if name.partition(".")[0].startswith("iso"):
            del sys.modules[name]


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        file = root / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def package(root: Path, **files: str) -> Path:
    write(root, **{f"isopack__{name}": text for name, text in files.items()})
    (root / "isopack" / "__init__.py").touch()
    return root


def script(root: Path) -> Subject:
    return Subject(f"loss.py@{root.name}", "file", "loss.py", "Loss", str(root))


def member(root: Path, target: str = "isopack.loss") -> Subject:
    return Subject(f"{target}@{root.name}", "module", target, "Loss", str(root))


def loaded(subject: Subject) -> Any:
    return load(subject).factory


LOSS = "from isospace.inner import X\nclass Loss:\n    x = X\n"


def test_folders_without_init_do_not_leak_from_one_version_to_the_next(tmp_path):
    one = write(tmp_path / "one", loss=LOSS, isospace__inner="X = 1\n")
    two = write(tmp_path / "two", loss=LOSS, isospace__inner="X = 2\n")
    seen = [loaded(script(root)).x for root in (one, two, one)]
    assert seen == [1, 2, 1]
    isolated.enter(None)
    assert not [name for name in sys.modules if name.startswith("isospace")]


def test_folders_without_init_are_forgotten_in_any_order(tmp_path):
    loss = "from isospace.deep.inner import X\nclass Loss:\n    x = X\n"
    for number in range(5):
        root = write(tmp_path / str(number), loss=loss, isospace__deep__inner=f"X = {number}\n")
        assert loaded(script(root)).x == number


def test_a_file_of_such_a_folder_that_only_the_work_tree_has_is_noticed(tmp_path, monkeypatch):
    tree = write(tmp_path / "tree", isospace__inner="X = 0\n")
    one = write(tmp_path / "one", loss=LOSS, isospace__other="")
    monkeypatch.syspath_prepend(tree)
    with pytest.raises(SubjectError, match=r"imports isospace\.inner from outside .*tree"):
        load(script(one))


def test_a_real_package_from_elsewhere_is_kept_beside_a_folder_of_its_name(tmp_path, monkeypatch):
    site = package(tmp_path / "site", thing="X = 1\n")
    monkeypatch.syspath_prepend(site)
    loss = "from isopack.thing import X\nclass Loss:\n    x = X\n"
    root = write(tmp_path / "one", loss=loss, isopack__other="")
    assert loaded(script(root)).x == 1
    assert "isopack.thing" in sys.modules


def test_an_attribute_that_is_imported_on_demand_comes_from_its_own_version(tmp_path, monkeypatch):
    lazy = (
        "import importlib\n"
        "def __getattr__(name):\n"
        "    if name != 'Loss':\n"
        "        raise AttributeError(name)\n"
        "    return importlib.import_module('isopack.late').Loss\n"
    )
    roots = [
        package(tmp_path / name, loss=lazy, late=f"class Loss:\n    x = {name!r}\n")
        for name in ("tree", "one", "two")
    ]
    monkeypatch.syspath_prepend(roots[0])
    assert [loaded(member(root)).x for root in roots[1:]] == ["one", "two"]


def test_an_attribute_whose_import_fails_is_said(tmp_path):
    lazy = "def __getattr__(name):\n    raise ImportError('no extension')\n"
    root = package(tmp_path / "one", loss=lazy)
    with pytest.raises(SubjectError, match="cannot be imported: ImportError: no extension"):
        load(member(root))


class Hook:
    """An import hook that finds a package in a work tree before any other."""

    def __init__(self, name: str, tree: Path) -> None:
        self.name, self.tree = name, tree

    def find_spec(self, name, path=None, target=None):
        return PathFinder.find_spec(name, [str(self.tree)]) if name == self.name else None


def test_an_import_hook_that_puts_the_work_tree_first_is_noticed(tmp_path, monkeypatch):
    tree = package(tmp_path / "tree", loss="class Loss:\n    pass\n")
    one = package(tmp_path / "one", loss="class Loss:\n    pass\n")
    monkeypatch.setattr(sys, "meta_path", [Hook("isopack", tree), *sys.meta_path])
    with pytest.raises(
        SubjectError, match=r"imports isopack\.loss from outside .*tree.*import hook"
    ):
        load(member(one))


def test_a_neighbour_from_the_work_tree_is_noticed(tmp_path, monkeypatch):
    loss = "from isohelper import X\nclass Loss:\n    x = X\n"
    tree = write(tmp_path / "tree", isohelper="X = 0\n")
    one = write(tmp_path / "one", loss=loss, isohelper="X = 1\n")
    monkeypatch.setattr(sys, "meta_path", [Hook("isohelper", tree), *sys.meta_path])
    with pytest.raises(SubjectError, match=r"imports isohelper from outside .*tree"):
        load(script(one))


def test_what_was_imported_from_the_work_tree_before_is_not_taken_for_a_version(
    tmp_path, monkeypatch
):
    tree = write(tmp_path / "tree", isohelper="class Loss:\n    x = 'tree'\n")
    loss, helper = "from isohelper import Loss\n", "class Loss:\n    x = 'one'\n"
    one = write(tmp_path / "one", loss=loss, isohelper=helper)
    monkeypatch.syspath_prepend(tree)
    earlier = __import__("isohelper")
    assert loaded(script(one)).x == "one"
    isolated.enter(None)
    assert sys.modules["isohelper"] is earlier


def test_what_a_version_imports_when_it_is_called_is_its_own(tmp_path, monkeypatch):
    loss = "def Loss():\n    from isopack import helper\n    return helper.X\n"
    roots = [
        package(tmp_path / name, loss=loss, helper=f"X = {name!r}\n")
        for name in ("tree", "one", "two")
    ]
    monkeypatch.syspath_prepend(roots[0])
    factories = {root: loaded(member(root)) for root in roots[1:]}
    for root in (*roots[1:], *roots[1:]):
        isolated.enter(root)
        assert factories[root]() == root.name
    require_own_imports(map(member, roots[1:]))
    isolated.enter(None)
    assert __import__("isopack.helper").helper.X == "tree"


def test_what_is_imported_from_the_work_tree_in_a_call_is_noticed_afterwards(tmp_path, monkeypatch):
    loss = "def Loss():\n    import isohelper\n    return isohelper.X\n"
    tree = write(tmp_path / "tree", isohelper="X = 0\n")
    one = package(tmp_path / "one", loss=loss)
    write(one, isohelper="X = 1\n")
    monkeypatch.setattr(sys, "meta_path", [Hook("isohelper", tree), *sys.meta_path])
    subject = member(one)
    factory = loaded(subject)
    require_own_imports([subject])
    assert isolated.foreign_modules(one) == []
    assert factory() == 0
    assert isolated.foreign_modules(one) == ["isohelper"]
    with pytest.raises(SubjectError, match=r"imports isohelper when it is called.*tree.*isohelper"):
        require_own_imports([subject])


def test_the_standard_library_and_the_harness_are_no_strangers(tmp_path):
    root = write(
        tmp_path / "one",
        loss="class Loss:\n    pass\n",
        this="",
        supcr_bench__values__errors="",
    )
    subject = script(root)
    load(subject)
    sys.modules.pop("this", None)
    __import__("this")
    assert isolated.foreign_modules(root) == []
    assert "supcr_bench" in sys.modules


def test_a_version_of_the_harness_beside_a_loss_does_not_replace_it(tmp_path):
    here = sys.modules["supcr_bench.values.errors"]
    loss = "from supcr_bench.values import errors\nclass Loss:\n    x = errors\n"
    root = write(tmp_path / "one", loss=loss, supcr_bench__values__errors="")
    assert loaded(script(root)).x is here
    assert sys.modules["supcr_bench.values.errors"] is here


def test_neighbours_of_a_version_are_found_after_it_was_imported_too(tmp_path):
    """By the names that they had then: compiled code that is kept on disk asks for them."""
    text = "def factory():\n    from .near import X\n    return X\n"
    names = []
    for number in (1, 2):
        root = write(tmp_path / str(number), folder__loss=text, folder__near=f"X = {number}\n")
        subject = Subject("loss", "folder", "folder/loss.py", "factory", str(root))
        factory, again = loaded(subject), loaded(subject)
        assert factory is not again
        assert factory() == again() == number
        assert factory.__module__ == again.__module__
        assert sys.modules[factory.__module__].factory is again
        names.append(factory.__module__)
    assert len(set(names)) == 2


def test_a_loop_that_is_compiled_and_kept_on_disk_runs_again_in_another_process(
    tmp_path: Path, servers: Servers
):
    pytest.importorskip("numba")
    root = write(
        tmp_path / "one",
        folder__loss="from .loop import add\nclass Loss:\n    add = add\n",
        folder__loop=(
            "from numba import njit\n"
            "@njit(cache=True)\n"
            "def twice(x):\n    return 2 * x\n"
            "@njit(cache=True)\n"
            "def add(x):\n    return twice(x) + 1\n"
        ),
    )
    code = (
        "from supcr_bench.subjects.registry import Subject, load\n"
        f"subject = Subject('loss', 'folder', 'folder/loss.py', 'Loss', {str(root)!r})\n"
        "print(load(subject).factory.add(3))\n"
    )
    for _ in range(2):
        done = servers.run_code(code, tmp_path)
        assert done.stdout == "7\n", done.stderr
    assert list(root.rglob("*.nbi"))


def test_a_version_whose_folder_is_gone_is_left_without_an_error(tmp_path: Path) -> None:
    root = tmp_path / "gone"
    root.mkdir()
    isolated.enter(root)
    root.rmdir()
    isolated.enter(None)
    assert str(root) not in sys.path


def test_imported_modules_are_searched_again_only_once_another_was_imported(tmp_path):
    roots = [write(tmp_path / name, loss=LOSS, isospace__inner="X = 1\n") for name in "ab"]
    for root in roots:
        loaded(script(root))
    for root in roots * 2:
        isolated.enter(root)
    searched = isolated._names_of.cache_info().misses
    for root in roots * 5:
        isolated.enter(root)
    assert isolated._names_of.cache_info().misses == searched
    sys.modules["isoother"] = ModuleType("isoother")
    isolated.enter(roots[0])
    assert isolated._names_of.cache_info().misses > searched
