"""Compares two runs: what changed, and which changes may only be drift of the machine.

Counts and bytes have no noise and are compared directly. Of several processes in both runs, ratio
and interval of times follow from `run_noise`. Of one process, order statistics bound each median,
whatever the distribution; the drift of unchanged results includes that spread of samples, and the
rest, as a difference of variances, widens the interval of the ratio on both sides.

A session also shifts the times of all cases of one implementation together. So an implementation is
found slower only in cases that exceed the shift expected of a session, from the shifts of the other
implementations and a prior of ``SESSION_SD``; several implementations share the error probability.
A smaller slowdown needs `gate --against`, which times both in one session.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median, quantiles
from typing import Any

from supcr_bench.analysis import run_noise
from supcr_bench.analysis.statistics import CONFIDENCE, interval_rank
from supcr_bench.analysis.summary import Effect, implementations_of
from supcr_bench.values.case import Case
from supcr_bench.values.cell import FEWEST_SAMPLES, MOST_PROCESSES
from supcr_bench.values.machine import of_the_machine
from supcr_bench.values.metrics import (
    COUNTS,
    DISPATCHED_OPS,
    ELEMENTS_PROCESSED,
    MEMORY,
    PYTHON_INSTRUCTIONS,
    TIME,
    Change,
    Direction,
)
from supcr_bench.values.result import Key, Result, Status, grouped
from supcr_bench.values.units import format_share

MARGIN = 0.05
"""Default share by which two times may differ and count as the same."""
EACH_MEDIAN = 0.975
"""Confidence of each median's interval; two such intervals hold together with 95 %."""
BUSY = 0.2
"""If the middle half of equal calls spreads by more than this share, the machine was busy. Measured
on 2 cores: 0.05 to 0.11 if idle, 0.45 at a load of 9."""
CHANCE = 0.05
"""Share of cases that may look faster or slower by drift alone."""
BEYOND_CHANCE = 0.01
"""An implementation is called slower if chance gives as many slower cases with less than this
probability, which all implementations of a comparison share."""
OTHER_MACHINE = "other machine"
"""The reason why times of different machines are undecided."""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One implementation on one case in both runs: statuses, and changes by metric.

    ``outcome`` is a sentence on a status that got worse, and ``note`` on any other change.
    """

    implementation: str
    case: Case
    first: Status | None
    second: Status | None
    changes: Mapping[str, Change] = field(default_factory=dict)
    outcome: str | None = None
    note: str | None = None

    @property
    def time(self) -> Change | None:
        return self.changes.get(TIME.name)

    @property
    def memory(self) -> Change | None:
        return self.changes.get(MEMORY.name)

    @property
    def work(self) -> Direction | None:
        """The change of operations and elements taken together; ``None`` if both are unknown."""
        changes = [self.changes.get(m.name) for m in (DISPATCHED_OPS, ELEMENTS_PROCESSED)]
        directions = {change.direction for change in changes if change}
        if {Direction.MORE, Direction.LESS} <= directions:
            return Direction.MIXED
        changed = directions - {Direction.SAME}
        return next(iter(changed or directions), None)

    @property
    def costlier(self) -> list[str]:
        ways = {"work": self.work}
        for m in (MEMORY, PYTHON_INSTRUCTIONS):
            if change := self.changes.get(m.name):
                ways[m.title.removeprefix("peak ")] = change.direction
        return [name for name, way in ways.items() if way is Direction.MORE]

    @property
    def finding(self) -> str | None:
        costs = " and ".join(self.costlier)
        return self.outcome or (f"costs more {costs}" if costs else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed from the first run to the second.

    Attributes:
        drift: for each implementation, the 95 % prediction bound on the |log ratio| of a time,
            from unchanged results of the *other* implementations (``None`` if they are too few),
            and the number of those results.
        session: for each implementation, by what log ratio, at most, a session moves all its cases.
    """

    rows: tuple[ComparisonRow, ...]
    differences: Mapping[str, tuple[Any, Any]]
    drift: Mapping[str, tuple[float | None, int]]
    margin: float
    session: Mapping[str, float]
    processes: int

    @property
    def joined(self) -> tuple[ComparisonRow, ...]:
        return tuple(row for row in self.rows if row.first and row.second)

    @property
    def nothing_compared(self) -> bool:
        return not any(row.changes or row.first != row.second for row in self.joined)

    @property
    def slower_cases(self) -> dict[str, tuple[int, int, int]]:
        """Numbers of cases that are slower, slower than a session explains, and judged, by name."""
        judged = [(r.implementation, r.time) for r in self.rows if r.time and r.time.low]
        found = {}
        for name, own in grouped(judged, lambda pair: pair[0]).items():
            slower = [t.low or 0.0 for _, t in own if t.direction is Direction.SLOWER]
            beyond = sum(low > math.exp(self.session.get(name, 0.0)) for low in slower)
            found[name] = len(slower), beyond, len(own)
        return found

    def slower(self) -> list[str]:
        """Implementations that are slower in more cases than chance explains."""
        found = self.slower_cases
        return [
            name
            for name, (_, beyond, cases) in found.items()
            if beyond >= _beyond_chance(cases, BEYOND_CHANCE / len(found))
        ]

    @property
    def finding(self) -> bool:
        return bool(self.slower()) or any(row.finding for row in self.rows)


