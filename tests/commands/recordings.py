"""What a gate measured, kept for other tests that gate the same code."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.runner import run_verified
from supcr_bench.values.cell import Cell
from supcr_bench.workers.messages import Failed

PREFLIGHT, MEASURE = LocalExecutor.preflight, run_verified


def code_of(subject: Subject) -> tuple[str, ...]:
    """Name and definition of a subject without its revision, and all code that it may import."""
    top = Path(subject.root or Path(subject.target).parent)
    files = sorted(top.rglob("*.py"))
    name = subject.name.partition("@")[0]
    return (name, str(subject.definition), *(f"{f.name} {f.read_text()}" for f in files))


class Recordings:
    """What was measured of the same code on the same cells, kept for all tests of the module."""

    def __init__(self) -> None:
        self.known: dict[object, Any] = {}

    def preflight(
        self, executor: LocalExecutor, subjects: Sequence[Subject], device: str
    ) -> Mapping[str, Subject | Failed]:
        key = ("preflight", device, tuple(map(code_of, subjects)))
        if key not in self.known:
            self.known[key] = list(PREFLIGHT(executor, subjects, device).items())
        return {s.name: found for s, (_, found) in zip(subjects, self.known[key], strict=True)}

    def measure(
        self,
        plan: Sequence[Cell],
        executor: LocalExecutor,
        subjects: Any,
        *rest: Any,
        **how: Any,
    ) -> Iterator[Any]:
        key = ("measure", repr(plan), tuple(map(code_of, subjects)), repr(how))
        if key not in self.known:
            self.known[key] = list(MEASURE(plan, executor, subjects, *rest, **how))
        return iter(self.known[key])
