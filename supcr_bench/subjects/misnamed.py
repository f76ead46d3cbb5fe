"""Says which file or attribute is meant by a name that lacks one, without importing anything."""

import ast
import importlib.util
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from supcr_bench.values.errors import SubjectError, defined_names

MOST_SEARCHED = 1000
"""Most files, and folders, that are searched for the one that is meant."""


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
    for place, folders, files in itertools.islice(os.walk(folder), MOST_SEARCHED):
        skipped = (".", "__", "site-packages", "dist-packages", "node_modules")
        folders[:] = sorted(name for name in folders if not name.startswith(skipped))
        found = [Path(place, name) for name in sorted(files) if name.endswith(".py")][:left]
        left -= len(found)
        yield from found


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(errors="replace") if file.is_file() else ""
    return ""
