"""The verdicts of the gate (the regression test): pass, regression or undecided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from supcr_bench.values.case import Case
from supcr_bench.values.metrics import COUNTS, METRICS, TIME, Change
from supcr_bench.values.result import grouped

CountsAs = Literal["pass", "fail"] | None
"""How the exit status treats an undecided gate; ``None`` keeps exit status 3."""

MAX_SLOWDOWN, MAX_MEMORY_GROWTH, TIME_BUDGET_S = 0.05, 0.01, 100.0
"""The limits of ``gate`` and ``history``, unless the user sets others."""
MOST_FOLLOWING = 4
"""The most regressions that only follow from a wrong result and are shown beside it."""


class GateVerdict(StrEnum):
    """The verdict on one change, or on all of them."""

    PASS = "pass"
    REGRESSION = "regression"
    UNDECIDED = "undecided"
    """The evidence does not suffice for a verdict."""
    NEW = "new"
    """There is no earlier result to compare with, and the result now is correct."""
    UNCHANGED = "unchanged"
    """The result was wrong or missing before, and still is: no worse, but no pass either."""
    ACCEPTED = "accepted"
    """The figure got worse, and the repository accepts the change."""


DECIDED = frozenset({GateVerdict.PASS, GateVerdict.REGRESSION, GateVerdict.ACCEPTED})

Judged = tuple[GateVerdict, str | None]


class Evidence(StrEnum):
    """The kinds of evidence, which the gate judges separately."""

    AGREEMENT = "agreement"
    """Exact: the errors of each case against the reference, and the verifier's checks."""
    COST = "cost"
    """Counts that are the same on every machine: operations, element work, peak bytes."""
    TIME = "time"
    """Statistical: the versions before and after are timed side by side in one session."""


DEFAULT_CALL = "default call"
"""Name of the test that a call without options still computes the same loss."""
EVIDENCE: Mapping[str, Evidence] = {
    "agreement": Evidence.AGREEMENT,
    "verification": Evidence.AGREEMENT,
    DEFAULT_CALL: Evidence.AGREEMENT,
    **{metric.name: Evidence.COST for metric in COUNTS},
    TIME.name: Evidence.TIME,
}
"""The metrics that the gate judges, and the kind of evidence to which each belongs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedChange(Change):
    """A change with the gate's verdict on it, and a command that reproduces it.

    ``exact`` is false if a limit of time or memory decided. ``needs_s`` is the time budget that
    would probably decide an undecided time; ``None`` if that is not known. ``mean_ratio`` is the
    ratio of mean calls, as ``ratio`` is that of median calls.
    """

    implementation: str
    case: Case | None = None
    verdict: GateVerdict
    command: str | None = None
    exact: bool = True
    needs_s: float | None = None
    mean_ratio: float | None = None

    @classmethod
    def of(
        cls,
        metric: str,
        key: tuple[str, Case | None],
        judged: Judged,
        command: str | None = None,
        **figures: Any,
    ) -> "GatedChange":
        (name, case), (verdict, reason) = key, judged
        figures |= {"verdict": verdict, "reason": reason, "command": command}
        return cls(metric=metric, implementation=name, case=case, **figures)

    @property
    def evidence(self) -> Evidence:
        return EVIDENCE[self.metric]

    @property
    def title(self) -> str:
        return METRICS[self.metric].title if self.metric in METRICS else self.metric

    @property
    def is_noise(self) -> bool:
        """Whether time is undecided because of noise: more samples or less load may help."""
        known = self.low is not None or self.needs_s is not None
        timed = self.evidence is Evidence.TIME and known
        return timed and self.verdict is GateVerdict.UNDECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStudy:
    """How the gate judged time: its effort, and the slowdown that it could have detected.

    Attributes:
        max_slowdown: share by which a cell (an implementation on one case) may become slower, where
            its grid does not say otherwise.
        allowed: all such shares, the least first.
        error: the largest probability that any cell gets a wrong verdict: a regression although it
            is not slower by more than is allowed, or a pass although it is.
        cells, timed, judged: number of all cells, of those with times of any process, and of those
            with enough of them for intervals.
        noise_floor: how far the intervals of the A/A arm (the version before, timed against
            itself) reach from 1, as a share; ``None`` where there were too few processes.
        again_low, again_high: the A/A interval that reaches farthest from 1.
        again_covers: number of A/A intervals that contain 1, as they should, of one for each judged
            cell.
        detectable: the slowdown that 95 % of such runs find in every judged cell, as a share.
        moved: how far the A/A ratio of a cell moved from the first half of the processes to the
            second, at most, as a share: a trace of what another session would change.
    """

    max_slowdown: float
    allowed: tuple[float, ...]
    error: float
    processes: int
    cells: int
    timed: int
    judged: int
    spent_s: float
    budget_s: float
    noise_floor: float | None = None
    again_low: float | None = None
    again_high: float | None = None
    again_covers: int | None = None
    detectable: float | None = None
    moved: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """The changes that one run of the gate found, compared with a revision or a baseline."""

    suite: str
    against: str
    changes: tuple[GatedChange, ...]
    notes: tuple[str, ...] = ()
    time: TimeStudy | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Any] = field(default_factory=dict)
    started_at: str = ""
    command: str = ""
    spent_s: float = 0.0

    def with_verdict(self, verdict: GateVerdict) -> tuple[GatedChange, ...]:
        return tuple(c for c in self.changes if c.verdict is verdict)

    @property
    def verdict(self) -> GateVerdict:
        if self.with_verdict(GateVerdict.REGRESSION):
            return GateVerdict.REGRESSION
        if self.with_verdict(GateVerdict.UNDECIDED) or self.measured_nothing:
            return GateVerdict.UNDECIDED
        return GateVerdict.PASS

    @property
    def leading(self) -> tuple[GatedChange, ...]:
        """The regressions, without those that follow from a result that became wrong.

        For an implementation that is no longer right, these are the findings of verification, the
        change of its call without options, and one case: its other costs would be those of another
        loss. A few of the others are kept.
        """
        worse = self.with_verdict(GateVerdict.REGRESSION)
        leading: list[GatedChange] = []
        for own in grouped(worse, lambda c: c.implementation).values():
            wrong = [c for c in own if c.evidence is Evidence.AGREEMENT and c.exact]
            causes = [c for c in wrong if c.case is None]
            cases = [c for c in wrong if c.case is not None]
            first = [*causes, *cases[:1]]
            leading += first if cases and len(own) > len(first) + MOST_FOLLOWING else own
        return tuple(leading)

    @property
    def following(self) -> tuple[GatedChange, ...]:
        leading = grouped(self.leading, lambda c: c.implementation)
        worse = self.with_verdict(GateVerdict.REGRESSION)
        return tuple(c for c in worse if c not in leading.get(c.implementation, ()))

    @property
    def measured_nothing(self) -> bool:
        """Whether no change was decided. Such a gate never passes, whatever the options say."""
        return not any(c.verdict in DECIDED for c in self.changes)

    def exit_status(self, undecided: CountsAs = None) -> int:
        """0 for a pass, 1 for a regression, 3 for undecided unless ``undecided`` says otherwise.

        ``undecided="pass"`` forgives noise only: a change that is undecided for any other reason
        still gives 3.
        """
        if self.verdict is GateVerdict.REGRESSION:
            return 1
        if self.verdict is GateVerdict.PASS:
            return 0
        if undecided == "fail":
            return 1
        noise = all(c.is_noise for c in self.with_verdict(GateVerdict.UNDECIDED))
        return 0 if undecided == "pass" and noise and not self.measured_nothing else 3
