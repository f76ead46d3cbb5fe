"""``supcr-bench compare``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from supcr_bench.analysis.compare import (
    MARGIN,
    Comparison,
    ComparisonRow,
    compare_results,
    environment_differences,
)
from supcr_bench.render.comparison import (
    comparison_grids,
    comparison_sentences,
    environment_sentences,
)
from supcr_bench.render.terminal import print_grid
from supcr_bench.store.run import Run, load_run
from supcr_bench.values.case import Case
from supcr_bench.values.errors import UsageError
from supcr_bench.values.metrics import COUNTS
from supcr_bench.values.result import stored_name
from supcr_bench.values.units import parse_fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """What was typed."""

    first: str
    second: str
    margin: str | None = None
    json: Path | None = None


def compare_runs(request: CompareRequest) -> int:
    """Compare, print, and write the JSON file.

    Returns:
        exit status: 0 if nothing got worse, 1 if something did, 3 if nothing could be compared.

    Raises:
        UsageError: a run cannot be read, or the two have no case in common.
    """
    console = Console(highlight=False)
    if request.json and not request.json.parent.is_dir():
        raise UsageError(f"--json: no folder {str(request.json.parent)!r}")
    margin = MARGIN if request.margin is None else _margin(request.margin)
    first, second = (load_run(name).require_complete() for name in (request.first, request.second))
    comparison = compare_loaded(first, second, margin)
    for position, run in (("First ", first), ("Second", second)):
        console.print(Text(f"{position} {run_line(run)}"), soft_wrap=True)
    for sentence in environment_sentences(comparison.differences):
        console.print(Text(sentence, style="yellow"), soft_wrap=True)
    for grid in comparison_grids(comparison):
        print_grid(console, grid)
    for sentence in comparison_sentences(comparison):
        console.print(Text(sentence), soft_wrap=True)
    if request.json:
        values = to_mapping(comparison, first, second)
        request.json.write_text(json.dumps(values, indent=2) + "\n")
    if comparison.finding:
        return 1
    return 3 if comparison.nothing_compared else 0


def compare_loaded(first: Run, second: Run, margin: float = MARGIN) -> Comparison:
    """Compare two runs that have been read.

    Raises:
        UsageError: the two have no case in common; says what sets them apart.
    """
    comparison = compare_results(
        first.results,
        second.results,
        environment_differences(first.environment, second.environment),
        margin,
        lambda one, other: any(
            difference.of_the_machine
            for difference in environment_differences(
                first.environment_of(one), second.environment_of(other)
            )
        ),
    )
    if not comparison.joined:
        raise UsageError(f"{first.id} and {second.id} have no case in common: {_apart(comparison)}")
    return comparison


def _margin(text: str) -> float:
    try:
        return parse_fraction(text)
    except ValueError as error:
        raise UsageError(f"--margin: {error}") from None


def run_line(run: Run) -> str:
    """Its id, its suite, and the code that it measured."""
    revision = run.info.get("revision")
    code = f"revision {str(revision)[:12]}" if revision else "no revision known"
    if str(revision).endswith("+dirty"):
        code += " with changes"
    return f"{run.id}, suite {run.info['suite']['name']}, {code}"


def _apart(comparison: Comparison) -> str:
    """Why nothing joins: the fields in which every case of one run differs from the other's."""
    sides = (
        [r for r in comparison.rows if r.second is None],
        [r for r in comparison.rows if r.first is None],
    )
    if not all(sides):
        return "one of them has no results"

    def values(name: str) -> tuple[set[Any], set[Any]]:
        one, other = ({_value(r, name) for r in side} for side in sides)
        return one, other

    apart = [
        f"{name} {_listed(one)} and {_listed(other)}"
        for name in ("implementation", *(f.name for f in fields(Case)))
        if not (pair := values(name))[0] & pair[1]
        for one, other in [pair]
    ]
    return "; ".join(apart) or "no single field tells them apart"


def _value(row: ComparisonRow, name: str) -> Any:
    return row.implementation if name == "implementation" else getattr(row.case, name)


def _listed(values: set[Any]) -> str:
    return ", ".join(sorted(map(str, values)))


def to_mapping(comparison: Comparison, first: Run, second: Run) -> dict[str, Any]:
    """Everything found, for machines. Ratios are second over first."""
    return {
        "first": {"id": first.id, "path": str(first.path), "revision": first.info.get("revision")},
        "second": {
            "id": second.id,
            "path": str(second.path),
            "revision": second.info.get("revision"),
        },
        "environment_differences": [
            {**asdict(d), "of_the_machine": d.of_the_machine} for d in comparison.differences
        ],
        "margin": comparison.margin,
        "log_ratio_drift": {name: asdict(d) for name, d in comparison.drift.items()},
        "slower": comparison.slower(),
        "finding": comparison.finding,
        "rows": [_row_mapping(row) for row in comparison.rows],
    }


def _row_mapping(row: ComparisonRow) -> Mapping[str, Any]:
    values: dict[str, Any] = {"implementation": row.implementation}
    values |= {stored_name(f.name): getattr(row.case, f.name) for f in fields(Case)}
    values |= {"first": row.first, "second": row.second, "work": row.work}
    time = row.time
    values["time"] = time and {
        **{name: getattr(time, name) for name in ("ratio", "low", "high")},
        "verdict": time.direction,
        "reason": time.reason,
    }
    for metric in COUNTS:
        change = row.changes.get(metric.name)
        values[metric.key] = change and {
            "first": change.before,
            "second": change.after,
            "verdict": change.direction,
            "ratio": change.ratio,
        }
    return {**values, "finding": row.finding, "note": row.note}
