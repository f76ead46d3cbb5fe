"""Digests of the files that an implementation consists of, to see later that one has changed."""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from supcr_bench.subjects.isolated import file_of
from supcr_bench.subjects.registry import Subject, module_name

Files = tuple[tuple[str, str], ...]
"""Files relative to the folder of the implementation's file or package, each with a digest."""


def source_files(subject: Subject) -> Files:
    """The file of a loaded subject, and the modules of its own folder or package that it imports.

    Imports are read from the source; of a module that was not imported yet, nothing is known.
    """
    if subject.root is not None:
        return ()
    first = module_name(subject)
    file, top = file_of(first), file_of(first.partition(".")[0])
    if file is None:
        return ()
    whole_package = subject.kind in ("module", "entry point") and top is not None
    root = Path(top if whole_package and top else file).resolve().parent
    found: dict[str, str] = {}
    left, seen = [first], {first}
    while left:
        name = left.pop()
        path = Path(file_of(name) or "/").resolve()
        if path.suffix != ".py" or not path.is_relative_to(root):
            continue
        own = path.relative_to(root)
        if "site-packages" in own.parts:
            continue
        content = path.read_bytes()
        found[own.as_posix()] = sha256(content).hexdigest()[:16]
        new = set(_imports(content, sys.modules[name].__package__ or "")) - seen
        seen |= new
        left += new
    return tuple(sorted(found.items()))


def _imports(source: bytes, package: str) -> Iterator[str]:
    """Full names of the modules that a source imports, and of the packages that these are in."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(base, package) if node.level else base
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def changes(before: Files, now: Files) -> list[str]:
    """The files of ``before`` that have changed or are gone, in words."""
    known = dict(now)
    return [
        f"{file} {'has changed' if file in known else 'is no longer imported'}"
        for file, digest in before
        if known.get(file) != digest
    ]
