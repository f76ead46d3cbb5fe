"""Copies an implementation as it is now, and as it was at a git revision, side by side.

For a file, all Python files in and below its folder are copied; for a module, those of its
top-level package, with generated files. Each version is imported in the same way from a folder of
its own, so that neither has an advantage; the work tree is only read.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from supcr_bench.gate.checkout import Checkout, RevisionError, readable
from supcr_bench.subjects.registry import FOLDER, Subject, folder, on_path
from supcr_bench.values.errors import SubjectError


@dataclass(frozen=True, slots=True)
class Versions:
    """An implementation now and at the revision (``None`` if it did not exist), and remarks."""

    name: str
    after: Subject
    before: Subject | None
    notes: tuple[str, ...]


def _place(subject: Subject) -> tuple[Path, Path, Subject, bool]:
    """A subject's file, the folder to copy, the name to import, and whether it is a package."""
    target = subject.target
    if target.startswith(f"{FOLDER}."):
        file = folder() / f"{target.removeprefix(FOLDER + '.')}.py"
        return file, file.parent, replace(subject, kind="folder", target=file.name), False
    if subject.kind == "file":
        file = Path(target)
        return file, file.parent, replace(subject, target=file.name), False
    package = target.partition(".")[0]
    if package == "supcr_bench":
        raise SubjectError(
            f"{subject.name} is part of supcr_bench, of which there can be only one version; "
            "copy it into a file of its own"
        )
    try:
        with on_path(Path.cwd()):
            top, found = importlib.util.find_spec(package), importlib.util.find_spec(target)
    except (ImportError, ValueError) as error:
        raise SubjectError(f"{subject.name} cannot be found: {error}") from None
    if top is None or found is None or not found.origin or not found.origin.endswith(".py"):
        raise SubjectError(f"{subject.name}: no Python file of that module is found")
    file, places = Path(found.origin), list(top.submodule_search_locations or ())
    return file, Path(places[0]) if places else file.parent, subject, bool(places)


def at_revision(subject: Subject, revision: str, scratch: Path) -> Versions:
    """Copy both versions of a subject (implementation) into ``scratch``, an empty folder."""
    place, copied, imported, is_package = _place(subject)
    file, inside = place.parent.resolve() / place.name, copied.resolve()
    checkout = Checkout(file)
    top = checkout.top.resolve()
    path, within = (p.relative_to(top).as_posix() for p in (file, inside))
    commit = checkout.commit(revision)
    if checkout.is_ignored(path):
        raise RevisionError(
            f"{subject.name}: git ignores {path}, so there is no version of it to go back to; "
            "install its checkout with `pip install --editable`, or use --baseline RUN"
        )
    notes = []
    where = "the checkout's top folder and below" if within == "." else f"{readable(within)}/"
    bytecode = ":(exclude,glob)**/__pycache__/**"  # which imports write
    if checkout.git("status", "--porcelain", "--", within, bytecode):
        changed = "the work tree" if within == "." else where
        notes.append(f"{changed} has uncommitted changes, which the gate judges too")
    now, then = checkout.python_files_now(within), checkout.python_files(commit, within)
    ignored = checkout.python_files_now(within, ignored=True) if is_package else {}
    generated = {name: content for name, content in ignored.items() if name not in then}

    def written(files: Mapping[str, bytes], side: str) -> Subject:
        for name, content in files.items():
            target = scratch / side / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        root = scratch / side / within
        return replace(imported, root=str(root.parent if is_package else root))

    after = written({**ignored, **now}, "after")
    if path not in then:
        old = checkout.renamed_from(commit, path)
        if old is None:
            if not checkout.is_tracked(path):
                notes.append(
                    f"{readable(path)} is not tracked by git: `git add` it so that a rename is "
                    "found"
                )
            notes.append(f"{subject.name} is new since {revision}: nothing to compare it with")
            return Versions(subject.name, after, None, tuple(notes))
        if is_package:
            raise RevisionError(
                f"{subject.name}: {readable(path)} was {readable(old)} at {revision}, which is "
                "another module; name the file instead, as in path/to/file.py:attribute"
            )
        notes.append(
            f"{subject.name} was in {readable(old)} at {revision}; that file is the version before"
        )
        within = Path(old).parent.as_posix()
        then = checkout.python_files(commit, within)
        imported = replace(imported, target=Path(old).name)
    elif then == now:
        notes.append(f"no Python file in {where} has changed since {revision}")
    if generated:
        names = ", ".join(map(readable, generated))
        notes.append(f"git ignores {names}: both versions get the present files")
    before = written({**generated, **then}, "before")
    before = replace(before, name=f"{subject.name}@{commit[:10]}")
    return Versions(subject.name, after, before, tuple(notes))
