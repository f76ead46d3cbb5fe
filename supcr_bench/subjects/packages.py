"""Finds the package of a file, and the file of a name, without importing anything."""

import ast
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, islice
from pathlib import Path, PurePath

from supcr_bench.values.errors import SubjectError, defined_names

SOURCES = ("src", "lib", "python")
"""Folders that may be the root of a checkout's packages."""
MOST_SEARCHED = 1000
"""Most files, and folders, that are searched for the one that is meant."""

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


def import_lines(
    target: str, attribute: str, *modules: str, classes: Sequence[str] = ()
) -> tuple[list[str], str]:
    """The lines that import modules and an attribute of a module or file, and its name after them.

    An attribute of ``__main__`` needs no import. ``classes`` are imported from the same place.
    """
    top, file = attribute.partition(".")[0], Path(target)
    names = ", ".join(dict.fromkeys((top, *classes)))
    if not target.endswith(".py"):
        lines = [f"import {', '.join(modules)}"] if modules else []
        return lines + [f"from {target} import {names}"] * (target != "__main__"), attribute
    folder, module = file.parent, file.stem
    if file.is_file():
        full = file.resolve()
        if member := membership(full, full.read_bytes(), lambda place: Path(place).is_file()):
            folder, module = Path(member[0]), member[1]
    plain = all(part.isidentifier() for part in module.split("."))
    used = sorted({"sys", *modules, *(() if plain else ("importlib",))})
    lines = [f"import {', '.join(used)}", f"sys.path.insert(0, {str(folder)!r})"]
    if plain:
        return [*lines, f"from {module} import {names}"], attribute
    lines += [f"module = importlib.import_module({module!r})"]
    lines += [f"{name} = module.{name}" for name in classes]
    return lines, f"module.{attribute}"


def needs_attribute(path: str) -> str:
    """The message that a file needs an attribute: what it defines, and which is likely meant."""
    try:
        body = ast.parse(Path(path).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return f"{path}: say which attribute, as in {path}:Class"
    names = [n.name for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    public = [name for name in names if not name.startswith("_")]
    meant = max(public, key=lambda name: "loss" in name.lower(), default="Class")
    return f"{path}: say which attribute, as in {path}:{meant}; it defines {defined_names(names)}"


def check_is_module(name: str, target: str, attribute: str) -> None:
    """Raise a SubjectError if the target is a folder, or the path of a file without ``.py``."""
    place, file = Path(target), Path(f"{target}.py")
    if "/" not in target or not file.is_file():
        if target.startswith(".") and not place.is_dir():
            reason = f"{target!r} begins with a dot: name the module in full, or a file"
            raise SubjectError(f"{name}: {reason}")
        if not place.is_dir() or (target.isidentifier() and _is_package(place)):
            return
        top = re.escape(attribute.partition(".")[0])
        defines = re.compile(rf"(?m)^(?:class|def|async def) {top}\b|^{top}\s*=")
        file = next((f for f in _python_files(place) if defines.search(_text(f))), Path())
        if not file.name:
            example = f"{place / 'losses.py'}:{attribute}"
            raise SubjectError(f"{name}: {target} is a folder: name a file, as in {example}")
    meant = f"{file}:{attribute}"
    raise SubjectError(f"{name}: {target!r} is not a Python file (did you mean {meant!r}?)")


def _is_package(folder: Path) -> bool:
    found = importlib.util.find_spec(folder.name)
    return (folder / "__init__.py").is_file() or bool(found and found.origin)


def _python_files(folder: Path) -> Iterator[Path]:
    """At most 1000 files of a folder and those in it, but of hidden and of installed ones."""
    left = MOST_SEARCHED
    for place, folders, files in islice(os.walk(folder), MOST_SEARCHED):
        skipped = (".", "__", "site-packages", "dist-packages", "node_modules")
        folders[:] = sorted(name for name in folders if not name.startswith(skipped))
        found = [Path(place, name) for name in sorted(files) if name.endswith(".py")][:left]
        left -= len(found)
        yield from found


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(errors="replace") if file.is_file() else ""
    return ""
