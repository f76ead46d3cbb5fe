"""What verification finds: trials make an outcome, outcomes make a verification."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:  # a stored verification is read without torch
    from supcr_bench.verification.problem import Problem

Group = Literal["definition", "relations", "robustness", "conduct"]
GROUPS: tuple[Group, ...] = ("definition", "relations", "robustness", "conduct")


class NotApplicableError(Exception):
    """A check has no meaning for this definition or this call; says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One comparison inside a check.

    Attributes:
        case: what was asked.
        tolerances: the error as a multiple of its bound; above 1 is a failure, infinite where
            something is wrong outright.
        error: the largest error itself, absolute, where there is one.
        bound: what it was held against.
        finding: what is wrong, in a sentence; ``None`` where nothing is.
        problem: the question, where a smaller one could be looked for.
    """

    case: str
    tolerances: float
    error: float | None = None
    bound: float | None = None
    finding: str | None = None
    problem: "Problem | None" = None

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return not self.tolerances <= 1


def outright(case: str, finding: str | None, problem: "Problem | None" = None) -> Trial:
    """A trial that is right or wrong, with nothing to measure."""
    return Trial(case, math.inf if finding else 0.0, finding=finding, problem=problem)


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one check ended.

    Attributes:
        check: its name.
        group: definition, relations, robustness or conduct.
        verdict: derived from the trials.
        cases: trials made.
        failed: trials that failed.
        left_out: trials not made, because they would have taken too long.
        tolerances: largest error as a multiple of its bound; ``None`` where something is wrong
            outright or nothing was measured.
        error: that error, absolute; ``None`` also where it is not finite.
        bound: its bound, likewise.
        case: the worst trial.
        finding: what is wrong with it, or why the check does not apply.
        seconds: that the check took.
        overdue: whether it was ended because it took too long.
    """

    check: str
    group: Group
    verdict: Verdict
    cases: int = 0
    failed: int = 0
    left_out: int = 0
    tolerances: float | None = None
    error: float | None = None
    bound: float | None = None
    case: str | None = None
    finding: str | None = None
    seconds: float | None = None
    overdue: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` gave, by way of JSON or not."""
        own = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        return cls(**{**own, "verdict": Verdict(values["verdict"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is most likely wrong.

    Attributes:
        causes: in the field's words; empty where no variation of the definition explains it.
        where: for what the failing cases have in common, if nothing else is known.
        smallest: the smallest failing case found, in a line.
        snippet: a program that shows it.
    """

    causes: tuple[str, ...] = ()
    where: str | None = None
    smallest: str | None = None
    snippet: str | None = None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From what ``dataclasses.asdict`` gave, by way of JSON or not."""
        own = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        return cls(**{**own, "causes": tuple(values["causes"])})


def summarise(
    check: str, group: Group, trials: Sequence[Trial], left_out: int, seconds: float
) -> Outcome:
    """The outcome of a check's trials: the worst decides."""
    if not trials:
        return Outcome(
            check=check,
            group=group,
            verdict=Verdict.NOT_APPLICABLE,
            left_out=left_out,
            finding="every case would have taken too long" if left_out else "no case applies",
            seconds=seconds,
        )
    worst = max(trials, key=lambda t: math.inf if math.isnan(t.tolerances) else t.tolerances)
    failed = sum(t.failed for t in trials)
    return Outcome(
        check=check,
        group=group,
        verdict=Verdict.FAIL if failed else Verdict.PASS,
        cases=len(trials),
        failed=failed,
        left_out=left_out,
        tolerances=_finite(worst.tolerances),
        error=_finite(worst.error),
        bound=_finite(worst.bound),
        case=worst.case,
        finding=worst.finding,
        seconds=seconds,
    )


def _finite(value: float | None) -> float | None:
    """A figure that strict JSON can hold."""
    return value if value is not None and math.isfinite(value) else None
