"""Record real timings: identical code, and the same with 5, 10 and 20 % put into one cell."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from supcr_bench.gate.sampling import ProcessSampler
from supcr_bench.measure.sides import SidedCell
from supcr_bench.subjects.registry import Subject, folder
from supcr_bench.values.case import PASSES, Case, Workload
from tests.studies.gate_study.slowed import write_slowed

SHARES = (0.05, 0.1, 0.2)
SLOWED_CELL = ("rowsort", "training")
WORKLOADS = {
    "loopy": Workload(batch_size=8, nan_density=0.2),
    "broadcast": Workload(batch_size=64, nan_density=0.2),
    "rowsort": Workload(batch_size=64, nan_density=0.2),
}
"""Those that the suite `ci` times."""


def side(root: Path, name: str, share: float = 0.0) -> Subject:
    """A version of an implementation in a folder of its own, slower by a share."""
    root.mkdir(parents=True)
    write_slowed(folder() / f"{name}.py", root / f"{name}.py", share)
    return Subject(name, "folder", f"{name}.py", "IMPLEMENTATION", str(root))


def make_cells(root: Path) -> list[SidedCell]:
    """Every cell with its sides; the slowed one has a side for each share."""
    cells = []
    for name, workload in WORKLOADS.items():
        before = side(root / "before" / name, name)
        plain = {"before": before, "again": before, "after": side(root / "after" / name, name)}
        for pass_ in PASSES:
            sides = dict(plain)
            if (name, pass_) == SLOWED_CELL:
                for share in SHARES:
                    sides[f"slowed {share:.0%}"] = side(root / f"{share:.0%}" / name, name, share)
            cells.append(SidedCell(name, Case.of(workload, pass_), sides))
    return cells


def record(minutes: float, seed: int = 0) -> Iterator[Mapping[str, Any]]:
    """One process after another, for so long."""
    root = Path(tempfile.mkdtemp(prefix="gate-study-"))
    try:
        cells = make_cells(root)
        yield from record_cells(cells, minutes, seed)
    finally:
        shutil.rmtree(root)


def record_cells(cells: Sequence[SidedCell], minutes: float, seed: int) -> Iterator[Any]:
    """One line a process: its wall time, and the samples of each cell."""
    sampler = ProcessSampler(threads=1, seed=seed)
    end, process = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        began = time.monotonic()
        found = sampler.sample(cells, process)
        yield {
            "process": process,
            "at": round(time.time(), 1),
            "wall_s": round(time.monotonic() - began, 3),
            "cells": [
                {
                    "cell": f"{cell.implementation} {cell.case.pass_}",
                    "seconds": {s: [float(f"{v:.6g}") for v in t] for s, t in one.seconds.items()},
                }
                for cell, one in zip(cells, found, strict=True)
            ],
        }
        process += 1


def write_recording(path: Path, minutes: float) -> None:
    """To a file of JSON lines."""
    with path.open("w") as file:
        for line in record(minutes):
            file.write(json.dumps(line) + "\n")
            file.flush()
