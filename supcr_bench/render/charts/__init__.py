"""Charts of a run: drawn by matplotlib, then turned into SVG that follows a page's theme."""

from supcr_bench.render.charts.chart import CHART_CSS, Chart
from supcr_bench.render.charts.charts import charts_of

__all__ = ["CHART_CSS", "Chart", "charts_of"]
