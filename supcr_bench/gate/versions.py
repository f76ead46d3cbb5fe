"""Copies an implementation as it is now, and as it was at a git revision, side by side.

For a file, all Python files in and below its folder are copied; for a module, and for a file that
imports from its package, those of its top-level package, with generated files. Each version is
imported in the same way from a folder of its own, so that neither has an advantage; the work tree
is only read.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal

from supcr_bench.store.checkout import Checkout, RevisionError, readable
from supcr_bench.subjects.packages import membership, rooted
from supcr_bench.subjects.registry import Subject, file_of
from supcr_bench.values.errors import SubjectError


@dataclass(frozen=True, slots=True)
class Versions:
    """An implementation now, and twice at the revision, where it may not exist; with remarks."""

    name: str
    after: Subject
    before: Subject | None
    notes: tuple[str, ...]
    again: Subject | None = None


def _placed(
    subject: Subject, path: str, names: Collection[str], source: bytes, root: str | None = None
) -> tuple[str, Subject]:
    """The folder to copy for a version, and the subject to import from the copy.

    Both the folder and the root of the subject are relative to the top folder of the checkout;
    ``names`` are those of its files. The copy of a file given by its path holds its folder; that of
    a module, or of a file that imports from its package, the top-level package. A module that was
    renamed is searched for in the ``root`` that it has now.
    """
    file = PurePosixPath(path)

    def exists(place: PurePath) -> bool:
        return place.as_posix() in names

    if subject.kind == "module":
        packages = subject.target.count(".") + (file.stem == "__init__")
        top = file.parents[packages] if root is None else PurePosixPath(root)
        inside = file.is_relative_to(top)
        member = rooted(file.relative_to(top), lambda _: True) if inside else rooted(file, exists)
        top = top if inside else PurePosixPath(member[0])
    elif (
        subject.kind == "file"
        and (found := membership(file, source, exists))
        and "." in found[1]  # at the top of a checkout, the package has no name
    ):
        top, member = PurePosixPath(found[0]), found
    else:
        kind: Literal["folder", "file"] = "file" if subject.kind == "file" else "folder"
        within = file.parent.as_posix()
        return within, replace(subject, kind=kind, target=file.name, root=within)
    package, inner, _ = member[1].partition(".")
    within = (top / package if inner or file.stem == "__init__" else top).as_posix()
    return within, replace(subject, kind="module", target=member[1], root=top.as_posix())


def at_revision(
    subject: Subject, revision: str, scratch: Path, checkouts: dict[Path, Checkout] | None = None
) -> Versions:
    """Copy a subject's versions into ``scratch``, an empty folder; ``checkouts`` are known ones."""
    if subject.kind == "module" and subject.target.partition(".")[0] == "supcr_bench":
        raise SubjectError(
            f"{subject.name} is part of supcr_bench, of which there can be only one version; "
            "copy it into a file of its own"
        )
    found = file_of(subject)
    file = found.parent.resolve() / found.name
    checkouts = {} if checkouts is None else checkouts
    checkout = checkouts.get(file.parent) or checkouts.setdefault(file.parent, Checkout(file))
    path = file.relative_to(checkout.top.resolve()).as_posix()
    commit = checkout.commit_seen_from(Path.cwd(), revision)
    if checkout.listed("--ignored", path):
        raise RevisionError(
            f"{subject.name}: git ignores {path}, so git has no earlier version of it; "
            "install its checkout with `pip install --editable`, or use --baseline RUN"
        )
    within, place = _placed(subject, path, checkout.listed("--cached"), file.read_bytes())
    notes = list[str]()
    where = "the checkout's top folder and below" if within == "." else f"{readable(within)}/"
    bytecode = ":(exclude,glob)**/__pycache__/**"  # which imports write
    if checkout.git("status", "--porcelain", "--", within, bytecode):
        changed = "the work tree" if within == "." else where
        notes.append(f"{changed} has uncommitted changes, which the gate judges too")
    now, then = checkout.python_files_now(within), checkout.python_files(commit, within)
    ignored = checkout.python_files_now(within, ignored=True) if within != place.root else {}
    generated = {name: content for name, content in ignored.items() if name not in then}
    after = _written(place, {**ignored, **now}, scratch / "after")
    earlier = place
    if path not in then:
        old = checkout.renamed_from(commit, path)
        if old is None:
            if not checkout.is_tracked(path):
                notes.append(
                    f"{readable(path)} is not tracked by git: `git add` it so that a rename is "
                    "found"
                )
            notes.append(
                f"{subject.name} is new since {revision}: its costs are compared with nothing"
            )
            return Versions(subject.name, after, None, tuple(notes))
        notes.append(
            f"{subject.name} was in {readable(old)} at {revision}; that file is the version before"
        )
        names, source = checkout.files_at(commit), checkout.git("show", f"{commit}:{old}")
        within, earlier = _placed(subject, old, names, source, place.root)
        then = checkout.python_files(commit, within)
    elif then == now:
        notes.append(f"no Python file in {where} has changed since {revision}")
    if generated:
        listed = ", ".join(map(readable, generated))
        notes.append(f"git ignores {listed}: both versions get the present files")
    earlier = replace(earlier, name=f"{subject.name}@{commit[:10]}")
    before, again = (
        _written(earlier, {**generated, **then}, scratch / side) for side in ("before", "again")
    )
    return Versions(subject.name, after, before, tuple(notes), again)


def _written(subject: Subject, files: Mapping[str, bytes], side: Path) -> Subject:
    for name, content in files.items():
        target = side / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return replace(subject, root=str(side / (subject.root or "")))
