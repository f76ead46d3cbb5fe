"""Compares two stored runs: for ``compare`` and ``report --against``."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from supcr_bench.analysis import compare
from supcr_bench.render.comparison import environment_sentences, remarks, verdicts
from supcr_bench.render.terminal import print_sentence, print_table
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.axes import AXES
from supcr_bench.values.errors import UsageError
from supcr_bench.values.machine import MACHINE, environment_differences, of_the_machine
from supcr_bench.values.metrics import COUNTS, Change
from supcr_bench.values.table import Table
from supcr_bench.values.units import listed


def compare_loaded(first: Run, second: Run, margin: float = compare.MARGIN) -> compare.Comparison:
    """Compare two loaded runs; raise a UsageError if no case is in both."""
    comparison = compare.compare_results(
        first.results,
        second.results,
        environment_differences(first.environment, second.environment),
        margin,
        lambda one, other: of_the_machine(
            environment_differences(first.environment_of(one), second.environment_of(other))
        ),
    )
    if not comparison.joined:
        raise UsageError(f"{first.id} and {second.id} have no case in common: {_apart(comparison)}")
    return comparison


def print_comparison(
    console: Console,
    first: Run,
    second: Run,
    comparison: compare.Comparison,
    tables: Sequence[Table] = (),
) -> None:
    print_sentence(console, f"First  {_run_line(first)}")
    print_sentence(console, f"Second {_run_line(second)}")
    if first.id == second.id:
        print_sentence(console, "Both are the same run, so nothing can differ.", "yellow")
    for sentence in environment_sentences(comparison):
        print_sentence(console, str(sentence), "yellow")
    for table in tables:
        print_table(console, table)
    for sentence in remarks(comparison) + verdicts(comparison):
        print_sentence(console, str(sentence))


def _run_line(run: Run) -> str:
    revision = run.info.get("revision")
    code = f"revision {str(revision)[:12]}" if revision else "no revision known"
    if str(revision).endswith("+dirty"):
        code += " with changes"
    sources = dict.fromkeys(
        f"{own['repository']} at {str(own['revision'])[:12]}"
        f"{' with changes' if own.get('dirty') else ''}"
        for own in (run.info.get("code") or {}).values()
    )
    measured = f"{listed(list(sources))}, by supcr-bench " if sources else ""
    return f"{run.id}, suite {run.info['suite']['name']}, {measured}{code}"


def _apart(comparison: compare.Comparison) -> str:
    """The axes in which every case of one run differs from every case of the other."""
    first = [row for row in comparison.rows if row.second is None]
    second = [row for row in comparison.rows if row.first is None]
    if not first or not second:
        return "one of the runs has no results"

    def values(rows: Sequence[compare.ComparisonRow], name: str) -> set[str]:
        return {str(getattr(r if name == "implementation" else r.case, name)) for r in rows}

    apart = [
        f"{name} {', '.join(sorted(one))} and {', '.join(sorted(other))}"
        for name in ("implementation", *(axis.field for axis in AXES), "seed", "definition")
        if (one := values(first, name)).isdisjoint(other := values(second, name))
    ]
    return "; ".join(apart) or "no single axis differs in all cases"


def to_mapping(comparison: compare.Comparison, first: Run, second: Run) -> dict[str, Any]:
    """The values of the JSON file. Ratios are second over first."""
    return {
        **{
            position: {
                "id": run.id,
                "path": str(run.path),
                "revision": run.info.get("revision"),
                "code": run.info.get("code"),
            }
            for position, run in (("first", first), ("second", second))
        },
        "environment_differences": [
            {"key": key, "first": one, "second": other, "of_the_machine": key in MACHINE}
            for key, (one, other) in comparison.differences.items()
        ],
        "margin": comparison.margin,
        "processes": comparison.processes,
        "log_ratio_drift": {
            name: {"bound": bound, "results": results}
            for name, (bound, results) in comparison.drift.items()
        },
        "slower": comparison.slower(),
        "finding": comparison.finding,
        "rows": [_row_mapping(row) for row in comparison.rows],
    }


def _row_mapping(row: compare.ComparisonRow) -> Mapping[str, Any]:
    values: dict[str, Any] = {"implementation": row.implementation, **row.case.to_mapping()}
    values |= {"first": row.first, "second": row.second, "work": row.work}
    values["time"] = _named(row.time, _OF_TIME)
    values |= {m.key: _named(row.changes.get(m.name), _OF_COUNT) for m in COUNTS}
    return {**values, "finding": row.finding, "note": row.note}


_OF_TIME = {name: name for name in ("ratio", "low", "high", "reason")} | {"verdict": "direction"}
_OF_COUNT = {"first": "before", "second": "after", "verdict": "direction", "ratio": "ratio"}
"""The keys of a change in the JSON file, and its attributes."""


def _named(change: Change | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    return {key: getattr(change, name) for key, name in names.items()} if change else None
