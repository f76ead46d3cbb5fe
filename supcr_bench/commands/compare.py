"""``supcr-bench compare``: lays two stored runs side by side."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from supcr_bench.commands.options import JsonFile, quantity
from supcr_bench.values.case import Case
from supcr_bench.values.errors import UsageError
from supcr_bench.values.metrics import COUNTS
from supcr_bench.values.result import stored_name
from supcr_bench.values.units import parse_fraction

if TYPE_CHECKING:
    from supcr_bench.analysis.compare import Comparison, ComparisonRow
    from supcr_bench.store.run import Run


def compare(
    first: Annotated[
        str,
        typer.Argument(
            metavar="BEFORE", help="The earlier run: its id, the path of its folder or report."
        ),
    ],
    second: Annotated[
        str, typer.Argument(metavar="AFTER", help="The later run, named likewise, or latest.")
    ],
    margin: Annotated[
        float | None,
        quantity(
            "--margin",
            parse_fraction,
            metavar="SHARE",
            help="Call two times the same if they differ by less than this share.",
            show_default="5%",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Lay two runs side by side: time, counted work, memory, and how each case ended.

    Two runs are two sessions, and a machine drifts between them. So a time is called faster, slower
    or the same only if neither the samples nor the drift of the unchanged results leave a doubt.

    Exits with 0, also where time is undecided; with 1 if a result became wrong, failed, ran out of
    memory or time, or costs more work or memory, or if an implementation is slower in more cases
    than chance explains; with 3 if nothing could be compared.
    """
    from supcr_bench.store.run import load_run

    before, after = (load_run(name).require_complete() for name in (first, second))
    comparison = compare_loaded(before, after, margin)

    from rich.console import Console

    from supcr_bench.render.comparison import (
        comparison_sentences,
        comparison_tables,
        environment_sentences,
    )
    from supcr_bench.render.terminal import print_sentence, print_table

    console = Console(highlight=False)
    for position, run in (("First ", before), ("Second", after)):
        print_sentence(console, f"{position} {run_line(run)}")
    for sentence in environment_sentences(comparison.differences):
        print_sentence(console, sentence, "yellow")
    for table in comparison_tables(comparison):
        print_table(console, table)
    for sentence in comparison_sentences(comparison):
        print_sentence(console, sentence)
    if json_file:
        values = to_mapping(comparison, before, after)
        json_file.write_text(json.dumps(values, indent=2) + "\n")
    if comparison.finding:
        raise typer.Exit(1)
    raise typer.Exit(3 if comparison.nothing_compared else 0)


def compare_loaded(first: "Run", second: "Run", margin: float | None = None) -> "Comparison":
    """Compare two runs that have been read.

    Raises:
        UsageError: the two have no case in common; says what sets them apart.
    """
    from supcr_bench.analysis.compare import MARGIN, compare_results, environment_differences

    comparison = compare_results(
        first.results,
        second.results,
        environment_differences(first.environment, second.environment),
        MARGIN if margin is None else margin,
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


def run_line(run: "Run") -> str:
    """Its id, its suite, and the code that it measured."""
    revision = run.info.get("revision")
    code = f"revision {str(revision)[:12]}" if revision else "no revision known"
    if str(revision).endswith("+dirty"):
        code += " with changes"
    return f"{run.id}, suite {run.info['suite']['name']}, {code}"


def _apart(comparison: "Comparison") -> str:
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


def _value(row: "ComparisonRow", name: str) -> Any:
    return row.implementation if name == "implementation" else getattr(row.case, name)


def _listed(values: set[Any]) -> str:
    return ", ".join(sorted(map(str, values)))


def to_mapping(comparison: "Comparison", first: "Run", second: "Run") -> dict[str, Any]:
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


def _row_mapping(row: "ComparisonRow") -> Mapping[str, Any]:
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
