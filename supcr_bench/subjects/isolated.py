"""Imports versions of an implementation, each from its own folder, into one process.

Python identifies a module by its name alone, so an import here always loads the file again. The
name of an implementation's module is unique to its folder, and equal in every process, because
numba's disk cache stores it. The folder's other modules are taken out of ``sys.modules``
afterwards, so that the next version imports its own. A loss may import a module only when it is
called, and ``torch.compile`` imports the modules of what it compiles: :func:`enter` puts the
modules of a version back. :func:`foreign_modules` finds what a version got from elsewhere.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

_modules: dict[Path, dict[str, ModuleType]] = {}
"""For each folder of a version, its modules that are not in ``sys.modules`` now."""
_entered: tuple[Path, dict[str, ModuleType]] | None = None
"""The version whose modules Python finds now, and the modules of the same names that it hides."""


def enter(root: Path | None) -> None:
    """Until the next call, let Python find the modules of one version first, or of none."""
    global _entered
    if _entered is not None:
        if _entered[0] == root:
            return
        before, hidden = _entered
        _modules[before] = _taken_out(before)
        sys.modules.update(hidden)
        sys.path[:] = [place for place in sys.path if place != str(before)]
        _entered = None
    if root is not None:
        hidden = _taken_out(root)
        sys.modules.update(_modules.pop(root, {}))
        sys.path.insert(0, str(root))
        _entered = root, hidden


def _taken_out(root: Path) -> dict[str, ModuleType]:
    names = _names_of(root, len(sys.modules), next(reversed(sys.modules)))
    return {name: sys.modules.pop(name) for name in names if name in sys.modules}


@lru_cache(maxsize=64)
def _names_of(root: Path, _imported: int, _last: str) -> list[str]:
    """The modules named like files of a folder; cached, as each timed call enters a version."""
    tops = {_top(name) for name in sys.modules} - sys.stdlib_module_names
    tops &= {path.stem for path in root.glob("*")}  # _is_own asks the disk
    own = {top for top in tops if _is_own(top, root)}
    return [name for name in sys.modules if _top(name) in own]


def found_in(root: Path, name: str) -> bool:
    """Whether all imported modules of a package come from a folder."""
    top = sys.modules.get(_top(name))
    places = [*getattr(top, "__path__", ()), getattr(top, "__file__", None) or ""]
    return top is None or any(place and lies_in(place, root) for place in places)


@contextmanager
def on_path(folder: Path, *, first: bool = False) -> Iterator[None]:
    """Within the block, Python also finds modules of that folder, after or before all others."""
    sys.path.insert(0 if first else len(sys.path), str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def script(file: Path) -> Iterator[ModuleType]:
    """Import a file like a script: it finds others of its folder by name or by relative import."""
    name = f"supcr_bench_side_{sha256(str(file.parent.resolve()).encode()).hexdigest()[:12]}"
    package = ModuleType(name)
    package.__path__ = [str(file.parent)]
    earlier = {n: sys.modules.pop(n) for n in list(sys.modules) if _top(n) == name}
    with _entered_anew(file.parent):
        sys.modules[name] = package
        try:
            yield execute(f"{name}.{file.stem}", file)
        finally:
            for other, known in earlier.items():
                sys.modules.setdefault(other, known)


@contextmanager
def module(name: str, root: Path) -> Iterator[ModuleType]:
    """Import a module of a package in ``root``, even if its name is already imported."""
    with _entered_anew(root):
        yield importlib.import_module(name)


def foreign_modules(root: Path) -> list[str]:
    """Modules with names of files in the folder ``root``, but imported from elsewhere."""
    names = _names_of(root, len(sys.modules), next(reversed(sys.modules)))
    return sorted(name for name in names if came_from_elsewhere(name, root))


def came_from_elsewhere(name: str, root: Path) -> bool:
    """Whether a module has the name of one in the folder ``root``, but its file is elsewhere."""
    file, is_standard = file_of(name), _top(name) in sys.stdlib_module_names
    return file is not None and not is_standard and _is_own(name, root) and not lies_in(file, root)


def file_of(name: str) -> str | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return file if isinstance(file, str) else None


def lies_in(file: str, root: Path) -> bool:
    return Path(file).resolve().is_relative_to(root.resolve())


def execute(name: str, file: Path) -> ModuleType:
    """Import a file under a name, and remove the name from ``sys.modules`` if that fails."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _entered_anew(root: Path) -> Iterator[None]:
    """Within the block, Python finds modules of a folder first, and imports each again.

    Modules are recognised by name: the path of a folder without ``__init__.py`` may change later.
    """
    enter(None)
    _modules.pop(root, None)
    enter(root)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        enter(None)


def _is_own(name: str, root: Path) -> bool:
    """Whether Python finds a module of this name in a folder; false for modules of supcr_bench.

    A subfolder without ``__init__.py`` counts only if no package of that name is imported.
    """
    top = _top(name)
    if top == "supcr_bench":
        return False
    is_there = (root / f"{top}.py").is_file() or (root / top / "__init__.py").is_file()
    return is_there or ((root / top).is_dir() and file_of(top) is None)


@cache  # asked of thousands of modules
def _top(name: str) -> str:
    return name.partition(".")[0]
