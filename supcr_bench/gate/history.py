"""Follows each figure over the revisions of a repository, and compares it with a fixed anchor.

A gate compares each change only with the revision before it, so ten changes of 4 % each may pass; a
fixed anchor shows their sum. Counts have no noise: any step is a change point, and the last count
is compared with the anchor's. Times are compared only between sessions of one kind of machine and
of one way of timing, by rank tests (``analysis.change_points``) whose error all series share.

A shift that a session causes in all implementations is removed: the median shift of at least three
others whose counts never changed.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from supcr_bench.analysis.change_points import fewest_sessions, segments
from supcr_bench.analysis.compare import count_change
from supcr_bench.gate.terms import TORCH_ALLOWANCE, other_torch
from supcr_bench.store.loaded_run import Run
from supcr_bench.values import metrics
from supcr_bench.values.case import Case
from supcr_bench.values.gate import GatedChange, GateVerdict
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Result, grouped
from supcr_bench.values.units import listed, plural

ERROR = 0.01
"""The largest probability that the times of a history show any false change."""
FEWEST_OTHERS = 3
"""The fewest other implementations that show a shift of all times in a session."""


class Snapshot(NamedTuple):
    """A run, a baseline or a gate's result: the figures of one revision.

    Attributes:
        label: the revision, or the run's id where none is known.
        date: when it was measured, or committed (ISO 8601).
        timed_by: ``run`` or ``gate``, whose times are not compared with each other.
    """

    label: str
    date: str
    run: Run
    timed_by: str = "run"


class Point(NamedTuple):
    """A value, and the position of its snapshot."""

    at: int
    value: float
    result: Result


class Trend(NamedTuple):
    """One figure of an implementation on a case, and how it changed since the first snapshot.

    ``kind`` names the machine, or the software, within which values may be compared. ``steps`` are
    the snapshots at which its level changed. ``change`` is ``None`` where there are too few
    sessions to judge a time.
    """

    metric: metrics.Metric
    implementation: str
    case: Case
    kind: str
    points: tuple[Point, ...]
    steps: tuple[int, ...] = ()
    change: GatedChange | None = None


def series_of(snapshots: Sequence[Snapshot]) -> list[Trend]:
    """Every figure with two points or more, not yet judged."""
    found: dict[tuple[metrics.Metric, str, Case, str], list[Point]] = {}
    for at, snapshot in enumerate(snapshots):
        for result in filter(lambda r: r.status.has_figures, snapshot.run.results):
            for metric in (*metrics.COUNTS, metrics.TIME):
                if (value := metric.compared(result)) is not None:
                    kind = _kind(metric, snapshot, result)
                    key = (metric, result.implementation, result.case, kind)
                    found.setdefault(key, []).append(Point(at, value, result))
    return [Trend(*key, tuple(points)) for key, points in found.items() if len(points) > 1]


def _kind(metric: metrics.Metric, snapshot: Snapshot, result: Result) -> str:
    if metric.interpreted:
        return metrics.interpreter_of(snapshot.run.environment_of(result))
    if metric.exact:
        return ""
    machine = result.machine or machine_of(snapshot.run.environment)
    return f"machine {machine}, timed by {snapshot.timed_by}"


def trends(
    snapshots: Sequence[Snapshot], max_slowdown: float, max_memory_growth: float
) -> list[Trend]:
    every = series_of(snapshots)
    counts = [series for series in every if series.metric.exact]
    timed = [series for series in every if not series.metric.exact and min(_values(series)) > 0]
    shifts = _session_shifts(timed, _unchanged(counts))
    return [
        *(_of_count(series, snapshots, max_memory_growth) for series in counts),
        *(_of_time(s, snapshots, shifts, ERROR / len(timed), max_slowdown) for s in timed),
    ]


def _values(series: Trend) -> list[float]:
    return [point.value for point in series.points]


def _of_count(series: Trend, snapshots: Sequence[Snapshot], max_memory_growth: float) -> Trend:
    metric, first, last = series.metric, series.points[0], series.points[-1]
    allowed = max_memory_growth if metric is metrics.MEMORY else metric.allowance
    if other_torch(snapshots[first.at].run, snapshots[last.at].run):
        allowed = max(allowed, TORCH_ALLOWANCE)
    moved = [
        (b.at, b.value / a.value - 1 if a.value else math.inf)
        for a, b in pairwise(series.points)
        if b.value != a.value
    ]
    least = metrics.MEMORY.allowance if metric is metrics.MEMORY else 0.0
    steps = tuple(at for at, share in moved if abs(share) > least)
    change = count_change(metric.name, first.value, last.value, allowed)
    assert change is not None
    where = ""
    if len(moved) == 1:
        where = f"at {snapshots[moved[0][0]].label}"
    elif moved:
        up = change.direction is not metrics.Direction.LESS
        at, _ = max(moved, key=lambda step: step[1] if up else -step[1])
        where = f"{len(moved)} steps, largest at {snapshots[at].label}"
    judged = _change(series, change.direction, where, first.value, last.value)
    return series._replace(steps=steps, change=judged)


def _of_time(
    series: Trend,
    snapshots: Sequence[Snapshot],
    shifts: Mapping[tuple[str, str], Mapping[int, float]],
    error: float,
    max_slowdown: float,
) -> Trend:
    if len(series.points) < fewest_sessions(error):
        return series
    of_session = shifts.get((series.kind, series.implementation), {})
    if any(point.at not in of_session for point in series.points):
        of_session = {}
    logs = [math.log(point.value) - of_session.get(point.at, 0.0) for point in series.points]
    parts = segments(logs, error)
    ratio = math.exp(parts[-1].last - parts[0].first)
    direction = metrics.Direction.SAME
    if max(ratio, 1 / ratio) > 1 + max_slowdown:
        direction = metrics.Direction.SLOWER if ratio > 1 else metrics.Direction.FASTER
    steps = [series.points[part.start].at for part in parts[1:]]
    where = [f"at {listed([snapshots[at].label for at in steps])}"] if steps else []
    where += [
        f"crept over {plural(part.stop - part.start, 'session')} up to "
        f"{snapshots[series.points[part.stop - 1].at].label}"
        for part in parts
        if part.crept
    ]
    ends = math.exp(parts[0].first), math.exp(parts[-1].last)
    change = _change(series, direction, ", ".join(where), *ends)
    return series._replace(steps=tuple(steps), change=change)


def _change(
    series: Trend, direction: metrics.Direction, where: str, before: float, after: float
) -> GatedChange:
    worse = direction in (metrics.Direction.MORE, metrics.Direction.SLOWER)
    return GatedChange.of(
        series.metric.name,
        (series.implementation, series.case),
        (GateVerdict.REGRESSION if worse else GateVerdict.PASS, where or None),
        before=before,
        after=after,
        ratio=after / before if before else None,
        direction=direction,
    )


def _unchanged(counts: Sequence[Trend]) -> list[str]:
    """The implementations whose counted work is known in all snapshots and never changed."""
    work = [s for s in counts if s.metric in (metrics.DISPATCHED_OPS, metrics.ELEMENTS_PROCESSED)]
    return [
        name
        for name, own in grouped(work, lambda s: s.implementation).items()
        if all(len(set(_values(series))) == 1 for series in own)
    ]


def _session_shifts(
    timed: Sequence[Trend], unchanged: Sequence[str]
) -> dict[tuple[str, str], dict[int, float]]:
    """By kind and implementation, each session's log ratio: the median of other implementations."""
    moved: dict[tuple[str, int], dict[str, list[float]]] = {}
    names: dict[str, set[str]] = {}
    for series in timed:
        names.setdefault(series.kind, set()).add(series.implementation)
        usual = math.log(median(_values(series)))
        for point in series.points:
            logs = moved.setdefault((series.kind, point.at), {})
            logs.setdefault(series.implementation, []).append(math.log(point.value) - usual)
    found: dict[tuple[str, str], dict[int, float]] = {}
    for (kind, at), logs in moved.items():
        for name in names[kind]:
            others = [median(logs[n]) for n in unchanged if n != name and n in logs]
            if len(others) >= FEWEST_OTHERS:
                found.setdefault((kind, name), {})[at] = median(others)
    return found
