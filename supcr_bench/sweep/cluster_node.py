"""What runs on each machine of a cluster, in the process of a task: cells as on this machine.

The worker that measures outlives the task, so that torch is imported once on each machine.
"""

import hashlib
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.subjects.registry import Subject, folder
from supcr_bench.sweep.executor import Checked, Event
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import usable_cpus
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.errors import UsageError
from supcr_bench.workers.activity import Activity

DISTRIBUTION = "supcr-bench"
BESIDE = ("implementations", "suites")
BEAT_S = 1.0
"""What a worker is at is told this often, and when it changes: a message wakes its machine."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A person's own labels, as bytes: the file lies on one machine alone."""

    suffix: str
    columns: tuple[str, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Setting:
    """What the worker of a task is started with."""

    threads: int
    labels: Labels | None


class _Kept:
    """The executor of a task's process, kept for the tasks that follow in it."""

    def __init__(self) -> None:
        self._with: tuple[Setting, str | None] | None = None
        self._executor: LocalExecutor | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def executor(self, setting: Setting) -> LocalExecutor:
        """The one that was kept, or a new one where it is to be started otherwise."""
        wanted = setting, os.environ.get("CUDA_VISIBLE_DEVICES")
        if self._executor is None or self._with != wanted:
            if self._executor is not None:
                self._executor.close()
            self._executor = LocalExecutor(setting.threads, self._label_spec(setting.labels))
            self._with = wanted
        return self._executor

    def _label_spec(self, labels: Labels | None) -> str | None:
        if labels is None:
            return None
        self._folder = tempfile.TemporaryDirectory(prefix="supcr-bench-labels-")
        path = Path(self._folder.name) / f"labels{labels.suffix}"
        path.write_bytes(labels.content)
        return f"{path}:{','.join(labels.columns)}"


_KEPT = _Kept()


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _code() -> str:
    """A digest of this package as it is installed here, its implementations included.

    In a checkout they lie beside it, and in an installed package within: they are read apart.
    """
    package, own = Path(__file__).parents[1], folder()
    parts = [
        f"{path.relative_to(root)} {_digest(path)}"
        for root in (package, own)
        for path in sorted(root.rglob("*.py"))
        if root == own or path.relative_to(root).parts[0] not in BESIDE
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def facts(files: Sequence[str]) -> dict[str, Any]:
    """What has to be known of a machine before anything is started on it."""
    return {
        "host": platform.node(),
        "version": version(DISTRIBUTION),
        "code": _code(),
        "files": {file: _digest(Path(file)) for file in files},
        "cpus": usable_cpus(),
        "available_bytes": psutil.virtual_memory().available,
    }


def environment(setting: Setting) -> dict[str, Any]:
    """Of the worker here, which is started for it."""
    return dict(_KEPT.executor(setting).environment)


def check(setting: Setting, subjects: Sequence[Subject], like: Workload) -> Mapping[str, Checked]:
    """Load and call each subject in the worker here."""
    return _KEPT.executor(setting).check(subjects, like)


def measure(
    setting: Setting, cell: Cell, subjects: Sequence[Subject], budget: Budget
) -> Iterator[Event | tuple[Activity, float]]:
    """Events of a cell. An activity comes with its seconds: no other machine has this clock."""
    told: Activity | None = None
    told_s = 0.0
    for event in _KEPT.executor(setting).run(cell, subjects, budget):
        if not isinstance(event, Activity):
            yield event
            continue
        now = time.monotonic()
        if event != told or now - told_s >= BEAT_S:
            told, told_s = event, now
            yield event, event.elapsed_s


def read_labels(labels: LabelFile | None) -> Labels | None:
    """The file, to be sent along."""
    if labels is None:
        return None
    path = Path(labels.path)
    return Labels(path.suffix, labels.columns, path.read_bytes())


def require_alike(here: Mapping[str, Any], there: Mapping[str, Any], name: str) -> None:
    """Raise a UsageError where a machine would measure something else."""
    if there["version"] != here["version"]:
        raise UsageError(
            f"{name} has supcr-bench {there['version']}, here it is {here['version']}: "
            "install the same on every machine"
        )
    if there["code"] != here["code"]:
        raise UsageError(
            f"{name} has a supcr-bench {there['version']} whose code is not what it is here: "
            "install the same on every machine"
        )
    for file, digest in here["files"].items():
        if there["files"][file] is None:
            raise UsageError(f"{name} has no file {file}: put it there, or on a shared disk")
        if there["files"][file] != digest:
            raise UsageError(f"on {name} the file {file} is not what it is here")
