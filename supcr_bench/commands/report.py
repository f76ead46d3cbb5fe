"""``supcr-bench report``, and the end of every ``run``: tables, CSV files, plots and the page."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from supcr_bench.commands.verify import show_verified
from supcr_bench.store.report_file import PAGE, embedded
from supcr_bench.store.run import RESULTS, Run, load_run
from supcr_bench.values.units import format_limit_bytes

if TYPE_CHECKING:
    from supcr_bench.analysis.findings import Findings

REPORTS = Path("reports")


def environment_line(environment: Mapping[str, Any]) -> str:
    """Machine and software in a line."""
    accelerators = [a["name"] for a in environment["accelerators"]]
    parts = [
        f"{environment['cpu']}, {environment['cpus_usable']} CPUs",
        f"{environment['threads']} threads",
        format_limit_bytes(environment["memory_bytes"]),
        *accelerators,
        f"torch {environment['torch']}",
        f"Python {environment['python']}",
        environment["os"],
    ]
    return ", ".join(parts)


def find_in(run: Run) -> "Findings":
    """Everything that a run says."""
    from supcr_bench.analysis.findings import find
    from supcr_bench.analysis.growth import Claims

    said = {
        name: Claims(time=own["claimed_time"], memory=own["claimed_memory"])
        for name, own in run.info["implementations"].items()
    }
    return find(run.results, said, run.info["suite"]["definition"])


def default_page(run: Run) -> Path:
    """Where a run's report goes: in ``reports/``, or into the run if that lies elsewhere."""
    if run.path.parent.resolve() == RESULTS.resolve():
        return REPORTS / run.id / PAGE
    return run.path / PAGE


def show_and_write(run: Run, console: Console, page: Path | None = None) -> None:
    """Print the tables; write CSV files, plots and the page; say where they are."""
    # matplotlib and scipy take a third of a second each: nothing that fails early waits for them.
    from supcr_bench.render.csv_tables import csv_tables
    from supcr_bench.render.grids import all_grids
    from supcr_bench.render.headline import headline
    from supcr_bench.render.plots import scaling_plots
    from supcr_bench.render.report import render_report
    from supcr_bench.render.terminal import print_grid
    from supcr_bench.render.verification_grids import verified

    findings = find_in(run)
    grids, sentences = all_grids(findings), headline(findings)
    for grid in grids:
        if not grid.detail:
            print_grid(console, grid)
    verifications = list((run.verification or {}).values())
    if verifications:
        show_verified(verifications, console)
    for sentence in sentences:
        console.print(Text(sentence), soft_wrap=True)

    plots = scaling_plots(run.results)
    files: dict[Path, str | bytes] = {
        run.path / "tables" / name: text for name, text in csv_tables(findings).items()
    }
    for plot in plots:
        files[run.path / "plots" / f"{plot.name}.svg"] = plot.svg
        files[run.path / "plots" / f"{plot.name}.png"] = plot.png
    page = page or default_page(run)
    line = environment_line(run.environment)
    files[page] = render_report(
        run.info,
        findings,
        charts={},
        verified=[verified(found) for found in verifications],
        environment_line=line,
        data_address=embedded(run),
    )
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    console.print(
        Text(f"\nResults {run.path}/ (measurements, tables, plots)\nReport  {page}"),
        soft_wrap=True,
    )


def report_run(name: str, out: Path | None) -> None:
    """Print a stored run's tables and write its files."""
    console = Console(highlight=False)
    show_and_write(load_run(name).require_complete(), console, out)
