"""A chart: its drawing, title and description."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from supcr_bench.render.charts.svg import no_glyph_warnings
from supcr_bench.render.palette import palette_css

CHART_CSS = (
    palette_css()
    + """\
.chart { display: block; width: 100%; min-width: 30rem; height: auto; overflow: visible; }
.chart .point, .chart .crossing { cursor: default; }
.chart .point:focus { outline: none; }
.chart .point:is(:focus, :hover) use {
  stroke: currentColor !important; stroke-width: 3 !important;
}
.chart .point:focus-visible { outline: 2px solid currentColor; outline-offset: 3px; }
@media print { .chart { min-width: 0; } }
"""
)
"""Style for the charts of a page, included once. It builds on the page's ``--line``, ``--quiet``
and ``--paper``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart.

    Attributes:
        name: the name of its files and its anchor, and the beginning of every id in its drawing.
        title: the main finding, computed from the data.
        subtitle: what is drawn: the figure, the pass and what the cases have in common.
        section: its section of the page.
        filters: the values by which a page filters it: some of ``device``, ``pass``, ``dims``,
            ``nan-density`` and ``labels``. An axis that the chart spans is not among them.
        svg: the drawing for a page: no background and no title, colours by CSS variables. Points
            are ``g.point``, lines, bands and labels ``.series``, both with ``data-implementation``;
            crossovers are ``g.crossing`` with ``data-one`` and ``data-other``.
        description: a text alternative, in a few sentences.
        standalone_svg: the drawing for a file: with its title, dark on white.
        figure: the matplotlib figure of both.
    """

    name: str
    title: str
    subtitle: str
    section: str
    filters: Mapping[str, str]
    svg: str
    description: str
    standalone_svg: str
    figure: Figure = field(repr=False, compare=False)

    def png(self) -> bytes:
        """The same as ``standalone_svg``, about 1250 pixels wide."""
        data = io.BytesIO()
        with no_glyph_warnings():
            self.figure.savefig(data, format="png", dpi=150)
        return data.getvalue()
