"""All charts of a run: drawn by matplotlib, then turned into SVG that follows a page's theme."""

from collections.abc import Sequence

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
    """Time and memory of each series and pass, then what each axis changes.

    Args:
        findings: the findings of a run.
        at_most: series to draw time and memory of; those with the most sizes, of the same length
            the first.
    """
    names = implementations_of(findings.results)
    charts: list[Chart] = []
    series = _longest(findings.results, at_most)
    for metric in (TIME, MEMORY):
        for number, members in enumerate(series, start=1):
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


def _longest(results: Sequence[Result], at_most: int) -> list[list[Result]]:
    """Series with at least two sizes."""
    series: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        series.setdefault(result.case.series(), []).append(result)
    sizes = {key: len({r.case.batch_size for r in own}) for key, own in series.items()}
    growing = [key for key in series if sizes[key] >= 2]
    growing.sort(key=lambda key: -sizes[key])
    return [series[key] for key in growing[:at_most]]
