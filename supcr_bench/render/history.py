"""Shows how figures changed over revisions: a sentence, a short table, charts and JSON."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from supcr_bench.analysis.change_points import fewest_sessions
from supcr_bench.gate.history import ERROR, Snapshot, Trend
from supcr_bench.render.cells import ratio_text
from supcr_bench.render.charts import tick
from supcr_bench.render.drawing import Chart, Line, Mark, Scale
from supcr_bench.render.gate_files import FIGURES, UNITS
from supcr_bench.render.gate_words import plain
from supcr_bench.render.sentences import Sentence, sentence
from supcr_bench.values.case import Case
from supcr_bench.values.gate import GateOutcome, GateVerdict
from supcr_bench.values.metrics import Direction
from supcr_bench.values.result import grouped
from supcr_bench.values.table import Table, numbers, prose, row
from supcr_bench.values.units import format_share, plural

SCHEMA_VERSION = 1
BETTER = (Direction.LESS, Direction.FASTER)
MOST_WORSE, MOST_BETTER = 7, 4
"""Rows of a table on a terminal; the JSON file has each series."""


def history_outcome(trends: Sequence[Trend], snapshots: Sequence[Snapshot]) -> GateOutcome:
    """The changes since the first snapshot, as the outcome of a gate against it."""
    first = snapshots[0]
    against = f"{first.label} of {first.date[:10]}"
    if any(t.points[0].at for t in trends if t.change):
        against += " or, for figures that it lacks, the first that has them"
    return GateOutcome(
        suite="history",
        against=against,
        changes=tuple(trend.change for trend in trends if trend.change),
    )


def changed_tables(outcome: GateOutcome) -> Iterator[Table]:
    worse = outcome.with_verdict(GateVerdict.REGRESSION)
    better = [c for c in outcome.with_verdict(GateVerdict.PASS) if c.direction in BETTER]
    for title, changes, most in (("Worse", worse, MOST_WORSE), ("Better", better, MOST_BETTER)):
        groups = grouped(changes, lambda c: (c.implementation, c.title, c.reason or ""))
        rows = []
        for (name, figure, where), own in list(groups.items())[:most]:
            ratios = [c.ratio for c in own if c.ratio is not None] or [math.inf]
            span = dict.fromkeys(f"x{ratio_text(r)}" for r in (min(ratios), max(ratios)))
            rows.append(row(plain(name), figure, str(len(own)), " to ".join(span), where))
        more = len(groups) - len(rows)
        note = f"and {more} more, in the file of --json" if more else ""
        columns = (*prose("name", "figure"), *numbers("cases", "by"), *prose("where"))
        if rows:
            yield Table("history", title, columns, tuple(rows), note)


@sentence
def history_of(*, snapshots: int, first: str, last: str, figures: int) -> str:
    whose = f"from {first} to {last}, {plural(figures, 'figure')} of cases"
    return f"{plural(snapshots, 'snapshot')} {whose} in two or more of them."


@sentence
def times_unjudged(*, times: int, needed: int) -> str:
    verb = "is" if times == 1 else "are"
    return (
        f"{plural(times, 'time')} {verb} not judged: a change shows from {needed} sessions of one "
        "machine on."
    )


@sentence
def times_judged(*, times: int, error: float) -> str:
    return (
        f"The chance that any of {plural(times, 'time')} without a change shows one is at most "
        f"{format_share(error)}, if sessions are alike."
    )


def history_sentences(trends: Sequence[Trend], snapshots: Sequence[Snapshot]) -> list[Sentence]:
    first, last = snapshots[0].label, snapshots[-1].label
    timed = [t for t in trends if not t.metric.exact]
    few = sum(t.change is None for t in timed)
    found = [history_of(snapshots=len(snapshots), first=first, last=last, figures=len(trends))]
    if few:
        found.append(times_unjudged(times=few, needed=fewest_sessions(ERROR / len(timed))))
    if few < len(timed):
        found.append(times_judged(times=len(timed) - few, error=ERROR))
    return found


def history_charts(trends: Sequence[Trend], snapshots: Sequence[Snapshot]) -> Iterator[Chart]:
    """A chart for each figure and workload, with dotted lines at the change points."""
    names = dict.fromkeys(trend.implementation for trend in trends)
    places = grouped(trends, lambda t: (t.metric, t.kind, _workload(t)))
    for (metric, kind, case), own in places.items():
        if metric.exact and all(len({p.value for p in t.points}) == 1 for t in own):
            continue
        values = [point.value for trend in own for point in trend.points]
        parts = (metric.name, case.id.removeprefix("forward-"), re.sub(r"\W+", "-", kind))
        where = f"{case.describe()}{f', {kind}' if kind else ''}"
        dotted = "; dotted: a change point" if any(trend.steps for trend in own) else ""
        yield Chart(
            name="-".join(filter(None, parts)),
            title=f"{metric.title.capitalize()}, {where}{dotted}",
            lines=[
                Line(
                    points=[Mark(p.at, p.value, None, p.result) for p in trend.points],
                    steps=[at - 0.5 for at in trend.steps],
                )
                for trend in own
            ],
            labels={name: name for name in names},
            x=Scale("revision", lambda x: snapshots[round(x)].label[:7], log=False),
            y=Scale(
                metric.title.capitalize(),
                partial(lambda own, y: tick(own.format(y)), metric),
                log=min(values) > 0 and max(values) > 4 * min(values),
            ),
            section="history",
        )


def _workload(trend: Trend) -> Case:
    return replace(trend.case.shared, pass_="forward")  # noqa: S106 - a pass over a batch


def history_json(
    trends: Sequence[Trend], snapshots: Sequence[Snapshot], verdict: GateVerdict
) -> str:
    """All series as JSON text; ``at`` and ``steps`` are positions in ``snapshots``."""
    values = {
        "schema_version": SCHEMA_VERSION,
        "ruling": verdict,
        "snapshots": [
            {"revision": s.label, "date": s.date, "id": s.run.id, "timed_by": s.timed_by}
            for s in snapshots
        ],
        "series": [_series(trend) for trend in trends],
    }
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _series(trend: Trend) -> dict[str, Any]:
    change = trend.change
    return {
        "implementation": trend.implementation,
        **trend.case.to_mapping(),
        "figure": FIGURES.get(trend.metric.name, trend.metric.name),
        "unit": UNITS[trend.metric.name],
        "kind": trend.kind or None,
        "at": [point.at for point in trend.points],
        "values": [point.value for point in trend.points],
        "steps": trend.steps,
        "ruling": change and change.verdict,
        "ratio": change and change.ratio,
        "where": change and change.reason,
    }
