"""The code that runs on each machine of a cluster, in the process of a task.

The worker process that measures outlives the task, so each machine imports torch only once.
"""

import hashlib
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.subjects.registry import Subject, folder
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.runner import Event
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.errors import UsageError
from supcr_bench.values.machine import usable_cpus
from supcr_bench.workers.messages import Activity, Failed

DISTRIBUTION = "supcr-bench"
BESIDE = ("implementations", "suites")
"""Folders beside the package in a checkout; an installed package contains them."""
HEARTBEAT_S = 1.0
"""Seconds between messages about an unchanged activity: each disturbs the measurement."""

_KEPT: dict[object, LocalExecutor] = {}
"""The executor that later tasks in this process reuse, by its options."""


def kept_executor(threads: int, labels: LabelFile | None) -> LocalExecutor:
    wanted = threads, labels, os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted not in _KEPT:
        while _KEPT:
            _KEPT.popitem()[1].close()
        _KEPT[wanted] = LocalExecutor(threads, labels)
    return _KEPT[wanted]


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _code() -> str:
    package, own = Path(__file__).parents[1], folder()
    parts = [
        f"{path.relative_to(root)} {_digest(path)}"
        for root in (package, own)
        for path in sorted(root.rglob("*.py"))
        if root == own or path.relative_to(root).parts[0] not in BESIDE
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def facts(files: Sequence[str]) -> dict[str, Any]:
    """Facts about a machine that are checked before a worker starts on it."""
    return {
        "host": platform.node(),
        "version": version(DISTRIBUTION),
        "code": _code(),
        "files": {file: _digest(Path(file)) for file in files},
        "cpus": usable_cpus(),
        "available_bytes": psutil.virtual_memory().available,
    }


def environment(threads: int, labels: LabelFile | None) -> dict[str, Any]:
    return dict(kept_executor(threads, labels).environment)


def preflight(
    threads: int, labels: LabelFile | None, subjects: Sequence[Subject], device: str
) -> Mapping[str, Subject | Failed]:
    return kept_executor(threads, labels).preflight(subjects, device)


def measure(
    labels: LabelFile | None, cell: Cell, subjects: Sequence[Subject], budget: Budget
) -> Iterator[Event | tuple[Activity, float]]:
    """Run a cell and yield its events; an activity carries its duration, because clocks differ."""
    last_sent: Activity | None = None
    last_sent_s = 0.0
    for event in kept_executor(budget.threads, labels).run(cell, subjects, budget):
        if not isinstance(event, Activity):
            yield event
            continue
        now = time.monotonic()
        if event != last_sent or now - last_sent_s >= HEARTBEAT_S:
            last_sent, last_sent_s = event, now
            yield event, event.elapsed_s


def require_same_code(here: Mapping[str, Any], there: Mapping[str, Any], name: str) -> None:
    """Raise a UsageError unless two machines, described by their facts, have the same code."""
    has = f"{name} has supcr-bench {there['version']}"
    cure = "install the same version on every machine"
    if there["version"] != here["version"]:
        raise UsageError(f"{has}, this machine has {here['version']}: {cure}")
    if there["code"] != here["code"]:
        raise UsageError(f"{has} with other code than this machine: {cure}")
    for file, digest in here["files"].items():
        if there["files"][file] is None:
            raise UsageError(f"{name} has no file {file}: copy it there, or use a shared disk")
        if there["files"][file] != digest:
            raise UsageError(
                f"{name} has another file {file} than this machine: copy it there again"
            )
