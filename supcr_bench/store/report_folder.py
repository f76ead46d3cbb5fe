"""The reports in a folder: each page in a folder of its own, with a summary beside it.

A list of reports is made from the summaries, because a page has megabytes. A page without a
summary, such as one from elsewhere, is listed by the name of its folder.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from supcr_bench.store.report_file import PAGE

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """What a list of reports says of one.

    Attributes:
        id: of the run, or of both that are compared.
        suite: its name.
        started_at: when the run began, in ISO 8601; empty where that is not known.
        headline: the first finding.
    """

    id: str
    suite: str = ""
    started_at: str = ""
    headline: str = ""

    def to_json(self) -> str:
        """For the file beside the page."""
        return json.dumps(asdict(self), indent=2) + "\n"


def reports_in(folder: Path) -> list[tuple[str, ReportSummary]]:
    """The name of each report's folder, and its summary; the latest run first."""
    found = [(page.parent.name, _summary(page.parent)) for page in folder.glob(f"*/{PAGE}")]
    return sorted(found, key=lambda r: (r[1].started_at, r[1].id, r[0]), reverse=True)


def _summary(folder: Path) -> ReportSummary:
    try:
        values = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        return ReportSummary(**{f.name: str(values[f.name]) for f in fields(ReportSummary)})
    except (OSError, ValueError, KeyError, TypeError):
        return ReportSummary(id=folder.name)
