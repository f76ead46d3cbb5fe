"""Draws all charts of a run with matplotlib, as SVG that follows a page's theme."""

from supcr_bench.analysis.findings import Findings
from supcr_bench.render.charts.axis_chart import axis_charts
from supcr_bench.render.charts.drawing import Chart
from supcr_bench.render.charts.scaling_chart import scaling_chart
from supcr_bench.values.case import PASSES
from supcr_bench.values.grouping import grouped
from supcr_bench.values.metrics import MEMORY, TIME

__all__ = ["Chart", "charts_of"]


def charts_of(findings: Findings, at_most: int = 4) -> list[Chart]:
    """Charts of time and memory against batch size, then charts along each other axis.

    The former show up to ``at_most`` series (workloads that differ only in batch size), those with
    the most sizes.
    """
    series = grouped(findings.results, lambda r: r.case.series()).values()
    longest = sorted(series, key=lambda own: -len({r.case.batch_size for r in own}))[:at_most]
    charts = [
        scaling_chart(f"{metric.name}-{pass_}-{number}", metric, own, findings)
        for metric in (TIME, MEMORY)
        for number, members in enumerate(longest, start=1)
        for pass_ in PASSES
        if (own := [r for r in members if r.case.pass_ == pass_])
    ]
    return [chart for chart in charts if chart] + axis_charts(findings.results)
