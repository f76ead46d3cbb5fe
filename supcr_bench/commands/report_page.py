"""Writes tables, CSV files, plots and pages of runs, for ``report`` and the end of ``run``."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from supcr_bench.analysis.findings import Findings, find
from supcr_bench.commands.compared_runs import compare_loaded, print_comparison
from supcr_bench.render import report as pages
from supcr_bench.render.answer import answer, headline, refuted
from supcr_bench.render.charts import charts_of
from supcr_bench.render.comparison import verdicts
from supcr_bench.render.csv_tables import csv_tables
from supcr_bench.render.machine import environments_line
from supcr_bench.render.markdown import comparison_markdown, run_markdown
from supcr_bench.render.run_tables import run_tables
from supcr_bench.render.terminal import answer_lines, print_table
from supcr_bench.render.verified import print_verifications
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.report_file import PAGE, SUMMARY_FILE, load_report, reports_in
from supcr_bench.store.run import REPORTS, default_page
from supcr_bench.values.errors import StoreError
from supcr_bench.values.files import write_file

LARGE_RUN = 2000
"""With at least this many results a page holds fewer charts, to be small enough to mail."""


def findings_of(run: Run) -> Findings:
    claims = {
        name: {"time": own.get("claimed_time"), "memory": own.get("claimed_memory")}
        for name, own in run.info["implementations"].items()
    }
    return find(run.results, claims, refuted(run.verification))


def show_and_write(
    run: Run,
    console: Console,
    page: Path | None = None,
    markdown: Path | None = None,
    *,
    verbose: bool = False,
    spent: str = "",
) -> None:
    """Write CSV files, plots, the page and the Markdown; print the answer, and where they are.

    With ``verbose``, the tables come before the answer. A StoreError is raised if the page that it
    would replace holds more results.
    """
    page = page or default_page(run.path, run.id)
    listed = page.name == PAGE and page.resolve().parent.parent == REPORTS.resolve()
    _require_nothing_lost(page, run)
    findings = findings_of(run)
    charts = charts_of(findings, at_most=3 if len(run.results) < LARGE_RUN else 1)
    found = answer(run, findings)
    tables = run_tables(findings)
    for table in tables if verbose else ():
        print_table(console, table)
    if run.verification and verbose:
        print_verifications(console, list(run.verification.values()))

    files: dict[Path, str | bytes] = {}
    if run.path.is_dir():  # else the run was read from a report
        for folder in (run.path / "tables", run.path / "plots"):
            if not folder.resolve().is_relative_to(run.path.resolve()):
                raise StoreError(f"{folder} leads out of the run's folder; remove it")
        for name, text in csv_tables(findings).items():
            files[run.path / "tables" / name] = text
        for chart in charts:
            files[run.path / "plots" / f"{chart.name}.svg"] = chart.svg
            files[run.path / "plots" / f"{chart.name}.png"] = chart.png
    files[page] = pages.render_report(run, findings, tables, charts)
    if markdown:
        files[markdown] = run_markdown(run, findings)
    listing = {
        **_summary(run, run.id, headline(found)),
        "machine": " ".join(run.measured_on),
        "environment": environments_line(run.measured_on),
        "figures": pages.main_figures(findings),
    }
    _write(files, page, listing if listed else None)
    results = f"{run.path}/ (measurements, tables, plots)" if run.path.is_dir() else run.path
    ends = [f"Results {results}", f"Report  {page}", *filter(None, [spent])]
    for line in answer_lines(found, ends):
        console.print(Text(line, style="bold" if line in found else ""), soft_wrap=True)


def show_and_write_comparison(
    before: Run, after: Run, console: Console, out: Path | None, markdown: Path | None
) -> None:
    comparison = compare_loaded(before, after)
    page = out or REPORTS / f"{after.id}-against-{before.id}" / PAGE
    reports = [_address(run, page) for run in (before, after)]
    files: dict[Path, str | bytes] = {
        page: pages.render_comparison(before, after, comparison, reports)
    }
    if markdown:
        files[markdown] = comparison_markdown(before.id, after.id, comparison)
    name = f"{after.id} against {before.id}"
    said = " ".join(map(str, verdicts(comparison)))
    _write(files, page, None if out else _summary(after, name, said))
    print_comparison(console, before, after, comparison)
    console.print(Text(f"\nComparison {page}"), soft_wrap=True)


def _summary(run: Run, name: str, headline: str) -> dict[str, str]:
    started = str(run.info.get("started_at") or "")
    suite = str(run.info["suite"]["name"])
    return {"id": name, "suite": suite, "started_at": started, "headline": headline}


def _write(files: dict[Path, str | bytes], page: Path, summary: Mapping[str, Any] | None) -> None:
    """Write files and create their folders; with a summary, list the page in the index too."""
    if summary is not None:
        files[page.parent / SUMMARY_FILE] = json.dumps(summary, indent=2) + "\n"
    for path, content in files.items():
        write_file(path, content, folders=True)
    if summary is not None:
        write_file(REPORTS / PAGE, pages.render_reports_index(reports_in(REPORTS)))


def _require_nothing_lost(page: Path, run: Run) -> None:
    """Raise a StoreError if the existing page holds results that the new one would lack."""
    try:
        before = load_report(page)
    except StoreError:
        return
    lost = {r.key for r in before.results} - {r.key for r in run.results}
    if len(before.results) > len(run.results) or (lost and before.id == run.id):
        raise StoreError(
            f"{page} was left as it is: it holds {len(before.results)} results of run {before.id}, "
            f"more than {run.path} ({len(run.results)}); `supcr-bench report {page} --out FILE` "
            "reads it, and another --out FILE keeps it"
        )


def _address(run: Run, page: Path) -> str | None:
    """The address of a run's report, relative to a page; ``None`` if it has no report."""
    report = run.path if run.path.suffix == ".html" else default_page(run.path, run.id)
    if not report.is_file():
        return None
    try:
        relative = os.path.relpath(report.resolve(), page.parent.resolve())
    except ValueError:
        return None
    return quote(Path(relative).as_posix())
