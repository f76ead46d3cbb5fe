"""Real gate runs on a checkout in which one cell was made slower, one case after another."""

import json
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.studies.gate_study.record import SLOWED_CELL, WORKLOADS
from tests.studies.gate_study.slowed import write_slowed

SHARES = {"identical": 0.0, "5%": 0.05, "10%": 0.1, "20%": 0.2}
SUITE = """\
purpose = "Timed cells of the suite `ci`, of files in a checkout."
implementations = [{all}]

{grids}
[budget]
threads = 1
"""
GRID = """\
[[grid]]
batch_size = {batch_size}
nan_density = {nan_density}
without = [{without}]

"""


def _file(name: str) -> str:
    return f"losses/{name}.py:IMPLEMENTATION"


def _quoted(names: list[str]) -> str:
    return ", ".join(json.dumps(_file(name)) for name in names)


def make_checkout(top: Path) -> None:
    """A repository whose only commit has every implementation as it is."""
    write_slowed(top / "losses", dict.fromkeys(WORKLOADS, 0.0))
    grids = ""
    for workload in dict.fromkeys(WORKLOADS.values()):
        without = [name for name, own in WORKLOADS.items() if own != workload]
        grids += GRID.format(
            batch_size=workload.batch_size,
            nan_density=workload.nan_density,
            without=_quoted(without),
        )
    (top / "study.toml").write_text(SUITE.format(all=_quoted(list(WORKLOADS)), grids=grids))
    for command in (
        "init --quiet",
        "add --all",
        "-c user.name=Study -c user.email=study@example.org commit --quiet --message before",
    ):
        subprocess.run(["git", *shlex.split(command)], cwd=top, check=True)


def gate_once(top: Path, case: str) -> Mapping[str, Any]:
    """One gate run: its exit status, and what its JSON says."""
    write_slowed(top / "losses", dict.fromkeys(WORKLOADS, 0.0) | {SLOWED_CELL[0]: SHARES[case]})
    found = top / "gate.json"
    found.unlink(missing_ok=True)
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable, "-m", "supcr_bench", "gate", "study.toml",
            "--against", "HEAD", "--json", str(found),
        ],
        cwd=top,
        capture_output=True,
        text=True,
    )  # fmt: skip
    wall_s = time.monotonic() - began
    if not found.exists():
        raise RuntimeError(f"the gate wrote nothing: {done.stderr[-500:]}")
    said = json.loads(found.read_text())
    return {
        "case": case,
        "at": round(time.time(), 1),
        "exit_status": done.returncode,
        "wall_s": round(wall_s, 1),
        "ruling": said["ruling"],
        "time": said["time"],
        "judgements": [
            {
                k: j[k]
                for k in ("implementation", "pass", "figure", "ruling", "ratio", "low", "high")
            }
            for j in said["judgements"]
            if j["figure"] == "time" or j["ruling"] != "pass"
        ],
    }


def run_live(runs: int, seed: int = 0) -> Iterator[Mapping[str, Any]]:
    """So many runs of each case, in random order, with a pytest-benchmark run after every other."""
    order = [case for case in SHARES for _ in range(runs)]
    random.Random(seed).shuffle(order)
    with tempfile.TemporaryDirectory(prefix="gate-study-") as scratch:
        top = Path(scratch) / "checkout"
        make_checkout(top)
        for number, case in enumerate(order):
            yield gate_once(top, case)
            if number % 2 == 0:
                yield {"case": "pytest-benchmark", "stats": benchmark_once(Path(scratch))}


def benchmark_once(scratch: Path) -> Mapping[str, Mapping[str, float]]:
    """Minimum and median of each cell, by pytest-benchmark with its own settings."""
    found = scratch / "benchmark.json"
    subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            str(Path(__file__).with_name("benchmarks.py")), f"--benchmark-json={found}",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return {
        b["name"]: {s: b["stats"][s] for s in ("min", "median")}
        for b in json.loads(found.read_text())["benchmarks"]
    }
