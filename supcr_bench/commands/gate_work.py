"""What a gate run was asked for, checked as far as that goes without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from supcr_bench.gate.terms import Terms
from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep.plan import PlannedCell, make_plan
from supcr_bench.sweep.suite import Suite, load_suite
from supcr_bench.values.errors import UsageError
from supcr_bench.values.units import parse_duration_s, parse_fraction

DEFAULT_SUITE = "ci"
MAX_SLOWDOWN, MAX_MEMORY_GROWTH, TIME_BUDGET = "5%", "1%", "100s"
CountsAs = Literal["pass", "fail"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
    """What was typed."""

    suite: str | None = None
    implementations: tuple[str, ...] = ()
    against: str | None = None
    baseline: Path | None = None
    record: Path | None = None
    max_slowdown: str = MAX_SLOWDOWN
    max_memory_growth: str = MAX_MEMORY_GROWTH
    time_budget: str = TIME_BUDGET
    undecided: str | None = None
    summary: Path | None = None
    junit: Path | None = None
    json: Path | None = None


@dataclass(frozen=True, slots=True)
class GateWork:
    """A request, the suite and the plan that it comes to, and what is allowed."""

    request: GateRequest
    suite_name: str
    suite: Suite
    subjects: tuple[Subject, ...]
    plan: tuple[PlannedCell, ...]
    max_slowdown: float
    max_memory_growth: float
    time_budget_s: float
    undecided: CountsAs

    @property
    def names(self) -> tuple[str, ...]:
        """Of the implementations."""
        return tuple(subject.name for subject in self.subjects)

    @property
    def gate_command(self) -> list[str]:
        """The command without implementations and files to write."""
        request = self.request
        command = ["supcr-bench", "gate", self.suite_name]
        if request.against is not None:
            command += ["--against", request.against]
        if request.max_slowdown != MAX_SLOWDOWN:
            command += ["--max-slowdown", request.max_slowdown]
        if request.time_budget != TIME_BUDGET:
            command += ["--time-budget", request.time_budget]
        return command

    def terms(
        self, *, baseline: bool, torch_before: str | None = None, torch_now: str | None = None
    ) -> Terms:
        """On which agreement and cost are judged."""
        return Terms(
            suite=self.suite_name,
            implementations=self.names,
            baseline=baseline,
            max_memory_growth=self.max_memory_growth,
            torch_before=torch_before,
            torch_now=torch_now,
        )


def make_work(request: GateRequest) -> GateWork:
    """Locate, read and lay out.

    Raises:
        UsageError: anything that can be known to be wrong by now.
    """
    ways = [w for w in (request.against, request.baseline, request.record) if w is not None]
    if len(ways) > 1:
        raise UsageError("one of --against, --baseline and --record, not several")
    outputs = (request.summary, request.junit, request.json)
    if request.record is not None and any(path is not None for path in outputs):
        raise UsageError("--record writes the baseline alone: no --summary, --junit or --json")
    for path in (request.summary, request.junit, request.json, request.record):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"no folder {str(path.parent)!r} to write {path.name} in")
    name = request.suite or DEFAULT_SUITE
    suite = load_suite(name)
    names = dict.fromkeys(request.implementations or suite.implementations)
    subjects = tuple(locate(name) for name in names)
    return GateWork(
        request,
        name,
        suite,
        subjects,
        tuple(make_plan(suite, [s.name for s in subjects])),
        _share("--max-slowdown", request.max_slowdown),
        _share("--max-memory-growth", request.max_memory_growth),
        _seconds("--time-budget", request.time_budget),
        _counts_as(request.undecided),
    )


def _share(option: str, text: str) -> float:
    try:
        return parse_fraction(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _counts_as(word: str | None) -> CountsAs:
    if word not in (None, "pass", "fail"):
        raise UsageError(f"--undecided: {word!r} is neither pass nor fail")
    return cast(CountsAs, word)


def named(name: str, finding: str) -> str:
    """A finding in a sentence that says whose it is."""
    return finding if finding.startswith(name) else f"{name} {finding}"
