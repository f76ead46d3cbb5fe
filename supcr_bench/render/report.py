"""The report of a run: one HTML file that needs no network."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from supcr_bench.analysis.claims import Holds
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.charts import CHART_CSS
from supcr_bench.render.grid import Grid
from supcr_bench.render.recommendation_map import NOT_MEASURED, recommendation_maps
from supcr_bench.render.sections import Figure, Section, Verified, make_sections
from supcr_bench.values.table import Facets

FILTERS = {
    "pass": "pass",
    "dims": "dimensions",
    "nan-density": "NaN density",
    "labels": "labels",
    "device": "device",
    "ranks": "ranks",
    "implementation": "implementation",
}
"""What a page can be filtered by, and how it is called."""
MOST_ROWS = 200
"""Of a table on a page: what more there is, nobody reads there, and a mail does not take."""
_VERDICT_CLASSES = {
    Holds.YES: "yes",
    Holds.CONDITION: "some",
    Holds.NO: "no",
    Holds.UNDECIDED: "open",
}


class FacetIndex:
    """Numbers for the facets that occur, so that a row names its own by a number."""

    def __init__(self) -> None:
        self.values: list[Facets] = []
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}

    def index(self, facets: Facets) -> int:
        """The number of some facets; the next one where they are new."""
        key = tuple(sorted(facets.items()))
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(dict(key))
        return self._numbers[key]


def render_report(
    info: Mapping[str, Any],
    findings: Findings,
    *,
    environments: Mapping[str, Mapping[str, Any]] | None = None,
    grids: Sequence[Grid],
    sentences: Sequence[str],
    charts: Mapping[str, Sequence[Figure]],
    verified: Sequence[Verified],
    environment_line: str,
    data_address: str,
) -> str:
    """The page.

    Args:
        info: what ``run.json`` holds.
        findings: what the run says.
        environments: of the kinds of machine that it was measured on, where they are more than
            the one of ``info``.
        grids: its tables, in reading order.
        sentences: its answer, the most important first.
        charts: by the id of their section.
        verified: what verification found.
        environment_line: machine and software in a line.
        data_address: of the raw data, which lies in the page itself.
    """
    sections = make_sections(info, findings, grids, charts, verified, environments)
    maps = recommendation_maps(findings.results)
    facets = FacetIndex()
    for found in _facets(sections, [m.facets for m in maps]):
        facets.index(found)
    return (
        page_templates()
        .get_template("report.html.j2")
        .render(
            info=info,
            sentences=sentences,
            claims=findings.claims,
            verdict_class=_VERDICT_CLASSES,
            maps=maps,
            not_measured=NOT_MEASURED,
            sections=sections,
            facets=facets,
            filters=filters_of(facets.values),
            kind=cell_classes,
            most_rows=MOST_ROWS,
            environment_line=environment_line,
            data_address=data_address,
            css=page_css(),
            script=page_script(),
        )
    )


def page_templates() -> Environment:
    """The templates of all pages: escaping is on, an undefined name is an error."""
    return Environment(
        loader=PackageLoader("supcr_bench.render", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_css() -> Markup:
    """The style of all pages; this package's own, so it is let through as it is."""
    return Markup(_own("report.css") + CHART_CSS)  # noqa: S704


def page_script() -> Markup:
    """What a page does; this package's own."""
    return Markup(_own("report.js"))  # noqa: S704


def _own(name: str) -> str:
    return (resources.files("supcr_bench.render") / name).read_text(encoding="utf-8")


def _facets(sections: Iterable[Section], maps: Iterable[Facets]) -> Iterable[Facets]:
    yield from maps
    for section in sections:
        for chart in section.charts:
            yield chart.facets
            yield from chart.data.facets if chart.data else ()
        for heat in section.heats:
            yield from (row.facets for row in heat.rows)
        for grid in (*section.grids, *section.more):
            yield from grid.facets


def filters_of(facets: Sequence[Facets]) -> list[tuple[str, str, list[str]]]:
    """Name, label and values of what there is a choice of."""
    found = []
    for name, label in FILTERS.items():
        values = list(dict.fromkeys(f[name] for f in facets if name in f))
        if len(values) > 1:
            found.append((name, label, values))
    return found


def cell_classes(grid: Grid, i: int, j: int) -> str:
    """The classes of a cell: how it stands out, and how it is set."""
    classes = []
    if j in grid.wraps:
        classes.append("l")
    elif j < grid.left:
        classes.append("w")
    if (i, j) in grid.alarming:
        classes.append("a")
    elif (i, j) in grid.strong:
        classes.append("s")
    elif (i, j) in grid.weak:
        classes.append("k")
    return " ".join(classes)
