"""The pages: a report of a run, a comparison of two, a list of reports; none needs a network."""

from collections.abc import Sequence
from urllib.parse import quote

from supcr_bench.analysis.axis_effect import COMPARED, axis_effect_rows
from supcr_bench.analysis.compare import Comparison
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.cells import facets_of
from supcr_bench.render.charts import Chart
from supcr_bench.render.comparison import (
    comparison_tables,
    figures_table,
    runs_table,
    verdict_first,
)
from supcr_bench.render.growth_tables import axis_table
from supcr_bench.render.machine import environments_line
from supcr_bench.render.page import render_page
from supcr_bench.render.recommendation_tables import recommendation_tables
from supcr_bench.render.run_tables import VERDICT_TONES, memory_table, time_table
from supcr_bench.render.sections import DrawnChart, make_sections
from supcr_bench.render.sentences import headline
from supcr_bench.store.report_file import PAGE, embedded
from supcr_bench.store.report_folder import ReportSummary
from supcr_bench.store.run import Run
from supcr_bench.values.case import PASSES
from supcr_bench.values.result import Result
from supcr_bench.values.table import Table
from supcr_bench.verification.verification import diagnosis_lines, finding_text


def render_report(
    run: Run, findings: Findings, tables: Sequence[Table], charts: Sequence[Chart] = ()
) -> str:
    drawn: dict[str, list[DrawnChart]] = {}
    for chart in charts:
        figures = chart_table(chart, findings.results)
        drawn.setdefault(chart.section, []).append((chart, figures))
    return render_page(
        "report.html.j2",
        [facets_of(r.case, r.implementation) for r in findings.results],
        info=run.info,
        sentences=headline(run, findings),
        claims=findings.claims,
        verdict_tones=VERDICT_TONES,
        maps=recommendation_tables(findings.results),
        sections=make_sections(run, findings, tables, drawn),
        finding_text=finding_text,
        diagnosis_lines=diagnosis_lines,
        environment_line=environments_line(run.measured_on),
        data_address=embedded(run),
    )


def chart_table(chart: Chart, results: Sequence[Result]) -> Table | None:
    """The figures that a chart is drawn from."""
    own = [r for r in results if chart.filters.items() <= facets_of(r.case).items()]
    pass_ = next((p for p in PASSES if p == chart.filters.get("pass")), None)
    if not own or pass_ is None:
        return None
    if chart.section == "time":
        return time_table(own, pass_)
    if chart.section == "memory":
        return memory_table(own, pass_)
    axis = next(axis for axis in COMPARED if axis.id == chart.section)
    rows = [row for row in axis_effect_rows(own, axis) if row.case.pass_ == pass_]
    return axis_table(rows, axis, "time") if rows else None


def render_comparison(
    first: Run,
    second: Run,
    comparison: Comparison,
    reports: Sequence[str | None] = (None, None),
) -> str:
    """The page; ``reports`` are the addresses of the two reports, where there are any."""
    tables = comparison_tables(comparison)
    tables += [t for p in PASSES if (t := figures_table(first, second, comparison, p)).rows]
    return render_page(
        "comparison.html.j2",
        [facets_of(r.case, r.implementation) for r in comparison.rows],
        sides=list(zip(("First", "Second"), (first, second), reports, strict=True)),
        sentences=verdict_first(comparison),
        runs=runs_table(first, second),
        tables=tables,
    )


def render_reports_index(reports: Sequence[tuple[str, ReportSummary]]) -> str:
    """The page; ``reports`` are the folders beside it, each with its summary, in their order."""
    return render_page(
        "reports_index.html.j2",
        (),
        # "./" first, so that no name is taken for the scheme of an address.
        reports=[(f"./{quote(folder, safe='')}/{PAGE}", report) for folder, report in reports],
    )
