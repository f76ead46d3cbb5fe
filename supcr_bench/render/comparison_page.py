"""The page of a comparison: two runs side by side, and what became of each case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supcr_bench.analysis.compare import Comparison, ComparisonRow
from supcr_bench.analysis.summary import cost_row
from supcr_bench.render.cells import memory_text, time_text
from supcr_bench.render.comparison import (
    comparison_grids,
    comparison_sentences,
    comparison_verdict,
    environment_sentences,
)
from supcr_bench.render.grid import Grid, facets_of, varied_columns
from supcr_bench.render.report import (
    MOST_ROWS,
    FacetIndex,
    cell_classes,
    filters_of,
    page_css,
    page_script,
    page_templates,
)
from supcr_bench.render.sections import environment_facts, origin_facts
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.change import Direction
from supcr_bench.values.result import Result
from supcr_bench.values.units import MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two runs.

    Attributes:
        id: its name.
        info: what ``run.json`` holds.
        results: every result.
        report: the address of its report, as seen from the page; ``None`` where there is none.
    """

    id: str
    info: Mapping[str, Any]
    results: Sequence[Result]
    report: str | None = None


def render_comparison(first: Side, second: Side, comparison: Comparison) -> str:
    """The page.

    Args:
        first: the run before.
        second: the run after.
        comparison: of the two.
    """
    verdict = comparison_verdict(comparison)
    rest = environment_sentences(comparison.differences) + comparison_sentences(comparison)
    grids = comparison_grids(comparison)
    grids += [g for p in PASSES if (g := figures_grid(first, second, comparison, p)).rows]
    facets = FacetIndex()
    for grid in grids:
        for found in grid.facets:
            facets.index(found)
    return (
        page_templates()
        .get_template("comparison.html.j2")
        .render(
            sides=(("First", first), ("Second", second)),
            sentences=[verdict, *(s for s in rest if s != verdict)],
            runs=runs_grid(first, second),
            grids=grids,
            facets=facets,
            filters=filters_of(facets.values),
            kind=cell_classes,
            most_rows=MOST_ROWS,
            css=page_css(),
            script=page_script(),
        )
    )


def runs_grid(first: Side, second: Side) -> Grid:
    """What was run, and on what; what is the same in both steps back."""
    facts = [dict(_facts(side)) for side in (first, second)]
    names = list(dict.fromkeys(name for found in facts for name in found))
    rows = tuple((name, *(found.get(name, MISSING) for found in facts)) for name in names)
    return Grid(
        name="runs",
        title="The two runs",
        note="what is the same in both steps back",
        headers=("", "first", "second"),
        rows=rows,
        left=3,
        wraps=frozenset({1, 2}),
        weak=frozenset((i, j) for i, (_, a, b) in enumerate(rows) if a == b for j in (1, 2)),
    )


def _facts(side: Side) -> list[tuple[str, str]]:
    own = [
        ("run", side.id),
        ("suite", str(side.info["suite"]["name"])),
        ("implementations", ", ".join(dict.fromkeys(r.implementation for r in side.results))),
        ("results", str(len(side.results))),
    ]
    return own + origin_facts(side.info) + environment_facts(side.info["environment"])


def figures_grid(first: Side, second: Side, comparison: Comparison, pass_: Pass) -> Grid:
    """Time and memory of every case as both runs have them."""
    rows = _in_order([r for r in comparison.rows if r.case.pass_ == pass_])
    axes = varied_columns([r.case for r in rows])
    before, after = (_figures(side.results) for side in (first, second))
    none = ("not there", "not there")
    cells = []
    for row in rows:
        (time, size), (then_time, then_size) = (
            found.get((row.implementation, row.case), none) for found in (before, after)
        )
        verdict = row.time.direction if row.time else MISSING
        cells.append((time, then_time, verdict, size, then_size))
    left = 1 + len(axes)
    verdicts = {i: row.time.direction for i, row in enumerate(rows) if row.time}
    return Grid(
        name=f"figures-{pass_}",
        title=f"Both runs, {pass_}",
        note="medians with their 95 % interval; peaks of live tensor bytes above the inputs",
        headers=(
            "implementation",
            *(header for header, _ in axes),
            "N",
            "time,\nfirst",
            "time,\nsecond",
            "it is",
            "peak,\nfirst",
            "peak,\nsecond",
        ),
        rows=tuple(
            (r.implementation, *(value(r.case) for _, value in axes), str(r.case.batch_size), *c)
            for r, c in zip(rows, cells, strict=True)
        ),
        left=1,
        sections=frozenset(
            i for i in range(1, len(rows)) if rows[i].implementation != rows[i - 1].implementation
        ),
        strong=frozenset((i, left + 3) for i, v in verdicts.items() if v is Direction.FASTER),
        alarming=frozenset((i, left + 3) for i, v in verdicts.items() if v is Direction.SLOWER),
        weak=frozenset((i, left + 3) for i, v in verdicts.items() if v is Direction.UNDECIDED),
        facets=tuple(facets_of(r.case, r.implementation) for r in rows),
    )


def _in_order(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """By implementation, series and rising batch size, in the order in which they first came."""
    names = {n: i for i, n in enumerate(dict.fromkeys(r.implementation for r in rows))}
    series = {s: i for i, s in enumerate(dict.fromkeys(r.case.series() for r in rows))}
    return sorted(
        rows, key=lambda r: (names[r.implementation], series[r.case.series()], r.case.batch_size)
    )


def _figures(results: Sequence[Result]) -> dict[tuple[str, Case], tuple[str, str]]:
    rows = ((r.key, cost_row(r)) for r in results)
    return {key: (time_text(row), memory_text(row, row.peak_bytes)) for key, row in rows}
