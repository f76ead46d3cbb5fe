"""What ``history`` says is true of its snapshots: 500 simulated ones, by plain computation.

SUPCR_BENCH_RUNS sets how many histories are simulated.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from supcr_bench.gate.history import Snapshot, Trend, trends
from supcr_bench.render.gate_words import verdict_sentence
from supcr_bench.render.history import (
    changed_tables,
    history_charts,
    history_outcome,
    history_sentences,
)
from supcr_bench.render.sentences import Sentence
from supcr_bench.values.metrics import METRICS
from supcr_bench.values.table import Table
from tests.made_results import make_result
from tests.made_runs import make_run

HISTORIES = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
ALLOWED = {"dispatched_ops": 0.0, "peak_bytes": 0.01}
TITLES = {"dispatched_ops": "dispatched operations", "peak_bytes": "peak memory"}
MAX_SLOWDOWN = 0.05
ENOUGH = 20
"""Snapshots in which a step of a time can be found."""
Values = dict[tuple[Any, ...], list[tuple[int, float]]]


@dataclass(frozen=True)
class History:
    """Snapshots, the factor and start of each true change of time, and what is said of them."""

    snapshots: list[Snapshot]
    steps: dict[str, tuple[float, int]]
    found: list[Trend]
    said: list[Sentence]
    tables: list[Table]

    @property
    def labels(self) -> list[str]:
        return [snapshot.label for snapshot in self.snapshots]

    def values(self) -> Values:
        """By field, implementation and case, the values in two snapshots or more."""
        values: Values = {}
        for at, snapshot in enumerate(self.snapshots):
            for r in snapshot.run.results:
                for field in (*ALLOWED, "time_samples_s"):
                    if (value := getattr(r, field)) is not None:
                        one = value[0] if isinstance(value, tuple) else value
                        values.setdefault((field, *r.key), []).append((at, one))
        return {key: own for key, own in values.items() if len(own) > 1}


def simulated(seed: int) -> History:
    """Two to five snapshots, or twenty; an implementation may come late, or be gone at the end."""
    random = np.random.default_rng([20, seed])
    count = ENOUGH if random.random() < 0.1 else int(random.integers(2, 6))
    timed = 1.0 if count == ENOUGH else 0.5
    snapshots = []
    grows = {name: float(random.choice([1.0, 1.0, 1.004, 1.1, 0.9])) for name in ("one", "two")}
    steps = {
        name: (float(random.choice([1.0, 1.0, 1.4, 0.7])), int(random.integers(9, 12)))
        for name in grows
    }
    for at in range(count):
        results = [
            make_result(
                name,
                n=n,
                times=[seconds(random, at, *steps[name])] * 7 if random.random() < timed else None,
                dispatched_ops=round(1000 * grow**at),
                peak_bytes=round(10**6 * grow**at),
            )
            for name, grow in grows.items()
            for n in (8, 16)[: 1 if count == ENOUGH else 2]
            if random.random() < (0.98 if count == ENOUGH else 0.8)
        ]
        snapshots.append(Snapshot(f"r{at}", f"2026-01-{at + 1:02}", make_run(results)))
    found = trends(snapshots, MAX_SLOWDOWN, 0.01)
    outcome = history_outcome(found, snapshots)
    said = [verdict_sentence(outcome), *history_sentences(found, snapshots)]
    return History(snapshots, steps, found, said, list(changed_tables(outcome)))


def seconds(random: np.random.Generator, at: int, factor: float, since: int) -> float:
    return float(1e-3 * np.exp(random.normal(0, 0.01)) * (factor if at >= since else 1.0))


@pytest.fixture(scope="module")
def every() -> list[History]:
    return [simulated(seed) for seed in range(HISTORIES)]


def test_every_sentence_on_a_history_is_true_of_its_snapshots(every: list[History]) -> None:
    late = judged = 0
    for history in every:
        series = history.values()
        times = [own for key, own in series.items() if key[0] == "time_samples_s"]
        # 4 / n! is the least error of n sessions, of the 1 % that all times share.
        factorials = [float(np.prod(np.arange(1.0, len(own) + 1))) for own in times]
        enough = sum(4 / n <= 0.01 / len(times) for n in factorials)
        worse = sum(
            own[-1][1] > own[0][1] * (1 + ALLOWED[key[0]])
            for key, own in series.items()
            if key[0] in ALLOWED
        )
        said = {s.kind: s.facts for s in history.said}
        assert said["history_of"] == {
            "snapshots": len(history.snapshots),
            "first": "r0",
            "last": history.labels[-1],
            "figures": len(series),
        }
        assert said.get("times_unjudged", {"times": 0})["times"] == len(times) - enough
        assert said.get("times_judged", {"times": 0})["times"] == enough
        assert said.get("times_judged", {"error": 0.01})["error"] == 0.01
        facts = said["gate_verdict"]
        counts = {str(verdict): n for verdict, n in facts["counts"].items()}
        slower = sum(_is_worse(t) for t in history.found if t.metric.name == "time")
        assert counts.get("regression", 0) == worse + slower
        assert sum(counts.values()) == len(series) - (len(times) - enough)
        begins_later = any(own[0][0] for key, own in series.items() if key[0] in ALLOWED)
        assert not begins_later or "lacks" in facts["against"]
        late += begins_later
        judged += enough > 0
    assert late > HISTORIES / 10
    assert judged > HISTORIES / 20


def _is_worse(trend: Trend) -> bool:
    return trend.change is not None and trend.change.verdict == "regression"


def test_times_without_a_change_show_one_in_at_most_1_percent_of_histories(
    every: list[History],
) -> None:
    """As the sentence says; and one that has a change shows it, with the size and the place."""
    told = [h for h in every if any(s.kind == "times_judged" for s in h.said)]
    false, met, missed = 0, 0, 0
    for history in told:
        of_time = [t for t in history.found if t.metric.name == "time" and t.change]
        steps = [history.steps[t.implementation] for t in of_time]
        false += any(t.steps for t, (factor, _) in zip(of_time, steps, strict=True) if factor == 1)
        for trend, (factor, since) in zip(of_time, steps, strict=True):
            if factor != 1 and trend.steps:
                met += 1
                near = any(abs(at - since) <= 1 for at in trend.steps)
                missed += not near or (factor > 1) is not _is_worse(trend)
    assert false <= max(1, 0.01 * len(told))
    assert met > len(told) / 10
    assert missed <= 0.05 * met


def test_every_row_on_counts_is_true_of_the_snapshots(every: list[History]) -> None:
    for history in every:
        groups: dict[tuple[str, str, str], list[float]] = {}
        for (field, name, _), own in history.values().items():
            if field in ALLOWED and own[-1][1] != own[0][1]:
                where = _where(history, own)
                groups.setdefault((name, TITLES[field], where), []).append(own[-1][1] / own[0][1])
        for table in history.tables:
            for name, figure, cases, by, where in table.texts:
                if figure == METRICS["time"].title:
                    assert set(re.findall(r"r\d+", where)) <= set(history.labels)
                    continue
                ratios = groups[name, figure, where]
                ends = [float(text.strip(" x").replace(",", "")) for text in by.split(" to ")]
                worse = table.title == "Worse"
                limit = 1 + (0.01 if figure == "peak memory" else 0.0)
                known = [r for r in ratios if (r > limit if worse else r < 1)]
                assert int(cases) == len(known), (table, ratios)
                assert ends[0] == pytest.approx(min(known), rel=0.005, abs=0.0051)
                assert ends[-1] == pytest.approx(max(known), rel=0.005, abs=0.0051)


def test_a_chart_of_a_history_shows_its_values_and_the_change_points_that_it_names(
    every: list[History],
) -> None:
    dotted: Counter[bool] = Counter()
    for history in every:
        values = {key: dict(own) for key, own in history.values().items()}
        for chart in history_charts(history.found, history.snapshots):
            title, _, timed_by = chart.title.partition(", machine ")
            told = re.fullmatch(r"(.*), (N=\S+ D=1 NaN 0%)(; dotted: a change point)?", title)
            assert told, chart.title
            field = {title: name for name, title in TITLES.items()}.get(told[1].lower())
            is_dotted = chart.title.endswith("; dotted: a change point")
            assert is_dotted is any(line.steps for line in chart.lines), chart.title
            dotted[is_dotted] += 1
            assert bool(timed_by) is (field is None)
            for line in chart.lines:
                shown = {round(mark.x): mark.y for mark in line.points}
                assert line.case.describe() == told[2]
                assert shown == values[field or "time_samples_s", line.name, line.case]
    assert min(dotted[known] for known in (True, False)) >= HISTORIES / 20


def _where(history: History, own: list[tuple[int, float]]) -> str:
    """Where a count changed: at its one step, or at the largest in the direction of them all."""
    moved = [(b[0], b[1] / a[1]) for a, b in pairwise(own) if a[1] != b[1]]
    if len(moved) == 1:
        return f"at {history.labels[moved[0][0]]}"
    pick = max if own[-1][1] > own[0][1] else min
    at, _ = pick(moved, key=lambda step: step[1])
    return f"{len(moved)} steps, largest at {history.labels[at]}"


def test_no_two_sentences_of_a_history_contradict_each_other(every: list[History]) -> None:
    """Nor a sentence and a table: each counts the figures in its own way."""
    for history in every:
        facts = {s.kind: s.facts for s in history.said}
        assert len(facts) == len(history.said)
        unjudged = facts.get("times_unjudged", {"times": 0})["times"]
        counts = facts["gate_verdict"]["counts"]
        assert sum(counts.values()) + unjudged == facts["history_of"]["figures"]
        tables = {table.title: table for table in history.tables}
        rows = {title: sum(int(row[2]) for row in t.texts) for title, t in tables.items()}
        cut = {title for title, table in tables.items() if table.note}
        if "Worse" not in cut:
            assert rows.get("Worse", 0) == counts.get("regression", 0)
        assert rows.get("Better", 0) <= counts.get("pass", 0)
        places: Counter[Any] = Counter(row[:2] + row[4:] for t in history.tables for row in t.texts)
        assert not places or max(places.values()) == 1
