"""The list of the reports that lie in one folder."""

from collections.abc import Sequence
from urllib.parse import quote

from supcr_bench.render.page import FacetIndex, render_page
from supcr_bench.store.report_file import PAGE
from supcr_bench.store.report_folder import ReportSummary


def render_reports_index(reports: Sequence[tuple[str, ReportSummary]]) -> str:
    """The page.

    Args:
        reports: the name of each report's folder beside the page, and its summary, in the order in
            which they are to stand.
    """
    return render_page(
        "reports_index.html.j2",
        FacetIndex(),
        # "./" first, so that no name is taken for the scheme of an address.
        reports=[(f"./{quote(folder, safe='')}/{PAGE}", report) for folder, report in reports],
    )
