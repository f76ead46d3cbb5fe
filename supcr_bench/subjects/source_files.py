"""Digests of the files that an implementation consists of, to see later that one has changed."""

import ast
import sys
from hashlib import sha256
from pathlib import Path

from supcr_bench.subjects.isolated import file_of
from supcr_bench.subjects.packages import imports
from supcr_bench.subjects.registry import Subject, module_name

Files = tuple[tuple[str, str], ...]
"""Files relative to the folder of the implementation's file or package, each with a digest."""


def source_files(subject: Subject) -> Files:
    """A subject's file, and the loaded modules of its folder or package that its source imports."""
    if subject.root is not None:
        return ()
    first = module_name(subject)
    file, top = file_of(first), file_of(first.partition(".")[0])
    if file is None:
        return ()
    root = Path((subject.kind == "module" and top) or file).resolve().parent
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
        new = set(imports(ast.walk(ast.parse(content)), sys.modules[name].__package__ or "")) - seen
        seen |= new
        left += new
    return tuple(sorted(found.items()))


def changes(before: Files, now: Files) -> list[str]:
    known = dict(now)
    return [
        f"{file} {'has changed' if file in known else 'is no longer imported'}"
        for file, digest in before
        if known.get(file) != digest
    ]
