"""Requests to a worker and its responses: one JSON object a line, whose ``kind`` is its type.

Types that need torch are imported only when a message that holds one is read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from supcr_bench.measure.sides import SidedCell
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Account, Budget, Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.implementation import Description, Resolution
from supcr_bench.values.result import Result
from supcr_bench.verification.outcome import Diagnosis, Group, Outcome

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion


@dataclass(frozen=True, slots=True)
class Preflight:
    """Load each subject and call it on a tiny batch like ``like``: a PreflightResult for each."""

    subjects: tuple[Subject, ...]
    like: Workload


@dataclass(frozen=True, slots=True)
class MeasureCell:
    """Measure a cell, with all ranks of a group: a Result for each arm, then an Account.

    Failed comes before the Account if an arm has broken the group. ``labels`` is
    ``FILE:COLUMN,...`` of the user's labels, if the workload has them.
    """

    cell: Cell
    subjects: tuple[Subject, ...]
    budget: Budget
    labels: str | None


@dataclass(frozen=True, slots=True)
class TimeVersions:
    """Time every version of each cell: a VersionTimes for each cell, or Failed."""

    cells: tuple[SidedCell, ...]
    sampling_s: float
    seed: str


@dataclass(frozen=True, slots=True)
class VerifySubject:
    """Load a subject to verify it, and keep the session: VerificationStarted or Failed.

    ``definition`` is ``None`` for what the subject declares, ``auto`` to recognise it; ``only``
    names the checks to make, without a diagnosis, and is ``None`` for all.
    """

    subject: Subject
    definition: Definition | str | None
    seed: int
    only: tuple[str, ...] | None
    device: str


@dataclass(frozen=True, slots=True)
class MakeCheck:
    """Make one check of the subject that is being verified: an Outcome.

    Without a check, find out from all outcomes what is wrong: a Diagnosis, or Ready if nothing is.
    """

    check: str | None
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class JoinRanks:
    """Become one rank of a group: Ready once all ranks have joined.

    ``store`` is the rendezvous file, which each group needs anew, in a folder that exists; a rank
    waits ``limit_s`` for another in a collective.
    """

    rank: int
    ranks: int
    store: str
    limit_s: float


@dataclass(frozen=True, slots=True)
class AskRank:
    """Put a question to a subject on a rank: RankAnswers, or Failed.

    Without a question, only load it: a PreflightResult, whose resolution is ``None`` where it is
    not known what it computes, or Failed.
    """

    subject: Subject
    question: "RankQuestion | None"


Request = Preflight | MeasureCell | TimeVersions | VerifySubject | MakeCheck | JoinRanks | AskRank


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has started, on a machine with this environment; or a request needs no answer."""

    environment: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed: its subject could not be loaded, or raised when it was called."""

    reason: str
    stage: Literal["load", "call"] = "call"


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The result of loading and calling a subject before it is measured.

    ``finding`` says why it cannot be loaded or called, and is ``None`` if it can; ``unavailable``
    is true where something is not installed.
    """

    name: str
    finding: str | None
    description: Description | None = None
    resolution: Resolution | None = None
    unavailable: bool = False


@dataclass(frozen=True, slots=True)
class VersionTimes:
    """Seconds per call of each version of a cell, paired by round.

    They are empty where the version ``raised_by`` raised, for ``reason``.
    """

    seconds: Mapping[str, tuple[float, ...]]
    raised_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationStarted:
    """A subject has been loaded; these checks, each by name and group, apply to it.

    ``recognised`` is a line on the definition that its numbers follow, if it was looked for.
    """

    checks: tuple[tuple[str, Group], ...]
    definition: str
    recognised: str | None


@dataclass(frozen=True, slots=True)
class RankAnswers:
    """A rank's answer to each step of a question."""

    answers: "tuple[RankAnswer, ...]"


Response = (
    Ready
    | Failed
    | PreflightResult
    | Result
    | Account
    | VersionTimes
    | VerificationStarted
    | Outcome
    | Diagnosis
    | RankAnswers
)

_KINDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Request | Response)}


def write_message(message: Request | Response) -> str:
    """A message as a line of JSON."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}) + "\n"


def read_message(line: str) -> Any:
    """The request or response that :func:`write_message` has written.

    Raises:
        json.JSONDecodeError: the line is not whole, because its writer was ended.
    """
    values = json.loads(line)
    return _reader(values.pop("kind")).validate_python(values)


@cache
def _reader(kind: str) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    if kind in ("AskRank", "RankAnswers"):
        # TypeAdapter finds the names of annotations among these locals.
        from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion  # noqa: F401
    return TypeAdapter(_KINDS[kind])
