"""Refuses versions of an implementation that interfere with each other in one process.

Each version has its own modules, but all share torch. If two versions register an operator of the
same name, both call the one registered last; a default that one version sets affects the other too.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from supcr_bench.subjects import isolated
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.errors import SubjectError

_TORCH = Path(torch.__file__).parent
_REGISTERED_AT = re.compile(r"^debug: registered at (.+):\d+", re.MULTILINE)


OPERATORS = "operators"
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], object], Any]] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    "default device": (torch.get_default_device, torch.set_default_device, torch.device("cpu")),
    "number of threads": (torch.get_num_threads, torch.set_num_threads, 7),
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled, True),
    "float32 matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "highest",
    ),
    "use of deterministic algorithms": (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda pair: torch.use_deterministic_algorithms(pair[0], warn_only=pair[1]),
        (False, False),
    ),
    "cudnn.deterministic": (
        lambda: torch.backends.cudnn.deterministic,
        partial(setattr, torch.backends.cudnn, "deterministic"),
        False,
    ),
    "cudnn.benchmark": (
        lambda: torch.backends.cudnn.benchmark,
        partial(setattr, torch.backends.cudnn, "benchmark"),
        False,
    ),
    "detection of anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
}
"""How to read and to write each setting, and a value that no loss sets."""


def process_state() -> dict[str, Any]:
    """The settings of torch, and under ``operators`` the registered operators, if it lists them."""
    names = getattr(torch._C, "_dispatch_get_all_op_names", lambda: ())
    settings = {name: read() for name, (read, _, _) in SETTINGS.items()}
    return {OPERATORS: frozenset(names()), **settings}


def settings_changed_by(call: Callable[[], object]) -> list[str]:
    """The settings that a call changes, which are as before afterwards.

    The call meets values that no loss sets, so that one that another call has changed before is
    found as well.
    """
    before = {name: read() for name, (read, _, _) in SETTINGS.items()}
    try:
        for name, (_, write, usual) in SETTINGS.items():
            if before[name] != usual:
                write(usual)
        call()
        return [name for name, (read, _, usual) in SETTINGS.items() if read() != usual]
    finally:
        for name, (read, write, _) in SETTINGS.items():
            if read() != before[name]:
                write(before[name])


def require_no_interference(subjects: Iterable[Subject], before: Mapping[str, Any]) -> None:
    """Raise a SubjectError if a version has changed the :func:`process_state` since ``before``."""
    subjects = list(subjects)
    roots = {Path(subject.root) for subject in subjects if subject.root is not None}
    changes = list(_changes(before, process_state(), roots)) if roots else []
    if changes:
        names = ", ".join(sorted({subject.name for subject in subjects}))
        raise SubjectError(
            f"{names}: {'; '.join(changes)}, which affects the whole process, so two versions "
            "cannot be timed in one process"
        )


def require_own_imports(subjects: Iterable[Subject]) -> None:
    """Raise a SubjectError if a call has imported a module from outside of its version's folder."""
    for subject in subjects:
        found = isolated.foreign_modules(Path(subject.root)) if subject.root is not None else []
        if found:
            raise SubjectError(
                f"{subject.name} imports {found[0]} when it is called, from elsewhere than its "
                f"version: {isolated.file_of(found[0])}; import it where the file begins"
            )


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], roots: Iterable[Path]
) -> Iterator[str]:
    namespaces = {name.partition("::")[0] for name in before[OPERATORS]}
    for name in sorted(after[OPERATORS] - before[OPERATORS]):
        if name.partition("::")[0] not in namespaces:
            file = _registered_in(name)  # other packages register operators when first imported
            if file is None or any(isolated.lies_in(file, root) for root in roots):
                yield f"registers the operator {name} with torch"
    for setting, value in after.items():
        if setting != OPERATORS and value != before[setting]:
            yield f"changes the {setting}"


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
