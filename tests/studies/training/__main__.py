"""Runs the study: `python -m tests.studies.training [measure] [page]`."""

import argparse
from pathlib import Path

from tests.studies.training.figures import measure_houses, read_figures, write_figures

STAGES = ("measure", "page")


def main() -> None:
    """The first stage trains and writes CSV files, the second writes the page from these."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("stage", nargs="*", default=STAGES, help=", ".join(STAGES))
    parser.add_argument("--folder", type=Path, default=Path("results/training-study"))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.stage) - set(STAGES):
        parser.error(f"no stage {min(unknown)!r}; there are {', '.join(STAGES)}")
    if "measure" in options.stage:
        write_figures(measure_houses(processes=options.processes), options.folder)
    if "page" in options.stage:
        from tests.studies.training.page import write_page

        write_page(read_figures(options.folder), options.folder)


if __name__ == "__main__":
    main()
