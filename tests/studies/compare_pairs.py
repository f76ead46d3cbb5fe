"""``make compare-study``: what ``compare`` says of pairs of runs of the same code.

Runs of one version of the code follow each other, and each is paired with the one before. Every
difference between them is one of the machine: an implementation that is called slower, or any other
finding, is false. A line says what was found of each pair, and the load of the machine. The study
ends with 1 if more than one pair in twenty has a finding.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from supcr_bench.analysis.compare import Comparison
from supcr_bench.commands.compared_runs import compare_loaded
from supcr_bench.store.run import Run, load_run
from supcr_bench.values.metrics import Direction

SUITE = Path(__file__).with_suffix(".toml")
TOLD = (Direction.SAME, Direction.SLOWER, Direction.FASTER, Direction.UNDECIDED)
FALSE_FINDINGS = 0.05
"""The largest share of pairs with a finding."""


@dataclass(frozen=True)
class Pair:
    """Two runs of the same code: their comparison, and the load average after the second."""

    comparison: Comparison
    load: float


def make_run(folder: Path, processes: int | None) -> Run:
    command = ["run", str(SUITE), "--no-verify", "--out", str(folder)]
    command += ["--processes", str(processes)] if processes else []
    known = set(folder.glob("*"))
    subprocess.run(
        [sys.executable, "-m", "supcr_bench", *command], check=True, stdout=subprocess.DEVNULL
    )
    (made,) = set(folder.glob("*")) - known - {folder / "index.html"}
    return load_run(made)


def described(pair: Pair) -> str:
    rows = Counter(row.time.direction for row in pair.comparison.rows if row.time)
    findings = [row.finding for row in pair.comparison.rows if row.finding]
    slower = pair.comparison.slower()
    told = "  ".join(f"{direction} {rows[direction]:>2}" for direction in TOLD)
    whys = {row.time.reason for row in pair.comparison.rows if row.time and row.time.reason}
    found = f"{', '.join([*slower, *findings]) or 'no finding'}  {'; '.join(sorted(whys))}"
    return f"load {pair.load:>4.1f}  {told}  {found}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="compare_pairs", description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--processes", type=int, help="of each run, in place of the suite's")
    parser.add_argument("--out", type=Path, help="a folder that keeps the runs")
    options = parser.parse_args()
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory(prefix="compare-study-") as scratch:
        folder = options.out or Path(scratch)
        before = make_run(folder, options.processes)
        for number in range(1, options.pairs + 1):
            after = make_run(folder, options.processes)
            pairs.append(Pair(compare_loaded(before, after), os.getloadavg()[1]))
            before = after
            sys.stdout.write(f"pair {number:>2}  {described(pairs[-1])}\n")
            sys.stdout.flush()
    rows = Counter(row.time.direction for pair in pairs for row in pair.comparison.rows if row.time)
    findings = sum(pair.comparison.finding for pair in pairs)
    total = rows.total()
    told = ", ".join(f"{rows[direction] / total:.0%} {direction}" for direction in TOLD)
    sys.stdout.write(f"{findings} of {len(pairs)} pairs with a finding; of {total} times {told}\n")
    sys.exit(findings > FALSE_FINDINGS * len(pairs))


if __name__ == "__main__":
    main()
