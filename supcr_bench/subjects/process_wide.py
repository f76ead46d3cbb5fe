"""Refuses versions of an implementation that interfere with each other in one process.

Each version has its own modules, but all share torch. If two versions register an operator of the
same name, both call the one registered last; a default that one version sets affects the other too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from supcr_bench.subjects import isolated
from supcr_bench.subjects.process_state import ProcessState
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation

_TORCH = Path(torch.__file__).parent
_REGISTERED_AT = re.compile(r"^debug: registered at (.+):\d+", re.MULTILINE)
OPERATORS, STATE = "operators", "state"


def process_state() -> dict[str, Any]:
    """The state of the process, and under ``operators`` the operators that torch lists, if any."""
    return {OPERATORS: _operators(), STATE: ProcessState()}


def _operators() -> frozenset[str]:
    return frozenset(getattr(torch._C, "_dispatch_get_all_op_names", lambda: ())())


def require_no_interference(
    subjects: Mapping[Subject, Implementation], before: Mapping[str, Any]
) -> None:
    """Raise a SubjectError if a version has changed the :func:`process_state` since ``before``."""
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
                f"{subject.name} imports {found[0]} when it is called, from elsewhere than its "
                f"version: {isolated.file_of(found[0])}; import it where the file begins"
            )


def _changes(before: Mapping[str, Any], roots: Iterable[Path]) -> Iterator[str]:
    namespaces = {name.partition("::")[0] for name in before[OPERATORS]}
    for name in sorted(_operators() - before[OPERATORS]):
        if name.partition("::")[0] not in namespaces:
            file = _registered_in(name)  # other packages register operators when first imported
            if file is None or any(isolated.lies_in(file, root) for root in roots):
                yield f"registers the operator {name} with torch"
    for change, _ in before[STATE].changes():
        yield change
    yield from before[STATE].lasting_changes()


def _registered_in(operator: str) -> str | None:
    """The file that registered an operator; ``None`` if that is not known."""
    try:
        from torch._library.custom_ops import OPDEFS

        definition = OPDEFS.get(operator)
        if definition is not None:
            file = definition._init_fn.__code__.co_filename
        else:
            said = torch._C._dispatch_dump(operator)
            match = _REGISTERED_AT.search(said)
            file = match[1] if match else None
    except (AttributeError, ImportError, RuntimeError):  # a torch without this
        return None
    is_tool = file is not None and (
        Path(file) == _TORCH / "library.py" or Path(file).is_relative_to(_TORCH / "_library")
    )
    return None if is_tool else file
