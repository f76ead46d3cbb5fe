"""Finds the package that a file belongs to, and where a checkout roots its packages."""

import ast
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path, PurePath

SOURCES = ("src", "lib", "python")
"""Folders that may be the root of a checkout's packages."""

Exists = Callable[[PurePath], bool]


def search_folder(name: str, start: Path) -> Path:
    """The folder to search besides Python's path: ``start``, its ``src/``, or a project in it."""
    top = name.partition(".")[0]
    if (start / f"{top}.py").is_file() or (start / top / "__init__.py").is_file():
        return start
    below = [start / source for source in SOURCES]
    for pattern in ("*", *(f"*/{source}" for source in SOURCES), "*/*/src"):
        below += sorted(p for p in start.glob(pattern) if "/." not in p.as_posix())
    return next((p for p in below if (p / top / "__init__.py").is_file()), start)


def rooted(file: PurePath, exists: Exists, least: int = 0) -> tuple[PurePath, str]:
    """The folder to search for a file's package, and the file's full name as a module.

    A folder with an ``__init__.py`` is a package; so are the nearest ``least`` folders in any case.
    """
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while folder.name and (least > 0 or exists(folder / "__init__.py")):
        parts.insert(0, folder.name)
        folder, least = folder.parent, least - 1
    return folder, ".".join(parts)


def membership(file: PurePath, source: bytes, exists: Exists) -> tuple[PurePath, str] | None:
    """Where a file's package is rooted, and its name as a module; ``None`` without a package.

    A file is a member of its package if it imports from it. For any other file, the package's code
    need not run, and may not be able to.
    """
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return None
    relative = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.level]
    if relative:
        there = exists(file.parent / "__init__.py") or all(
            any(map(exists, _targets(file, node))) for node in relative
        )
        return rooted(file, exists, max(n.level for n in relative)) if there else None
    root, module = rooted(file, exists)
    top, dot, _ = module.partition(".")
    return (root, module) if dot and top in set(imports(nodes)) else None


def _targets(file: PurePath, node: ast.ImportFrom) -> Iterator[PurePath]:
    folder = file.parents[node.level - 1] if node.level <= len(file.parents) else file
    base = folder.joinpath(*(node.module or "").split("."))
    for place in (base, *(base / alias.name for alias in node.names)):
        yield from (place.with_name(f"{place.name}.py"), place / "__init__.py")


def imports(nodes: Iterable[ast.AST], package: str = "") -> Iterator[str]:
    """The full names of modules, and of their packages, that a source in ``package`` imports."""
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(base, package) if node.level else base
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            yield from accumulate(name.split("."), "{}.{}".format)
