"""Imports versions of an implementation, each from its own folder, into one process.

Python identifies a module by its name alone, so an import here always loads the file again. The
name of an implementation's module is unique to its folder, and equal in every process, because
numba's disk cache stores it. The folder's other modules are removed from ``sys.modules``
afterwards, so that the next version imports its own. A version that imports a module only when it
is called may get another version's; :func:`foreign_modules` finds such modules.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType

_known: dict[Path, frozenset[str]] = {}
"""For each folder of a version, the names of the modules imported before its own."""


@contextmanager
def script(file: Path) -> Iterator[ModuleType]:
    """Import a file like a script: it can import other files of its folder by their names."""
    with _found_first(file.parent):
        yield execute(_name_of(file), file)


@contextmanager
def sibling(file: Path) -> Iterator[ModuleType]:
    """Import a file from a folder of implementations; the file may use relative imports."""
    name = _name_of(file.parent)
    package = ModuleType(name)
    package.__path__ = [str(file.parent)]
    earlier = {n: sys.modules.pop(n) for n in list(sys.modules) if _top(n) == name}
    with _found_first(file.parent):
        sys.modules[name] = package
        try:
            yield execute(f"{name}.{file.stem}", file)
        finally:
            for other, known in earlier.items():
                sys.modules.setdefault(other, known)


@contextmanager
def module(name: str, root: Path) -> Iterator[ModuleType]:
    """Import a module of a package in ``root``, even if its name is already imported."""
    known = {n: m for n, m in sys.modules.items() if _top(n) == _top(name)}
    for other in known:
        del sys.modules[other]
    try:
        with _found_first(root):
            yield importlib.import_module(name)
    finally:
        sys.modules.update(known)


def foreign_modules(root: Path) -> list[str]:
    """Modules with names of files in the folder ``root``, but imported from elsewhere."""
    known = _known.get(root, frozenset())
    return sorted(n for n in set(sys.modules) - known if came_from_elsewhere(n, root))


def came_from_elsewhere(name: str, root: Path) -> bool:
    """Whether a module has the name of one in the folder ``root``, but its file is elsewhere."""
    file = file_of(name)
    return (
        file is not None
        and _top(name) not in sys.stdlib_module_names
        and _is_own(name, root)
        and not lies_in(file, root)
    )


def file_of(name: str) -> str | None:
    file = getattr(sys.modules.get(name), "__file__", None)
    return file if isinstance(file, str) else None


def lies_in(file: str, root: Path) -> bool:
    return Path(file).resolve().is_relative_to(root.resolve())


def _name_of(place: Path) -> str:
    return f"supcr_bench_side_{sha256(str(place.resolve()).encode()).hexdigest()[:12]}"


def execute(name: str, file: Path) -> ModuleType:
    """Import a file under a name, which is taken back if that fails."""
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
def _found_first(root: Path) -> Iterator[None]:
    """Make Python find modules of a folder first; remove them from ``sys.modules`` at the end.

    It recognises them by name: the path of a folder without ``__init__.py`` may change later.
    """
    known = frozenset(sys.modules)
    _known.setdefault(root, known)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        taken = {_top(name) for name in known}
        new = set(sys.modules) - known
        for name in [n for n in new if _top(n) not in taken and _is_own(n, root)]:
            del sys.modules[name]


def _is_own(name: str, root: Path) -> bool:
    """Whether Python finds a module of this name in a folder; false for modules of supcr_bench.

    A subfolder without ``__init__.py`` counts only if no package of that name is imported.
    """
    top = _top(name)
    if top == "supcr_bench":
        return False
    if (root / f"{top}.py").is_file() or (root / top / "__init__.py").is_file():
        return True
    is_package = file_of(top) is not None
    return (root / top).is_dir() and not is_package


def _top(name: str) -> str:
    return name.partition(".")[0]
