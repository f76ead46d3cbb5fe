"""What a gate rules of each figure of an implementation: pass, regression or undecided.

The gate's exit status follows from the rulings alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from supcr_bench.values.case import Case


class Ruling(StrEnum):
    """What the gate says of one figure."""

    PASS = "pass"
    REGRESSION = "regression"
    UNDECIDED = "undecided"
    """Measured or looked for, and it cannot be told."""
    NEW = "new"
    """There was nothing before to hold it against, and by itself it is right."""
    UNCHANGED = "unchanged"
    """Not right, or without an answer, before and now alike: no worse, and nothing that passed."""


class Evidence(StrEnum):
    """The kinds of evidence, which are gated apart."""

    AGREEMENT = "agreement"
    """Exact verdicts: a case against the reference, and the checks of verification."""
    COST = "cost"
    """Counts, the same on every machine: operations launched, element work, peak bytes."""
    TIME = "time"
    """Statistical, and only ever judged side by side in one session."""


Figure = Literal["agreement", "verification", "launches", "element work", "peak memory", "time"]
EVIDENCE: Mapping[Figure, Evidence] = {
    "agreement": Evidence.AGREEMENT,
    "verification": Evidence.AGREEMENT,
    "launches": Evidence.COST,
    "element work": Evidence.COST,
    "peak memory": Evidence.COST,
    "time": Evidence.TIME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The ruling on one figure.

    Attributes:
        figure: what was judged.
        implementation: whose.
        case: on what; ``None`` where the figure is of the implementation as a whole
            (verification).
        ruling: what came of it.
        reason: in a sentence; always there for a regression and for what is undecided.
        before, after: the two counts, or the two medians in seconds; ``None`` where not known.
        ratio: after over before; for time, the estimate of the paired ratio.
        low, high: of the interval of that ratio; ``None`` for a figure without noise.
        command: a command that shows it again.
    """

    figure: Figure
    implementation: str
    case: Case | None
    ruling: Ruling
    reason: str | None = None
    before: float | None = None
    after: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    command: str | None = None

    @property
    def evidence(self) -> Evidence:
        """Its kind."""
        return EVIDENCE[self.figure]

    @property
    def is_noise(self) -> bool:
        """Whether it is undecided for noise alone: it was timed, and its interval is too wide."""
        timed = self.evidence is Evidence.TIME and self.low is not None
        return timed and self.ruling is Ruling.UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStudy:
    """How time was judged: what it took, and what it could have seen.

    Attributes:
        max_slowdown: the share by which a cell may become slower.
        error: bound of the probability that any cell is ruled on wrongly: is called a regression
            though it is not slower by more than ``max_slowdown``, or passes though it is.
        processes: fresh processes that timed.
        cells: cells judged.
        spent_s: wall seconds.
        budget_s: wall seconds that there were.
        noise_floor: the farthest that the A/A arm's intervals reach from 1, as a share; ``None``
            where there were too few processes.
        again_low, again_high: the interval of the ratio in the A/A arm that reaches the farthest.
        again_covers: how many of the A/A intervals cover 1.
        detectable: the slow-down that could have been detected here in every cell, as a share.
    """

    max_slowdown: float
    error: float
    processes: int
    cells: int
    spent_s: float
    budget_s: float
    noise_floor: float | None = None
    again_low: float | None = None
    again_high: float | None = None
    again_covers: int | None = None
    detectable: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """All that a gate run found.

    Attributes:
        suite: its name.
        against: what everything was held against, in words: a revision or a baseline file.
        judgements: one for each figure.
        notes: what else a person has to know: a dirty tree, another torch version, a file renamed.
        time: how time was judged; ``None`` where it was not.
        environment: of this machine, as a run stores it.
        command: the command line.
        spent_s: wall seconds of the whole gate.
    """

    suite: str
    against: str
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...] = ()
    time: TimeStudy | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    spent_s: float = 0.0

    def ruled(self, ruling: Ruling) -> tuple[Judgement, ...]:
        """Judgements with that ruling."""
        return tuple(j for j in self.judgements if j.ruling is ruling)

    @property
    def ruling(self) -> Ruling:
        """Of the whole: one regression is one; a pass needs something that passed."""
        if self.ruled(Ruling.REGRESSION):
            return Ruling.REGRESSION
        if self.ruled(Ruling.UNDECIDED) or not self.ruled(Ruling.PASS):
            return Ruling.UNDECIDED
        return Ruling.PASS

    @property
    def measured_nothing(self) -> bool:
        """Whether no figure was decided. Such a gate never passes, whatever is asked of it."""
        decided = (Ruling.PASS, Ruling.REGRESSION)
        return not any(j.ruling in decided for j in self.judgements)

    def exit_status(self, undecided: Literal["pass", "fail"] | None = None) -> int:
        """0 for a pass, 1 for a regression, 3 for undecided unless that is to count as either.

        To count it as a pass is for noise: what could not be told for any other reason stays so.
        """
        if self.ruling is Ruling.REGRESSION:
            return 1
        if self.ruling is Ruling.PASS:
            return 0
        if undecided == "fail":
            return 1
        noise = all(j.is_noise for j in self.ruled(Ruling.UNDECIDED))
        return 0 if undecided == "pass" and noise and not self.measured_nothing else 3
