"""Charts as the page shows them: each with the table of its figures behind it."""

from collections.abc import Sequence

from markupsafe import Markup

from supcr_bench.analysis.axis_effect import AXES, axis_effect_rows
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.axis_grids import axis_grid, axis_id
from supcr_bench.render.charts import Chart
from supcr_bench.render.grid import Grid, facets_of
from supcr_bench.render.grids import memory_grid, time_grid
from supcr_bench.render.sections import Figure
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result


def figures_of(findings: Findings, charts: Sequence[Chart]) -> dict[str, list[Figure]]:
    """By the section of the page that they belong to."""
    found: dict[str, list[Figure]] = {}
    for chart in charts:
        found.setdefault(chart.section, []).append(
            Figure(
                name=chart.name,
                title=chart.title,
                subtitle=chart.subtitle,
                description=chart.description,
                # Names and texts in it are escaped where it is drawn.
                drawing=Markup(chart.svg),  # noqa: S704
                facets=chart.filters,
                data=_data(chart, findings.results),
            )
        )
    return found


def _data(chart: Chart, results: Sequence[Result]) -> Grid | None:
    """The figures that a chart is drawn from."""
    own = [r for r in results if chart.filters.items() <= facets_of(r.case).items()]
    pass_ = next((p for p in PASSES if p == chart.filters.get("pass")), None)
    if not own or pass_ is None:
        return None
    if chart.section == "time":
        return time_grid(own, pass_)
    if chart.section == "memory":
        return memory_grid(own, pass_)
    axis = next(axis for axis in AXES if axis_id(axis) == chart.section)
    rows = [row for row in axis_effect_rows(own, axis) if row.case.pass_ == pass_]
    return axis_grid(rows, axis, "time") if rows else None
