"""Draws all charts of a run with matplotlib, as SVG that follows a page's theme."""

from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.summary import implementations_of
from supcr_bench.render.charts.axis_chart import axis_charts
from supcr_bench.render.charts.drawing import CHART_CSS, Chart
from supcr_bench.render.charts.scaling_chart import scaling_chart
from supcr_bench.values.case import PASSES
from supcr_bench.values.metrics import MEMORY, TIME
from supcr_bench.values.result import Result

__all__ = ["CHART_CSS", "Chart", "charts_of"]


def charts_of(findings: Findings, at_most: int = 4) -> list[Chart]:
    """Charts of time and memory against batch size, then charts along each other axis.

    The former show up to ``at_most`` series (workloads that differ only in batch size), those with
    the most sizes.
    """
    names = implementations_of(findings.results)
    charts: list[Chart] = []
    series: dict[tuple[object, ...], list[Result]] = {}
    for result in findings.results:
        series.setdefault(result.case.series(), []).append(result)
    longest = sorted(series.values(), key=lambda own: -len({r.case.batch_size for r in own}))
    for metric in (TIME, MEMORY):
        for number, members in enumerate(longest[:at_most], start=1):
            for pass_ in PASSES:
                own = [r for r in members if r.case.pass_ == pass_]
                if len({r.case.batch_size for r in own}) < 2:
                    continue
                key = (pass_, own[0].case.series())
                chart = scaling_chart(
                    f"{metric.name}-{pass_}-{number}",
                    metric,
                    own,
                    [g for g in findings.growth if (g.case.pass_, g.case.series()) == key],
                    [c for c in findings.crossovers if (c.case.pass_, c.case.series()) == key],
                    names,
                )
                charts += [chart] if chart else []
    return charts + axis_charts(findings.results)
