"""``supcr-bench compare``: lays two stored runs side by side."""

from pathlib import Path

import typer

from supcr_bench.commands.options import COMPLETE_RUN, JSON_FILE, read_run, share
from supcr_bench.values.files import write_json


def compare(
    first: str = typer.Argument(
        metavar="BEFORE",
        help="The earlier run: its id, the path of its folder or report.",
        autocompletion=COMPLETE_RUN,
    ),
    second: str = typer.Argument(
        metavar="AFTER",
        help="The later run: its id, the path of its folder or report, or latest.",
        autocompletion=COMPLETE_RUN,
    ),
    margin: float = share(
        "--margin", "Share by which two times may differ and count as the same.", 0.05
    ),
    json_file: Path | None = JSON_FILE,
) -> None:
    """Compare two runs: time, counted work, memory and failures.

    Two runs are two sessions, and a machine drifts between them. So a time is called faster, slower
    or the same only if the noise of the samples and the drift of the unchanged results rule out the
    other verdicts.

    Exits with 0, even if time is undecided; with 1 if a result became wrong, failed, ran out of
    memory or time, or costs more work or memory, or if an implementation is slower in more cases
    than chance explains; with 2 if the runs share no case; with 3 if nothing of the
    shared cases could be compared.
    """
    before, after = (read_run(name) for name in (first, second))

    from supcr_bench.commands.compared_runs import compare_loaded, print_comparison, to_mapping

    comparison = compare_loaded(before, after, margin)

    from supcr_bench.render.comparison import comparison_tables
    from supcr_bench.render.terminal import make_console

    print_comparison(make_console(), before, after, comparison, comparison_tables(comparison))
    if json_file:
        write_json(json_file, to_mapping(comparison, before, after))
    if comparison.finding:
        raise typer.Exit(1)
    raise typer.Exit(3 if comparison.nothing_compared else 0)
