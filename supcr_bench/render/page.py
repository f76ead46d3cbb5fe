"""What every HTML page shares: templates, style, script, tables, and filters over their rows."""

from collections.abc import Sequence
from functools import partial
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from supcr_bench.render.cells import FILTERED
from supcr_bench.render.charts import CHART_CSS
from supcr_bench.values.axes import WORKLOAD_AXES
from supcr_bench.values.table import Facets, Table, as_html

FILTERS = {
    "pass": "pass",
    **{axis.id: axis.label for axis in WORKLOAD_AXES if axis.name in FILTERED},
    "implementation": "implementation",
}
"""What a page can be filtered by, and its label there."""
MOST_ROWS = 200
"""Of a table on a page: nobody reads more there, and a mail does not take more."""


class FacetIndex:
    """Numbers the facets that occur on a page, so that a row names its own by a number."""

    def __init__(self) -> None:
        self.values: list[Facets] = []
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}

    def index(self, facets: Facets) -> int:
        key = tuple(sorted(facets.items()))
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(dict(key))
        return self._numbers[key]


def _filters(shown: Sequence[Facets]) -> list[tuple[str, str, list[str]]]:
    """Name, label and values of every filter that has a choice."""
    values = {name: list(dict.fromkeys(f[name] for f in shown if name in f)) for name in FILTERS}
    return [(n, label, values[n]) for n, label in FILTERS.items() if len(values[n]) > 1]


def render_page(template: str, shown: Sequence[Facets], **values: Any) -> str:
    """A page that can be filtered by what it shows.

    Escaping is on, and an undefined name is an error.
    """
    facets = FacetIndex()
    environment = Environment(
        loader=PackageLoader("supcr_bench.render", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        **values,
        facets=facets,
        filters=_filters(shown),
        table_html=partial(_table_html, facets),
        most_rows=MOST_ROWS,
        # The style and the script are this package's own, so they are not escaped.
        css=Markup(_own("report.css") + CHART_CSS),  # noqa: S704
        script=Markup(_own("report.js")),  # noqa: S704
    )


def _table_html(facets: FacetIndex, table: Table, *, caption: bool) -> Markup:
    classes = table.style or "sortable"
    html = as_html(table, facets.index, caption=caption, classes=classes, most_rows=MOST_ROWS)
    return Markup(html)  # noqa: S704  (as_html escapes every text)


def _own(name: str) -> str:
    return (resources.files("supcr_bench.render") / name).read_text(encoding="utf-8")
