"""Requests to a worker and its responses: one JSON object a line, whose ``kind`` is its type.

Types that need torch are imported only when a message that holds one is read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from supcr_bench.measure.version_times import VersionedCell
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Account, Budget, Cell
from supcr_bench.values.definition import Definition
from supcr_bench.values.errors import UncallableError
from supcr_bench.values.implementation import Description, Recognition, Resolution
from supcr_bench.values.result import Result
from supcr_bench.verification.impact import Impact, ImpactQuestion
from supcr_bench.verification.outcome import Diagnosis, Group, Outcome

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion


@dataclass(frozen=True, slots=True)
class Preflight:
    """Load each subject (implementation) and call it on a tiny batch; answers: PreflightResults."""

    subjects: tuple[Subject, ...]
    like: Workload


@dataclass(frozen=True, slots=True)
class MeasureCell:
    """Measure a cell (the arms of one workload); answers: a Result for each arm, then an Account.

    If an arm breaks the group of ranks, Failed comes before the Account. ``labels`` names the
    user's labels as ``FILE:COLUMN,...``, if the workload has them.
    """

    cell: Cell
    subjects: tuple[Subject, ...]
    budget: Budget
    labels: str | None


@dataclass(frozen=True, slots=True)
class TimeVersions:
    """Time every version of each cell; answers: a VersionTimes for each cell, or Failed."""

    cells: tuple[VersionedCell, ...]
    sampling_s: float
    seed: str


@dataclass(frozen=True, slots=True)
class VerifySubject:
    """Load a subject and open its session; answer: VerificationStarted or Failed.

    ``definition`` is ``None`` for the declared one, ``auto`` to recognise it; ``only``
    names the checks to make, without a diagnosis, and is ``None`` for all.
    """

    subject: Subject
    definition: Definition | str | None
    seed: int
    only: tuple[str, ...] | None
    device: str


@dataclass(frozen=True, slots=True)
class MakeCheck:
    """Make one check of the subject that is being verified; answer: an Outcome.

    Without a check, diagnose from all outcomes; answer: a Diagnosis, or Ready if nothing is wrong.
    """

    check: str | None
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class JoinRanks:
    """Become one rank (process) of a group; answer: Ready once all ranks have joined.

    ``store`` is a rendezvous file, a new one for each group, in a folder that exists. In a
    collective, a rank waits ``limit_s`` for the others.
    """

    rank: int
    ranks: int
    store: str
    limit_s: float


@dataclass(frozen=True, slots=True)
class AskRank:
    """Put a question to a subject on a rank; answer: RankAnswers or Failed.

    Without a question, only load the subject; answer: Failed, or a PreflightResult, whose
    resolution is ``None`` if the definition is unknown.
    """

    subject: Subject
    question: "RankQuestion | None"


Request = (
    Preflight
    | MeasureCell
    | TimeVersions
    | VerifySubject
    | MakeCheck
    | ImpactQuestion
    | JoinRanks
    | AskRank
)


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has started, in this environment, or has carried out a request without a result."""

    environment: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed: its subject could not be loaded, or raised when it was called."""

    reason: str
    stage: Literal["load", "call"] = "call"
    uncallable: UncallableError | None = None


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The result of loading and calling a subject before it is measured.

    ``finding`` says why it cannot be loaded or called, and is ``None`` if it can; ``unavailable``
    is true if a package is not installed; ``files`` are its source files with digests.
    """

    name: str
    finding: str | None
    description: Description | None = None
    resolution: Resolution | None = None
    unavailable: bool = False
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class VersionTimes:
    """Seconds per call of each version of a cell, paired by round.

    They are empty if the version ``raised_by`` raised an exception, described by ``reason``.
    """

    seconds: Mapping[str, tuple[float, ...]]
    raised_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationStarted:
    """A subject has been loaded; these checks, each by name and group, apply to it.

    ``recognised`` says what it computes and how it is called.
    """

    checks: tuple[tuple[str, Group], ...]
    definition: str
    recognised: Recognition | None


@dataclass(frozen=True, slots=True)
class Impacts:
    """The answer to an ImpactQuestion on the subject that is being verified."""

    rows: tuple[Impact, ...]


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
    | Impacts
    | RankAnswers
)

_KINDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Request | Response)}


def write_message(message: Request | Response) -> str:
    """Encode a message as a line of JSON."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}) + "\n"


def read_message(line: str) -> Any:
    """Decode a request or response that :func:`write_message` has written."""
    values = json.loads(line)
    return _reader(values.pop("kind")).validate_python(values)


@cache
def _reader(kind: str) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    if kind in ("AskRank", "RankAnswers"):
        # TypeAdapter looks up the names in annotations among these locals.
        from supcr_bench.verification.ranks.question import RankAnswer, RankQuestion  # noqa: F401
    return TypeAdapter(_KINDS[kind])
