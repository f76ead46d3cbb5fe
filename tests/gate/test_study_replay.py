"""The gate's study makes the gate's own decisions on recorded processes."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from supcr_bench.gate.time_trial import AFTER, AGAIN
from supcr_bench.subjects.registry import load
from supcr_bench.values.gate import GateVerdict
from tests.studies.gate_study.record import WORKLOADS, make_cells
from tests.studies.gate_study.replay import replay

SIDES = (AGAIN, AFTER, "slowed 20%")


def recorded(rng: Random, median: float = 0.0, mean: float = 0.0) -> dict[str, Any]:
    """A process with one cell: log-ratios of the slowed side beside noise of 1 %."""
    noise = {side: rng.gauss(0.0, 0.01) for side in SIDES}
    means = {side: rng.gauss(0.0, 0.01) for side in SIDES}
    noise["slowed 20%"] += median
    means["slowed 20%"] += mean
    own = {**noise, "mean": means, "spent_s": 1.0}
    return {"at": 0.0, "start_s": 1.0, "cells": {"rowsort training": own}}


@pytest.mark.parametrize(
    ("case", "slowed", "verdict"),
    [
        ("identical", {"median": 0.2, "mean": 0.2}, GateVerdict.PASS),
        ("20%", {"median": 0.2, "mean": 0.2}, GateVerdict.REGRESSION),
        ("20%", {"mean": 0.5}, GateVerdict.REGRESSION),
    ],
    ids=["identical", "slower", "slower in the mean only"],
)
def test_replays_judge_the_recorded_median_and_mean(case, slowed, verdict):
    rng = Random(7)
    found = replay([recorded(rng, **slowed) for _ in range(60)], case, runs=5, budget_s=100.0)
    assert found.rulings == Counter({verdict: 5})
    assert found.false_alarms == found.passed_slowed == 0


def test_every_side_of_the_study_can_be_loaded(tmp_path):
    cells = make_cells(tmp_path / "sides")
    assert {cell.implementation for cell in cells} == set(WORKLOADS)
    assert max(len(cell.versions) for cell in cells) == 6
    for cell in cells:
        for version in cell.versions.values():
            assert load(version).factory is not None
