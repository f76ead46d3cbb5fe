"""The tables, CSV files, plots and pages of a run: for ``report`` and the end of every ``run``."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

from supcr_bench.analysis.findings import Findings, find
from supcr_bench.commands.verify import show_verified
from supcr_bench.render.charts import charts_of
from supcr_bench.render.csv_tables import csv_tables
from supcr_bench.render.markdown import run_markdown
from supcr_bench.render.report import render_report, render_reports_index
from supcr_bench.render.run_tables import run_tables
from supcr_bench.render.sentences import headline
from supcr_bench.render.terminal import print_sentence, print_table
from supcr_bench.store.report_file import PAGE
from supcr_bench.store.report_folder import SUMMARY_FILE, ReportSummary, reports_in
from supcr_bench.store.run import RESULTS, Run

REPORTS = Path("reports")
LARGE_RUN = 2000
"""The number of results from which a page holds fewer charts, so that it can still be mailed."""


def find_in(run: Run) -> Findings:
    """Everything that a run says."""
    claims = {
        name: {"time": own["claimed_time"], "memory": own["claimed_memory"]}
        for name, own in run.info["implementations"].items()
    }
    return find(run.results, claims)


def default_page(run: Run) -> Path:
    """Where a run's report goes: in ``reports/``, or into the run if its folder lies elsewhere."""
    if run.path.is_file() or run.path.parent.resolve() == RESULTS.resolve():
        return REPORTS / run.id / PAGE
    return run.path / PAGE


def write_files(files: Mapping[Path, str | bytes]) -> None:
    """Write each, in folders that are made for it."""
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def list_reports() -> None:
    """Write the list of what lies in ``reports/``."""
    write_files({REPORTS / PAGE: render_reports_index(reports_in(REPORTS))})


def show_and_write(
    run: Run, console: Console, page: Path | None = None, markdown: Path | None = None
) -> None:
    """Print the tables; write CSV files, plots, the page and the Markdown; say where they are."""
    findings = find_in(run)
    tables = run_tables(findings)
    sentences = headline(run, findings)
    for table in tables:
        if not table.detail:
            print_table(console, table)
    if run.verification:
        show_verified(list(run.verification.values()), console)
    for sentence in sentences:
        print_sentence(console, sentence)

    charts = charts_of(findings, at_most=4 if len(run.results) < LARGE_RUN else 2)
    files: dict[Path, str | bytes] = {}
    if run.path.is_dir():  # a report has no folder of a run to put them in
        for name, text in csv_tables(findings).items():
            files[run.path / "tables" / name] = text
        for chart in charts:
            files[run.path / "plots" / f"{chart.name}.svg"] = chart.standalone_svg
            files[run.path / "plots" / f"{chart.name}.png"] = chart.png()
    listed = page is None and default_page(run).is_relative_to(REPORTS)
    page = page or default_page(run)
    files[page] = render_report(run, findings, tables, charts)
    if listed:
        summary = ReportSummary(
            id=run.id,
            suite=str(run.info["suite"]["name"]),
            started_at=str(run.info.get("started_at") or ""),
            headline=sentences[0],
        )
        files[page.parent / SUMMARY_FILE] = summary.to_json()
    if markdown:
        files[markdown] = run_markdown(run, findings)
    write_files(files)
    if listed:
        list_reports()
    results = f"{run.path}/ (measurements, tables, plots)" if run.path.is_dir() else run.path
    console.print(Text(f"\nResults {results}\nReport  {page}"), soft_wrap=True)
