"""The page of a comparison: two runs side by side, and what changed in each case."""

from collections.abc import Sequence

from supcr_bench.analysis.compare import Comparison
from supcr_bench.render.comparison import verdict_first
from supcr_bench.render.comparison_tables import comparison_tables, figures_table, runs_table
from supcr_bench.render.page import FacetIndex, render_page
from supcr_bench.store.run import Run
from supcr_bench.values.case import PASSES


def render_comparison(
    first: Run,
    second: Run,
    comparison: Comparison,
    reports: Sequence[str | None] = (None, None),
) -> str:
    """The page.

    Args:
        first: the run before.
        second: the run after.
        comparison: of the two.
        reports: the addresses of their two reports as seen from the page, where they have one.
    """
    tables = comparison_tables(comparison)
    tables += [t for p in PASSES if (t := figures_table(first, second, comparison, p)).rows]
    facets = FacetIndex()
    facets.add(row.facets for table in tables for row in table.rows)
    return render_page(
        "comparison.html.j2",
        facets,
        sides=list(zip(("First", "Second"), (first, second), reports, strict=True)),
        sentences=verdict_first(comparison),
        runs=runs_table(first, second),
        tables=tables,
    )