def _beyond_chance(cases: int, error: float) -> int:
    """The fewest slower cases whose probability by chance is at most ``error``."""
    from scipy.special import bdtrc  # slow to import

    return next(count for count in range(cases + 2) if bdtrc(count - 1, cases, CHANCE) <= error)


def _bounds(samples: Sequence[float]) -> tuple[float, float]:
    """The interval of the median; for too few samples, the smallest and the largest."""
    ordered = sorted(samples)
    rank = interval_rank(len(ordered), (1 - EACH_MEDIAN) / 2) or 1
    return ordered[rank - 1], ordered[-rank]


def _work(result: Result) -> tuple[int | None, int | None]:
    return result.dispatched_ops, result.elements_processed


def count_change(
    metric: str, before: float | None, after: float | None, allowance: float = 0.0
) -> Change | None:
    """The change of a count, none up to a share ``allowance``; ``None`` if a count is unknown."""
    if before is None or after is None:
        return None
    direction = Direction.SAME
    if abs(after - before) > allowance * before:
        direction = Direction.MORE if after > before else Direction.LESS
    ratio = after / before if before else None
    return Change(metric=metric, before=before, after=after, ratio=ratio, direction=direction)


def outcome_change(before: Result, after: Result) -> tuple[str | None, str | None]:
    """A sentence on a status that got worse, and one on any other change; each may be ``None``."""
    why = after.reason
    if after.status.is_broken and not before.status.is_broken:
        return f"became {after.status}: {why}", None
    if after.status is Status.OUT_OF_MEMORY and before.status.has_figures:
        was, now = before.memory_limit_bytes, after.memory_limit_bytes
        if now is None or (was is not None and now >= was):
            return f"ran out of memory: {why}", None
        return None, f"the memory limit was lower: {why}"
    return None, why


def _time_change(
    first: Result,
    second: Result,
    drift: float | None,
    noise: run_noise.Noise | None,
    margin: float,
    spread: float,
    *,
    other_machine: bool,
) -> Change | None:
    before, after = first.time_samples_s, second.time_samples_s
    ratio = Effect(second, first).ratio(TIME)
    if not ratio or not before or not after:
        return None
    change = Change(metric=TIME.name, before=TIME.get(first), after=TIME.get(second), ratio=ratio)
    if first.session and first == second:  # one measurement
        return replace(change, direction=Direction.SAME, low=ratio, high=ratio)
    if other_machine:
        return replace(change, reason=OTHER_MACHINE)
    if noise is None and min(len(before), len(after)) < FEWEST_SAMPLES:
        return replace(change, reason=f"fewer than {FEWEST_SAMPLES} samples")
    if drift is None:
        unknown = "the machine's drift is unknown: other implementations have fewer than "
        return replace(change, reason=f"{unknown}{run_noise.FEWEST_UNCHANGED} unchanged results")
    if noise is not None:
        ratio = math.exp(noise.log_ratio)
        outer, inner = ((noise.half_width(c),) * 2 for c in (CONFIDENCE, run_noise.EQUIVALENCE))
    else:
        (low_1, high_1), (low_2, high_2) = _bounds(before), _bounds(after)
        ends = math.log(ratio * high_1 / low_2), math.log(high_2 / low_1 / ratio)
        below, above = (x + math.sqrt(max(drift**2 - x**2, 0.0)) for x in ends)
        outer = inner = below, above
    (low, high), (least, most) = (
        (ratio * math.exp(-below), ratio * math.exp(above)) for below, above in (outer, inner)
    )
    change = replace(change, ratio=ratio, low=low, high=high)
    # A ratio within the margin is the same, even where the interval does not contain 1.
    if least >= 1 - margin and most <= 1 + margin:
        return replace(change, direction=Direction.SAME)
    if low > 1 or high < 1:
        return replace(change, direction=Direction.SLOWER if low > 1 else Direction.FASTER)
    widest = math.expm1(drift) if noise is None else 2 * math.expm1(outer[0])
    processes = min(len(first.processes), len(second.processes))
    why = _why_undecided(noise, spread, processes) if widest > margin else None
    return replace(change, reason=why)


