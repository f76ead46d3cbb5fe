"""Refuses versions of an implementation that interfere with each other in one process.

Each version has its own modules, but all share torch. If two versions register an operator of the
same name, both call the one registered last; a default that one version sets affects the other too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch

from supcr_bench.subjects import isolated
from supcr_bench.subjects.process_state import TORCH_FOLDER, ProcessState, registered_operators
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation

_REGISTERED_AT = re.compile(r"^debug: registered at (.+):\d+", re.MULTILINE)


def require_no_interference(
    subjects: Mapping[Subject, Implementation], before: ProcessState
) -> None:
    """Raise a SubjectError if a version has changed the process since ``before``."""
    roots = {Path(subject.root) for subject in subjects if subject.root is not None}
    changes = list(_changes(before, roots)) if roots else []
    for subject, loaded in subjects.items():
        changes += loaded.process_changes if subject.root is not None else ()
    if changes:
        names = ", ".join(sorted({subject.name for subject in subjects}))
        raise SubjectError(
            f"{names}: {'; '.join(dict.fromkeys(changes))}, which affects the whole process, so "
            "two versions cannot be timed in one process"
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


def _changes(before: ProcessState, roots: Iterable[Path]) -> Iterator[str]:
    namespaces = {name.partition("::")[0] for name in before.operators}
    for name in sorted(registered_operators() - before.operators):
        if name.partition("::")[0] not in namespaces:
            file = _registered_in(name)  # other packages register operators when first imported
            if file is None or any(isolated.lies_in(file, root) for root in roots):
                yield f"registers the operator {name} with torch"
    yield from (change for change, _ in before.changes())
    yield from before.lasting_changes()


def _registered_in(operator: str) -> str | None:
    """The file that registered an operator; ``None`` if that is not known."""
    try:
        from torch._library.custom_ops import OPDEFS

        if (definition := OPDEFS.get(operator)) is not None:
            file = Path(definition._init_fn.__code__.co_filename)
        elif match := _REGISTERED_AT.search(torch._C._dispatch_dump(operator)):
            file = Path(match[1])
        else:
            return None
    except (AttributeError, ImportError, RuntimeError):  # a torch without this
        return None
    by_torch = file == TORCH_FOLDER / "library.py" or file.is_relative_to(TORCH_FOLDER / "_library")
    return None if by_torch else str(file)
