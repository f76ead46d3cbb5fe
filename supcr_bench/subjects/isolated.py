"""Import files as they stood in some folder, so that two versions of them live in one process.

Python knows a module by its name alone, and two versions of a file have the same. So every import
here is a fresh one, and what it brought in from that folder is forgotten by name afterwards: the
objects live on, and the next version imports its own. What a function imports only when it is
called, relative to its file, is therefore not found; neither is a name registered twice with torch.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import ModuleType

_numbers = count()


def import_script(file: Path) -> ModuleType:
    """A file as when it is run as a script: its neighbours are found by their plain names."""
    name = f"supcr_bench_side_{next(_numbers)}"
    with _forgotten(file.parent):
        return _execute(name, file)


def import_sibling(file: Path) -> ModuleType:
    """A file of a folder of implementations: its neighbours are found by relative imports."""
    name = f"supcr_bench_side_{next(_numbers)}"
    package = ModuleType(name)
    package.__path__ = [str(file.parent)]
    with _forgotten(file.parent):
        sys.modules[name] = package
        return _execute(f"{name}.{file.stem}", file)


def import_module(name: str, root: Path) -> ModuleType:
    """A module of a package that lies in ``root``, whatever is known by that name already."""
    package = name.partition(".")[0]
    known = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == package}
    for other in known:
        del sys.modules[other]
    try:
        with _forgotten(root):
            return importlib.import_module(name)
    finally:
        sys.modules.update(known)


def _execute(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _forgotten(root: Path) -> Iterator[None]:
    """Modules of that folder are found first, and are not known by name afterwards."""
    known = set(sys.modules)
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in set(sys.modules) - known:
            if _lies_in(sys.modules[name], root):
                del sys.modules[name]


def _lies_in(module: ModuleType, root: Path) -> bool:
    """Whether a module came from a folder; a package without a file is known by its path."""
    places = [getattr(module, "__file__", None)]
    if places == [None]:
        places = list(getattr(module, "__path__", ()))
    return any(place and Path(place).is_relative_to(root) for place in places)