def _why_undecided(noise: run_noise.Noise | None, spread: float, processes: int) -> str:
    if spread > BUSY:
        share = format_share(spread)
        return f"the machine was too busy: the middle half of equal calls spread by {share}"
    if noise is None:
        return "one process is one sample; `--processes 20` gives more"
    if noise.enough is None or noise.excess > noise.variance:
        return "the machine changed between the runs"
    differ = "the processes of each run differ"
    if not processes < noise.enough <= MOST_PROCESSES:
        return differ
    return f"{differ}; `--processes {noise.enough}` would decide most"


def _ran_past_limit(first: Result, second: Result, drift: float | None) -> bool:
    limit, times = second.time_limit_s, first.time_samples_s
    if second.status is not Status.TIMED_OUT or limit is None or drift is None or not times:
        return False
    return limit / max(times) > math.exp(drift)


def compare_results(
    first: Sequence[Result],
    second: Sequence[Result],
    differences: Mapping[str, tuple[Any, Any]] | None = None,
    margin: float = MARGIN,
    unlike: Callable[[Result, Result], bool] | None = None,
) -> Comparison:
    """What changed from the first run to the second, joined by implementation and case.

    ``differences`` are those of the environments, and ``margin`` is the share by which times may
    differ and count as the same. ``unlike`` says whether two results come from different machines;
    by default, ``differences`` decide.
    """
    differences = differences or {}
    anywhere = of_the_machine(differences)
    apart: Callable[[Result, Result], bool] = unlike or (lambda *_: anywhere)
    by_key = ({r.key: r for r in first}, {r.key: r for r in second})
    pairs = {
        key: (one, other)
        for key, one in by_key[0].items()
        if (other := by_key[1].get(key)) and not apart(one, other)
    }
    moved = {
        key: math.log(ratio)
        for key, (one, other) in pairs.items()
        if _work(one) == _work(other) and None not in _work(one)
        if (ratio := Effect(other, one).ratio(TIME))
    }
    drift = {
        name: run_noise.drift_bound([x for key, x in moved.items() if key[0] != name])
        for name in implementations_of([*first, *second])
    }
    noises = run_noise.process_noise(pairs, moved, margin, at_one_speed=not differences)
    middles = [quantiles(s) for r in (*first, *second) if len(s := r.time_samples_s or ()) > 1]
    spread = median([high / low - 1 for low, _, high in middles] or [0.0])
    processes = min((len(r.processes) for key in noises for r in pairs[key]), default=1)

    software = [{key: pair[n] for key, pair in differences.items()} for n in (0, 1)]
    at_one_speed = moved | {key: n.log_ratio for key, n in noises.items() if key in moved}
    shifts = {
        name: median(at_one_speed[key] for key in own)
        for name, own in grouped(moved, lambda key: key[0]).items()
    }
    others = {name: [s for other, s in shifts.items() if other != name] for name in drift}
    session = {
        name: run_noise.session_bound(own, len(drift), processes) for name, own in others.items()
    }

    def row(key: Key) -> ComparisonRow:
        one, other = (own.get(key) for own in by_key)
        found = ComparisonRow(*key, one.status if one else None, other.status if other else None)
        if one is None or other is None:
            return found
        bound, other_machine = drift[key[0]][0], apart(one, other)
        time = _time_change(
            one, other, bound, noises.get(key), margin, spread, other_machine=other_machine
        )
        counts = (
            count_change(m.name, m.compared(one), m.compared(other), m.allowance)
            for m in COUNTS
            if m.is_comparable(*software)
        )
        outcome, note = None, None
        if one.status is not other.status:
            outcome, note = outcome_change(one, other)
            if not other_machine and _ran_past_limit(one, other, bound):
                outcome, note = f"timed out: {other.reason}", None
        changes = {change.metric: change for change in (time, *counts) if change}
        return replace(found, changes=changes, outcome=outcome, note=note)

    return Comparison(
        rows=tuple(row(key) for key in dict.fromkeys([*by_key[0], *by_key[1]])),
        differences=differences,
        drift=drift,
        margin=margin,
        session=session,
        processes=processes,
    )
