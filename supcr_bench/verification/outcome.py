"""Results of verification: the trials of a check give an outcome, all outcomes a verification."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

Group = Literal["definition", "relations", "robustness", "conduct"]
RAISES = "raises "
"""How a finding begins that tells of an exception."""


class NotApplicableError(Exception):
    """A check does not apply to this definition or call, for the reason in the message."""


class FindingError(Exception):
    """A fault that a call shows, without a loss to compare; the message is the finding."""


class CheckEndedError(BaseException):
    """A check did not finish: it took too long, or its process ended.

    This error is not an Exception, so that no trial takes it for a failure of its own.
    """

    def __init__(self, finding: str, *, overdue: bool = False) -> None:
        super().__init__(finding)
        self.finding, self.overdue = finding, overdue


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check ended.

    Attributes:
        cases, failed: number of trials made, and of those that failed.
        left_out: number of trials skipped because they would have taken too long.
        tolerances: largest error as a multiple of its bound; ``None`` if none is finite.
        error: the largest error, absolute; ``None`` if it is not finite.
        bound: the absolute bound of that error.
        finding: what is wrong in the worst trial, or why the check does not apply.
        overdue: whether the check took too long, so that its verdict is ``not run``.
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
    def ended(cls, check: str, group: Group, finding: str, *, overdue: bool = False) -> Self:
        if overdue:
            return cls(check, group, Verdict.NOT_RUN, finding=finding, overdue=True)
        return cls(check, group, Verdict.FAIL, cases=1, failed=1, finding=finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is most likely wrong.

    Attributes:
        causes: phrases; empty if no variation of the definition explains the failures.
        snippet: a program that shows the failure.
    """

    causes: tuple[str, ...] = ()
    smallest: str | None = None
    snippet: str | None = None
