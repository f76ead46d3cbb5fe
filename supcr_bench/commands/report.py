"""``supcr-bench report``: shows a stored run again, or compares it with an earlier one."""

from pathlib import Path

from supcr_bench.commands.options import COMPLETE_RUN, RUN, flag, option, output_file, read_run
from supcr_bench.values.files import require_writable


def report(
    run: str = RUN,
    out: Path | None = option(
        "FILE", "Write the page to FILE in place of reports/<run id>/index.html."
    ),
    against: str | None = option(
        "RUN",
        "Write a page that compares the run with this earlier one instead.",
        autocompletion=COMPLETE_RUN,
    ),
    markdown: Path | None = output_file(
        "--markdown", "Write a short Markdown summary to FILE, such as for a CI job."
    ),
    verbose: bool = flag("--verbose", "Print all tables before the answer."),
) -> None:
    """Print the answer of a run again; write its report, plots and CSV.

    With --against, print and write the comparison of the two runs instead; it always exits with 0.
    `supcr-bench compare` makes the same comparison and exits with 1 if something got worse.
    """
    if out is not None:
        require_writable(out, "--out")
    stored = read_run(run)
    before = None if against is None else read_run(against)

    from supcr_bench.commands.report_page import show_and_write, show_and_write_comparison
    from supcr_bench.render.terminal import make_console

    console = make_console()
    if before is None:
        show_and_write(stored, console, out, markdown, verbose=verbose)
    else:
        show_and_write_comparison(before, stored, console, out, markdown)
