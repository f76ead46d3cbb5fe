"""``supcr-bench history``: follows each figure over revisions, and compares with a fixed one."""

from pathlib import Path

import typer

from supcr_bench.commands.options import JSON_FILE, choice, option, say_notes, share
from supcr_bench.values.errors import StoreError, UsageError
from supcr_bench.values.files import require_writable, write_file
from supcr_bench.values.gate import MAX_MEMORY_GROWTH, MAX_SLOWDOWN, GateVerdict
from supcr_bench.values.units import plural

OUT = Path("reports/history")


def history(
    paths: list[str] = typer.Argument(
        metavar="PATH", help="Runs, baselines, files of gate --json, or folders that hold them."
    ),
    revisions: str | None = option(
        "REVISIONS", "Read each PATH, a .json file, at the commits of this range that changed it."
    ),
    anchor: str | None = option(
        "REVISION", "Revision or run to compare with.", show_default="the first"
    ),
    max_slowdown: float = share(
        "--max-slowdown", "Share by which a time may exceed the anchor's.", MAX_SLOWDOWN
    ),
    max_memory_growth: float = share(
        "--max-memory-growth", "Share by which a peak may exceed the anchor's.", MAX_MEMORY_GROWTH
    ),
    out: Path = option("DIR", "Folder for the charts.", default=OUT),
    format_: str = choice("--format", ("svg", "png"), "Format of the charts.", default="svg"),
    json_file: Path | None = JSON_FILE,
) -> None:
    """Draw each figure over revisions; find what got worse since the first, even in small steps.

    Counts are exact. Times are compared between sessions of one machine, and only if there are
    enough of them.

    Exits with 1 if a count or a time is worse than at the anchor, with 3 if nothing could be
    compared.
    """
    require_writable(out / "chart", "--out")
    if revisions is None:
        for path in paths:
            if not Path(path).exists() and ("/" in path or path.endswith(".json")):
                raise StoreError(f"no file or folder {path!r}; name one that exists")

    from supcr_bench.commands.history_files import find_anchor, read_snapshots
    from supcr_bench.gate.history import trends

    snapshots, notes = read_snapshots(paths, revisions)
    say_notes(notes)
    snapshots = snapshots[find_anchor(snapshots, anchor) :]
    if len(snapshots) < 2:
        raise UsageError(
            "a history needs two or more runs, baselines or gate results from the anchor on, and "
            f"{len(snapshots) or 'none'} was found; name more of them, or an earlier --anchor"
        )
    found = trends(snapshots, max_slowdown, max_memory_growth)

    from supcr_bench.render import history as shown
    from supcr_bench.render.gate_words import verdict_sentence
    from supcr_bench.render.terminal import make_console, print_sentence, print_table

    outcome, console = shown.history_outcome(found, snapshots), make_console()
    print_sentence(console, str(verdict_sentence(outcome)), "bold")
    for table in shown.changed_tables(outcome):
        print_table(console, table)
    for sentence in shown.history_sentences(found, snapshots):
        print_sentence(console, str(sentence))
    charts = 0
    for chart in shown.history_charts(found, snapshots):
        charts += 1
        content = chart.svg if format_ == "svg" else chart.png
        write_file(out / f"{chart.name}.{format_}", content, folders=True)
    print_sentence(console, f"{plural(charts, 'chart')} of what changed, and of times: {out}/")
    if json_file is not None:
        write_file(json_file, shown.history_json(found, snapshots, outcome.verdict))
    worse = outcome.verdict is GateVerdict.REGRESSION
    raise typer.Exit(1 if worse else 3 if outcome.measured_nothing else 0)
