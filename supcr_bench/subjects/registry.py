"""Locates implementations by name, and imports them.

There are three kinds of names, and none needs a change to the repository:

- a registered name: a file in ``implementations/``, or an entry point in the group
  ``supcr_bench.implementations`` of an installed package;
- ``package.module:attribute``;
- ``path/to/file.py:attribute``, or ``::`` in place of ``:``, as pytest writes it; a file that
  imports from its package is loaded as its member.

Names come from the folder and from package metadata: an implementation, which imports torch, is
imported when used. A name can stand for several: ``all``, or a tag, which the source tells.
"""

import ast
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from supcr_bench.subjects import isolated
from supcr_bench.subjects.packages import (
    check_is_module,
    membership,
    needs_attribute,
    search_folder,
)
from supcr_bench.values.default_call import DefaultCall
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import SubjectError, UncallableError, UnknownNameError
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.implementation import Description, Implementation, Resolution

ENTRY_POINTS = "supcr_bench.implementations"
FOLDER = "supcr_bench.implementations"
_HINT = "or name one as package.module:attribute or path/to/file.py:attribute"
_NOTHING = object()
COMPILED = "@compile"
"""The suffix of an implementation's name that measures it under ``torch.compile``."""
ALL = "all"
TAG = "tag:"


@dataclass(frozen=True, slots=True)
class Subject:
    """An implementation by name, located but not imported.

    Attributes:
        target: its module, or its file.
        root: the folder of the version to import; ``None`` for the one that Python finds.
        definition: the loss of the family that the user wants it compared with, or ``auto`` to
            recognise it; ``None`` for the one that the implementation declares.
        resolution: how it is called; ``None`` before a trial call has shown it.
        description: what it declares, with the definition that the trial call resolved.
        files: its source files when the run began, with digests; empty if that is not known.
        default_call: the results of a version's call without options.
    """

    name: str
    kind: Literal["folder", "module", "file"]
    target: str
    attribute: str
    root: str | None = None
    definition: Definition | str | None = None
    resolution: Resolution | None = None
    compiled: bool = False
    description: Description | None = None
    files: tuple[tuple[str, str], ...] = ()
    default_call: DefaultCall | None = None


def folder() -> Path:
    """The folder of the registered implementation files: in a checkout, ``implementations/``."""
    spec = importlib.util.find_spec(FOLDER)
    if spec is None or not spec.submodule_search_locations:
        raise SubjectError("supcr_bench is not installed: run `make setup`, or `pip install .`")
    return Path(next(iter(spec.submodule_search_locations)))


@functools.cache
def entry_points(group: str) -> importlib.metadata.EntryPoints:
    """Those that are installed; each package's metadata is read, which takes 6 ms or more."""
    return importlib.metadata.entry_points(group=group)


def registered() -> dict[str, Subject]:
    """All subjects by name."""
    subjects = _in_folder()
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        subject = Subject(entry.name, "module", entry.module, entry.attr or "IMPLEMENTATION")
        subjects.setdefault(entry.name, subject)
    return subjects


def _in_folder() -> dict[str, Subject]:
    subjects: dict[str, Subject] = {}
    for path in sorted(folder().glob("*.py")):
        if not path.stem.startswith("_"):
            name, target = path.stem.replace("_", "-"), f"{FOLDER}.{path.stem}"
            subjects[name] = Subject(name, "folder", target, "IMPLEMENTATION")
    return subjects


def is_selection(text: object) -> bool:
    return isinstance(text, str) and (text in (ALL, ALL + COMPILED) or text.startswith(TAG))


def select(names: Iterable[str]) -> tuple[str, ...]:
    """The names, with ``all`` and every ``tag:TAG[@compile]`` replaced by registered names."""
    found: dict[str, None] = {}
    for name in names:
        if not is_selection(name):
            found[name] = None
            continue
        tags = _registered_tags()
        wanted = name.removeprefix(TAG).removesuffix(COMPILED)
        chosen = [own for own in tags if wanted == ALL or wanted in tags[own]]
        if not chosen:
            raise UnknownNameError("tag", wanted, sorted(set().union(*tags.values())))
        suffix = COMPILED if name.endswith(COMPILED) else ""
        found |= dict.fromkeys(own + suffix for own in chosen)
    return tuple(found)


@functools.cache
def _registered_tags() -> dict[str, tuple[str, ...]]:
    return {subject.name: tags_of(subject) for subject in registered().values()}


