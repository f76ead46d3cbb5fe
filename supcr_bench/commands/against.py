"""``supcr-bench report RUN --against RUN``: a run beside one from before, as a page."""

import os
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from supcr_bench.commands.compared_runs import compare_loaded, run_line
from supcr_bench.commands.report_page import REPORTS, default_page, list_reports, write_files
from supcr_bench.render.comparison import (
    comparison_sentences,
    comparison_verdict,
    environment_sentences,
)
from supcr_bench.render.markdown import comparison_markdown
from supcr_bench.render.report import render_comparison
from supcr_bench.render.terminal import print_sentence
from supcr_bench.store.report_file import PAGE
from supcr_bench.store.report_folder import SUMMARY_FILE, ReportSummary
from supcr_bench.store.run import Run


def write_comparison(before: Run, after: Run, out: Path | None, markdown: Path | None) -> None:
    """Print how two runs compare, and write the page and the Markdown.

    Args:
        before: the earlier run.
        after: the later run.
        out: the page, in place of the default one.
        markdown: the same in short, if wanted.

    Raises:
        UsageError: the two have no case in common.
    """
    comparison = compare_loaded(before, after)
    page = out or REPORTS / f"{after.id}-against-{before.id}" / PAGE
    reports = [_address(run, page) for run in (before, after)]
    files: dict[Path, str | bytes] = {page: render_comparison(before, after, comparison, reports)}
    if out is None:
        summary = ReportSummary(
            id=f"{after.id} against {before.id}",
            suite=str(after.info["suite"]["name"]),
            started_at=str(after.info.get("started_at") or ""),
            headline=comparison_verdict(comparison),
        )
        files[page.parent / SUMMARY_FILE] = summary.to_json()
    if markdown:
        files[markdown] = comparison_markdown(before.id, after.id, comparison)
    write_files(files)
    if out is None:
        list_reports()
    console = Console(highlight=False)
    for position, run in (("First ", before), ("Second", after)):
        print_sentence(console, f"{position} {run_line(run)}")
    for sentence in [
        *environment_sentences(comparison.differences),
        *comparison_sentences(comparison),
    ]:
        print_sentence(console, sentence)
    console.print(Text(f"\nComparison {page}"), soft_wrap=True)


def _address(run: Run, page: Path) -> str | None:
    """The relative address of a run's report, seen from a page.

    ``None`` if the run has no report, or if it lies on another drive than the page (Windows).
    """
    report = run.path if run.path.suffix == ".html" else default_page(run)
    if not report.is_file():
        return None
    try:
        relative = os.path.relpath(report.resolve(), page.parent.resolve())
    except ValueError:
        return None
    return quote(Path(relative).as_posix())
