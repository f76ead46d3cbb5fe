"""Two runs laid side by side: what changed, and what cannot be told from the machine's drift.

Counts (operations launched, elements worked on, bytes) have no noise and are compared as they are.
Time has two sources of it. The samples of a case show one, and give an interval of the ratio of
medians: each median lies between order statistics of its samples, whatever the distribution. They
do not show the other, the drift from one session to the next, which on a shared machine is the
larger. The two runs show it themselves, in results whose counts did not change: for each
implementation, the results of all *other* ones. Their |log ratio| has a prediction bound, the k-th
smallest with k = ceil(0.95 (n + 1)): if one more drifts as they do, it lies above in at most 5 % of
draws (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", chapter 2). The
interval is widened by it on both sides. The implementation's own results are no yardstick: a
change that slows it everywhere would hide itself.

What this cannot see: drift that hits one implementation and no other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from supcr_bench.analysis.changes import MEMORY_ALLOWANCE, count_change, outcome_change
from supcr_bench.analysis.statistics import interval_rank
from supcr_bench.analysis.summary import implementations_of
from supcr_bench.values.case import Case
from supcr_bench.values.cell import FEWEST_SAMPLES
from supcr_bench.values.change import Change, Direction
from supcr_bench.values.result import Result, Status

MARGIN = 0.05
"""A ratio this close to 1 counts as the same, unless a person says otherwise."""
EACH_MEDIAN = 0.975
"""Confidence of each median's interval, so that both hold at once with 95 %."""
FEWEST_YARDSTICKS = 19
"""With fewer, no |log ratio| among them bounds one more with 95 %."""
CHANCE = 0.05
"""Share of cases that drift alone may show as faster or slower."""
BEYOND_CHANCE = 0.01
"""So many slower cases of one implementation as chance gives this rarely are a finding."""
MACHINE = ("cpu", "cpus_usable", "threads", "accelerators", "os")
"""Where these differ, times say nothing about the code."""
SOFTWARE = ("python", "torch")
"""Where these differ, a change may come from them: it is one all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One implementation on one case, in both runs.

    Attributes:
        implementation: whose.
        case: on what.
        first, second: how it ended in each run; ``None`` where that run has no such result.
        time: ``None`` without a figure in both.
        launches, elements, peak_bytes: likewise.
        finding: what got worse, in a sentence; time is judged over all cases, not here.
        note: what else is to be said of a change of status.
    """

    implementation: str
    case: Case
    first: Status | None
    second: Status | None
    time: Change | None = None
    dispatched_ops: Change | None = None
    elements_processed: Change | None = None
    peak_bytes: Change | None = None
    finding: str | None = None
    note: str | None = None

    @property
    def in_both(self) -> bool:
        """Whether both runs have the result."""
        return self.first is not None and self.second is not None

    @property
    def work(self) -> Direction | None:
        """Launches and elements together; ``None`` where both are unknown."""
        directions = {c.direction for c in (self.dispatched_ops, self.elements_processed) if c}
        if {Direction.MORE, Direction.LESS} <= directions:
            return Direction.MIXED
        changed = directions - {Direction.SAME}
        return next(iter(changed or directions), None)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far unchanged results of other implementations moved between the runs.

    Attributes:
        bound: of |log ratio|, exceeded by one more like them with at most 5 %; ``None`` where there
            are too few.
        results: how many it rests on.
    """

    bound: float | None
    results: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of the environment that differs between the runs."""

    key: str
    first: Any
    second: Any

    @property
    def of_the_machine(self) -> bool:
        """Whether times cannot be compared across it."""
        return self.key in MACHINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that two runs say of each other.

    Attributes:
        rows: every result of either run, in the order of the first.
        differences: of the environments.
        drift: by implementation.
        margin: share within which times count as the same.
    """

    rows: tuple[ComparisonRow, ...]
    differences: tuple[Difference, ...]
    drift: Mapping[str, Drift]
    margin: float

    @property
    def other_machine(self) -> bool:
        """Whether the runs come from unlike machines."""
        return any(d.of_the_machine for d in self.differences)

    @property
    def joined(self) -> tuple[ComparisonRow, ...]:
        """Rows that both runs have."""
        return tuple(row for row in self.rows if row.in_both)

    @property
    def nothing_compared(self) -> bool:
        """Whether no figure could be held against another and no outcome changed."""
        return not any(
            row.time
            or row.dispatched_ops
            or row.elements_processed
            or row.peak_bytes
            or row.first != row.second
            for row in self.joined
        )

    def times(self, direction: Direction, implementation: str | None = None) -> int:
        """How many cases changed their time that way, of one implementation or of all."""
        return sum(
            row.time is not None and row.time.direction is direction
            for row in self.rows
            if implementation in (None, row.implementation)
        )

    def slower(self) -> list[str]:
        """Implementations that are slower in more cases than chance explains."""
        found = []
        for name in dict.fromkeys(row.implementation for row in self.rows):
            judged = sum(
                row.time is not None and row.time.low is not None
                for row in self.rows
                if row.implementation == name
            )
            if self.times(Direction.SLOWER, name) >= _beyond_chance(judged):
                found.append(name)
        return found

    @property
    def finding(self) -> bool:
        """Whether something got worse."""
        return bool(self.slower()) or any(row.finding for row in self.rows)


def _beyond_chance(cases: int) -> int:
    """The smallest number of cases that chance shows as slower with at most ``BEYOND_CHANCE``."""
    tail, count = 1.0, 0
    while tail > BEYOND_CHANCE:
        tail -= math.comb(cases, count) * CHANCE**count * (1 - CHANCE) ** (cases - count)
        count += 1
    return count


def drift_bound(log_ratios: Sequence[float]) -> Drift:
    """The prediction bound for the |log ratio| of one more result."""
    n = len(log_ratios)
    rank = -(-19 * (n + 1) // 20)  # ceil(0.95 (n + 1)), without rounding
    bound = sorted(map(abs, log_ratios))[rank - 1] if n >= FEWEST_YARDSTICKS else None
    return Drift(bound, n)


def _bounds(samples: Sequence[float]) -> tuple[float, float]:
    """Order statistics around the median, at ``EACH_MEDIAN`` or as near as the samples come."""
    ordered = sorted(samples)
    rank = interval_rank(len(ordered), EACH_MEDIAN) or 1
    return ordered[rank - 1], ordered[-rank]


def _ratio(first: Result, second: Result) -> float | None:
    """Of the median times, second over first; ``None`` without both."""
    medians = [median(r.time_samples_s) for r in (first, second) if r.time_samples_s]
    if len(medians) < 2 or min(medians) <= 0:
        return None
    return medians[1] / medians[0]


def _is_yardstick(first: Result, second: Result) -> bool:
    """Whether the deterministic cost is known and unchanged."""
    counts = [(r.dispatched_ops, r.elements_processed) for r in (first, second)]
    return counts[0] == counts[1] and None not in counts[0]


def _time_change(
    first: Result, second: Result, drift: Drift, margin: float, *, other_machine: bool
) -> Change | None:
    ratio = _ratio(first, second)
    if ratio is None or not first.time_samples_s or not second.time_samples_s:
        return None
    before, after = median(first.time_samples_s), median(second.time_samples_s)
    undecided = Change(metric="time", before=before, after=after, ratio=ratio)
    if other_machine:
        return replace(undecided, reason="other machine")
    fewest = min(len(first.time_samples_s), len(second.time_samples_s))
    if fewest < FEWEST_SAMPLES:
        return replace(undecided, reason=f"fewer than {FEWEST_SAMPLES} samples")
    if drift.bound is None:
        return replace(
            undecided,
            reason=f"fewer than {FEWEST_YARDSTICKS} unchanged results of other implementations to "
            "tell the machine's drift from",
        )
    (low_1, high_1), (low_2, high_2) = _bounds(first.time_samples_s), _bounds(second.time_samples_s)
    widened = math.exp(drift.bound)
    low, high = low_2 / high_1 / widened, high_2 / low_1 * widened
    direction = Direction.UNDECIDED
    if low > 1:
        direction = Direction.SLOWER
    elif high < 1:
        direction = Direction.FASTER
    # Within the margin it is the same, even where the interval leaves 1 out.
    if low >= 1 - margin and high <= 1 + margin:
        direction = Direction.SAME
    return replace(undecided, low=low, high=high, direction=direction)


def _change_of_status(
    first: Result, second: Result, drift: Drift, *, other_machine: bool
) -> tuple[str | None, str | None]:
    """The finding and the note of :func:`outcome_change`, and what drift says of a stopped call."""
    if second.status is Status.TIMED_OUT and first.time_samples_s:
        limit_s = second.time_limit_s
        # The time is not known, but that it is above the limit is.
        if (
            not other_machine
            and limit_s is not None
            and drift.bound is not None
            and limit_s / max(first.time_samples_s) > math.exp(drift.bound)
        ):
            return f"timed out: {second.reason}", None
    return outcome_change(first, second)


def _row(
    name: str,
    case: Case,
    first: Result | None,
    second: Result | None,
    drift: Drift,
    margin: float,
    *,
    other_machine: bool,
) -> ComparisonRow:
    if first is None or second is None:
        return ComparisonRow(
            implementation=name,
            case=case,
            first=first.status if first else None,
            second=second.status if second else None,
        )
    row = ComparisonRow(
        implementation=name,
        case=case,
        first=first.status,
        second=second.status,
        time=_time_change(first, second, drift, margin, other_machine=other_machine),
        dispatched_ops=count_change("dispatched_ops", first.dispatched_ops, second.dispatched_ops),
        elements_processed=count_change(
            "elements_processed", first.elements_processed, second.elements_processed
        ),
        peak_bytes=count_change(
            "peak_bytes", first.counted_peak_bytes, second.counted_peak_bytes, MEMORY_ALLOWANCE
        ),
    )
    finding, note = None, None
    if first.status is not second.status:
        finding, note = _change_of_status(first, second, drift, other_machine=other_machine)
    costlier = [
        label
        for label, direction in (
            ("work", row.work),
            ("memory", row.peak_bytes.direction if row.peak_bytes else None),
        )
        if direction is Direction.MORE
    ]
    if costlier and finding is None:
        finding = f"costs more {' and '.join(costlier)}"
    return replace(row, finding=finding, note=note)


def environment_differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """What differs in machine and software."""
    return tuple(
        Difference(key, first.get(key), second.get(key))
        for key in (*MACHINE, *SOFTWARE)
        if first.get(key) != second.get(key)
    )


def compare_results(
    first: Sequence[Result],
    second: Sequence[Result],
    differences: Sequence[Difference] = (),
    margin: float = MARGIN,
    unlike: Callable[[Result, Result], bool] | None = None,
) -> Comparison:
    """Join two runs by implementation and case, and say what changed from the first to the second.

    Args:
        first: results of the earlier run.
        second: results of the later one.
        differences: of their environments.
        margin: share within which times count as the same.
        unlike: whether two results come from unlike machines; else the differences tell.
    """
    by_key = ({r.key: r for r in first}, {r.key: r for r in second})
    anywhere = any(d.of_the_machine for d in differences)

    def apart(one: Result | None, other: Result | None) -> bool:
        return anywhere if unlike is None or not one or not other else unlike(one, other)

    moved = [
        (key[0], math.log(ratio))
        for key, one in by_key[0].items()
        if (other := by_key[1].get(key)) and not apart(one, other)
        if _is_yardstick(one, other) and (ratio := _ratio(one, other)) is not None
    ]
    drift = {
        name: drift_bound([log_ratio for other, log_ratio in moved if other != name])
        for name in implementations_of([*first, *second])
    }
    return Comparison(
        rows=tuple(
            _row(
                *key,
                by_key[0].get(key),
                by_key[1].get(key),
                drift[key[0]],
                margin,
                other_machine=apart(by_key[0].get(key), by_key[1].get(key)),
            )
            for key in dict.fromkeys([*by_key[0], *by_key[1]])
        ),
        differences=tuple(differences),
        drift=drift,
        margin=margin,
    )