def tags_of(subject: Subject) -> tuple[str, ...]:
    """The argument ``tags=`` of the ``IMPLEMENTATION`` in a file; empty unless it is a literal."""
    try:
        body = ast.parse(file_of(subject).read_bytes()).body
    except SubjectError:
        return ()
    for node in body:
        match node:
            case ast.Assign([ast.Name(own)], ast.Call(keywords=given)) if own == subject.attribute:
                literals = {keyword.arg: keyword.value for keyword in given}
                return tuple(ast.literal_eval(literals["tags"])) if "tags" in literals else ()
    return ()


def locate(name: str) -> Subject:
    """Locate the implementation of a name, without importing it; ``NAME@compile`` compiles it.

    Raises a SubjectError if there is no such file, or no attribute, and an UnknownNameError for
    other names.
    """
    if name.endswith(COMPILED):
        return replace(locate(name.removesuffix(COMPILED)), name=name, compiled=True)
    known = _in_folder()
    if ".py::" in name:  # as pytest names what a file defines
        file, _, inner = name.partition("::")
        name = f"{file}:{inner.replace('::', '.')}"
    target, _, attribute = (f"{name}:" if name.endswith(".py") else name).rpartition(":")
    is_file = target.endswith(".py")
    if not is_file and name not in known:
        known = registered()
    if name in known:
        return known[name]
    if name and not target and Path(name).is_dir():
        raise SubjectError(f"{name} is a folder: name a file, as in {name}/losses.py:Class")
    if not target or not (attribute or is_file):
        raise UnknownNameError("implementation", name, known, _HINT)
    if not is_file:
        check_is_module(name, target, attribute)
    if is_file and not Path(target).is_file():
        there = "; download it first" if "://" in target else ""
        raise SubjectError(f"{name}: no file {target!r}{there}")
    if not attribute:
        raise SubjectError(needs_attribute(target))
    if not all(part.isidentifier() for part in attribute.split(".")):
        raise SubjectError(f"{name}: {attribute!r} is not the name of an attribute")
    if is_file:
        return Subject(name, "file", str(Path(target).resolve()), attribute)
    return Subject(name, "module", target, attribute)


def file_of(subject: Subject) -> Path:
    """The file of a subject, which is not imported."""
    target = subject.target
    if target.startswith(f"{FOLDER}."):
        return folder() / f"{target.removeprefix(FOLDER + '.')}.py"
    if subject.kind == "file":
        return Path(target)
    module, *inner = target.split(".")
    try:
        with isolated.on_path(search_folder(target, Path.cwd())):
            found = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise SubjectError(f"{subject.name} cannot be found: {error}") from None
    for name in inner:  # the packages around it are not imported: what they need may not be here
        places = (found and found.submodule_search_locations) or ()
        found = PathFinder.find_spec(name, list(places))  # a dotted name would need its package
    if found and found.origin and found.origin.endswith(".py"):
        return Path(found.origin)
    raise SubjectError(f"{subject.name}: no Python file of that module is found")


def load(subject: Subject) -> Implementation:
    """Import a subject, and undo what its import changes in the whole process.

    Raises an UncallableError if that fails, and a SubjectError if Python imports another version of
    it, or what it declares is not valid.
    """
    from supcr_bench.subjects import unloadable  # imports torch, which subjects import too
    from supcr_bench.subjects.process_state import ProcessState

    if subject.kind != "folder" and subject.root is None:
        _import_registered()  # so that a change to them is noticed
    process = ProcessState()
    try:
        with _imported(subject) as module:
            found = _attribute(module, subject.attribute)
            if subject.root is not None:
                _require_own(subject, Path(subject.root), module, found)
    except SubjectError:
        raise
    except (Exception, SystemExit) as error:
        raise unloadable.not_loaded(subject.name, error) from error
    finally:
        undone, module_key = process.undo(), (subject.target, subject.root)
        if module_key not in _changed_by_import:
            every = dict.fromkeys((*undone, *process.lasting_changes()))
            _changed_by_import[module_key] = list(every)
        changed = _changed_by_import[module_key]
    if found is _NOTHING:
        raise unloadable.no_such_attribute(subject.name, module)
    if isinstance(found, Implementation):
        own_name = subject.name.removesuffix(COMPILED)
        for law in (found.claimed_time, found.claimed_memory):
            if law is not None and law not in LAWS:
                raise SubjectError(
                    f"{subject.name} claims the growth {law!r}; known: {', '.join(LAWS)}"
                )
        if subject.kind == "folder" and subject.root is None and found.name != own_name:
            raise SubjectError(
                f"{own_name}.py exports the name {found.name!r}; "
                "an implementation is named like its file, with - for _"
            )
    elif not callable(found):
        raise UncallableError(
            "load",
            f"{subject.name} is of type {type(found).__name__}, which is neither an Implementation "
            "nor callable.",
            "Name a class or a function of that file.",
        )
    else:
        doc = (getattr(found, "__doc__", None) or "").strip() or subject.attribute
        found = replace(Implementation.of(found, subject.target), title=doc.splitlines()[0])
    return replace(found, name=subject.name, process_changes=tuple(changed))


