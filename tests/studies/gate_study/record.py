"""Record real timings: identical code, and the same with 5, 10 and 20 % put into one cell."""

import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from supcr_bench.gate.time_trial import AFTER, AGAIN, BEFORE, Sampler, log_ratio, process_sampler
from supcr_bench.measure.version_times import SAMPLING_S, VersionedCell, VersionTimes
from supcr_bench.subjects.registry import Subject
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
    write_slowed(root, {name: share})
    return Subject(name, "folder", f"{name}.py", "IMPLEMENTATION", str(root))


def make_cells(root: Path) -> list[VersionedCell]:
    """Every cell with its sides; the slowed one has a side for each share.

    Half of the calls are timed, the fewest that the gate times in a process.
    """
    cells = []
    for name, workload in WORKLOADS.items():
        before = side(root / "before" / name, name)
        plain = {BEFORE: before, AGAIN: before, AFTER: side(root / "after" / name, name)}
        for pass_ in PASSES:
            sides = dict(plain)
            if (name, pass_) == SLOWED_CELL:
                for share in SHARES:
                    sides[f"slowed {share:.0%}"] = side(root / f"{share:.0%}" / name, name, share)
            case = Case.of(workload, pass_)
            cells.append(VersionedCell(name, case, sides, sampling_s=SAMPLING_S / 2))
    return cells


def record(minutes: float, seed: int = 0) -> Iterator[Mapping[str, Any]]:
    """One process after another, for so long."""
    root = Path(tempfile.mkdtemp(prefix="gate-study-"))
    try:
        cells = make_cells(root)
        yield from record_cells(cells, minutes, seed)
    finally:
        shutil.rmtree(root)


def record_cells(cells: Sequence[VersionedCell], minutes: float, seed: int) -> Iterator[Any]:
    """One entry a process: what it took beside its cells, and what the gate needs of each cell."""
    with process_sampler(threads=1, seed=seed) as sampler:
        yield from _entries(cells, minutes, sampler)


def _entries(cells: Sequence[VersionedCell], minutes: float, sampler: Sampler) -> Iterator[Any]:
    end, process = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        began = time.monotonic()
        sampled = sampler(cells, process)
        yield {
            "at": round(time.time(), 1),
            "start_s": round(time.monotonic() - began - sum(one.spent_s for one in sampled), 3),
            "cells": {
                f"{cell.implementation} {cell.case.pass_}": entry_of(one)
                for cell, one in zip(cells, sampled, strict=True)
            },
        }
        process += 1


def entry_of(times: VersionTimes) -> dict[str, Any]:
    """The log-ratio of each side's median call and, in "mean", of its mean call.

    "spent_s" is the seconds that the three sides of a gate took.
    """
    seconds, totals = times.seconds, times.totals
    sides = [side for side in seconds if side != BEFORE]
    return {
        **{side: round(log_ratio(seconds[side], seconds[BEFORE]), 6) for side in sides},
        "mean": {side: round(math.log(totals[side] / totals[BEFORE]), 6) for side in sides},
        "spent_s": round(times.spent_s * 3 / len(seconds), 4),
    }


def write_recording(path: Path, minutes: float) -> None:
    """To a file of JSON lines."""
    with path.open("w") as file:
        for entry in record(minutes):
            file.write(json.dumps(entry) + "\n")
            file.flush()
