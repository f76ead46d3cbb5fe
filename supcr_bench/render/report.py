"""The report of a run: one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from supcr_bench.render.grid import Grid
from supcr_bench.render.plots import Plot


def _inline(svg: str) -> Markup:
    """The drawing without the XML prologue, which HTML does not take.

    matplotlib escapes the text that it draws, so this is the one place where markup is let through.
    """
    return Markup(svg[svg.index("<svg") :])  # noqa: S704


def render_report(
    info: Mapping[str, Any],
    sentences: Sequence[str],
    grids: Sequence[Grid],
    plots: Sequence[Plot],
    environment_line: str,
) -> str:
    """The page.

    Args:
        info: what ``run.json`` holds.
        sentences: the findings, the most important first.
        grids: the tables, in reading order.
        plots: the figures.
        environment_line: machine and software in a line.
    """
    templates = Environment(
        loader=PackageLoader("supcr_bench.render", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.html.j2").render(
        info=info,
        sentences=sentences,
        grids=grids,
        plots=[(plot, _inline(plot.svg)) for plot in plots],
        environment_line=environment_line,
    )