@functools.cache
def _import_registered() -> None:
    """Import what is in the folder but ``tiled``, which imports numba; undo what imports change."""
    from supcr_bench.subjects.process_state import ProcessState

    process = ProcessState()
    for own in _in_folder().values():
        if own.name != "tiled":
            with suppress(Exception, SystemExit):
                importlib.import_module(own.target)
            if undone := process.undo():
                _changed_by_import[own.target, None] = undone


_changed_by_import: dict[tuple[str, str | None], list[str]] = {}
"""The changes that the first import of each module made in the process; Python imports it once."""


def _attribute(module: Any, path: str) -> Any:
    """An attribute of a module; for a method of a class, a function that builds and binds it."""
    owner, found = module, module
    for name in path.split("."):
        owner, found = found, getattr(found, name, _NOTHING)
    if not isinstance(owner, type) or not inspect.isfunction(inspect.getattr_static(owner, name)):
        return found

    @functools.wraps(owner, updated=())
    def bound(*args: Any, **kwargs: Any) -> Any:
        return getattr(owner(*args, **kwargs), name)

    return bound


def is_described(subject: Subject) -> bool:
    """Whether the subject is an ``Implementation``, and not the loss itself."""
    with _imported(subject) as module:
        return isinstance(_attribute(module, subject.attribute), Implementation)


@contextmanager
def _imported(subject: Subject) -> Iterator[Any]:
    """The subject's module; within the block, a version imports modules from its root only.

    After the block, until another version is loaded, later imports find its root first.
    """
    if subject.root is None:
        yield _import(subject)
        return
    root = Path(subject.root)
    if subject.kind == "module":
        version = isolated.module(subject.target, root)
    else:
        version = isolated.script(root / subject.target)
    with version as module:
        yield module
    isolated.enter(root)


def _require_own(subject: Subject, root: Path, module: Any, found: object) -> None:
    """Raise a SubjectError if Python imported part of a version from another folder."""
    strange = isolated.foreign_modules(root)
    if not isolated.lies_in(getattr(module, "__file__", None) or "/", root):
        strange.insert(0, module.__name__)
    for one in (found, getattr(found, "factory", None)):
        origin = getattr(one, "__module__", None)
        if isinstance(origin, str) and isolated.came_from_elsewhere(origin, root):
            strange.append(origin)
    if strange:
        raise SubjectError(
            f"{subject.name} imports {strange[0]} from outside of its version: "
            f"{isolated.file_of(strange[0])}; an import hook, such as one of an editable install, "
            "may be why"
        )


def require_own_imports(subjects: Iterable[Subject]) -> None:
    """Raise a SubjectError if a call has imported a module from outside of its version's folder."""
    for subject in subjects:
        if subject.root is None:
            continue
        isolated.enter(Path(subject.root))
        if found := isolated.foreign_modules(Path(subject.root)):
            raise SubjectError(
                f"{subject.name} imports {found[0]} when it is called, from outside of its "
                f"version: {isolated.file_of(found[0])}; import it at the top of the file"
            )


def module_name(subject: Subject) -> str:
    if subject.kind != "file":
        return subject.target
    member = _member(Path(subject.target))
    return member[1] if member else f"supcr_bench_subject_{abs(hash(subject.target)):x}"


@functools.cache
def _member(path: Path) -> tuple[Path, str] | None:
    """The folder to search for a file's package, and its name as a module, if it needs that."""
    found = membership(path, path.read_bytes(), lambda file: Path(file).is_file())
    return (Path(found[0]), found[1]) if found else None


def _import(subject: Subject) -> Any:
    name, path = module_name(subject), Path(subject.target)
    if subject.kind != "file":
        with isolated.on_path(search_folder(name, Path.cwd())):
            return importlib.import_module(name)
    if member := _member(path):
        if not isolated.found_in(member[0], name):
            with isolated.module(name, member[0]) as module:
                return module
        with isolated.on_path(member[0], first=True):
            return importlib.import_module(name)
    if name not in sys.modules:
        with isolated.on_path(path.parent):  # it can import its neighbours, as when run as a script
            isolated.execute(name, path)
    return sys.modules[name]


def list_all() -> dict[str, Implementation | str]:
    """Every registered name, with its implementation, or the reason why it cannot be imported."""
    found: dict[str, Implementation | str] = {}
    for subject in registered().values():
        try:
            found[subject.name] = load(subject)
        except SubjectError as error:
            found[subject.name] = str(error)
    return found
