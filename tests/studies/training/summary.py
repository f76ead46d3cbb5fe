"""What the figures say: comparisons of arms, of networks, and of angles with costs."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tests.studies.training.arms import REORDERED, RNC_BASE, TORCHCELL_BASE, UNTRAINED
from tests.studies.training.figures import LEARNED, SAME, Figures
from tests.studies.training.statistics import (
    Correlation,
    Paired,
    paired_interval,
    rank_correlation,
    ratio_interval,
)

BASES = (TORCHCELL_BASE, RNC_BASE)
NOTE_PAIRS = (("loopy", "broadcast"), ("rowsort", "broadcast"), ("rowsort", "loopy"))
FAST_PAIRS = (("tiled", "broadcast"), ("scan", "broadcast"))
JUMP = 100
"""Times the median, beyond which a distance is no sum of rounding errors any more."""
RANDOM, ORDERED, TRAINED = "random", "ordered", "trained"
"""Embeddings on which an angle is measured: the first two by ``verify``, the third by the study."""


class Comparison(NamedTuple):
    """An arm beside the one that it is compared with.

    Attributes:
        error: mean probe error of the arm, in per cent of that of naming the median.
        base_error: the same of the other.
        cost: the paired difference, in percentage points.
        distance: median distance of the two networks at the end; ``None`` where not measured.
        angles: degrees, by the kind of embeddings; the median (by ``verify``) or the mean.
    """

    arm: str
    base: str
    error: float
    base_error: float
    cost: Paired
    distance: float | None
    angles: dict[str, float]

    @property
    def fault(self) -> str:
        """The fault's name; empty where it is none."""
        return self.arm.partition(": ")[2]


class Networks(NamedTuple):
    """Two implementations of one definition, trained alike.

    Attributes:
        distances: median distance of their parameters, by step.
        largest: their last distance in the seed where it is largest.
        jumps: seeds whose last distance is over ``JUMP`` times the median of two orders.
        losses: the median and the largest difference of their losses over all watched steps.
        ratio: their last distance over that of two orders of a batch's rows.
        cost: paired difference of their probe errors, in percentage points.
    """

    arm: str
    base: str
    distances: dict[int, float]
    largest: float
    jumps: int
    losses: tuple[float, float]
    ratio: Paired
    cost: Paired


def errors_of(figures: Figures, question: str) -> pd.DataFrame:
    """[seeds, arms] probe errors, in per cent."""
    runs = figures.runs[figures.runs.question == question]
    return 100 * runs.pivot_table(index="seed", columns="arm", values="error")


def learned_pairs(arms: Iterable[str]) -> list[tuple[str, str]]:
    """What is compared: order, definition, each fault with its base, and each base with others."""
    names = list(arms)
    pairs = [(f"{base}, {REORDERED}", base) for base in BASES]
    pairs += [("no-self", TORCHCELL_BASE), (RNC_BASE, TORCHCELL_BASE)]
    pairs += [(n, base) for base in BASES for n in names if n.startswith(f"{base}: ")]
    others = [n for n in names if n.startswith("regression") or n == UNTRAINED]
    return pairs + [(base, other) for other in others for base in BASES]


def comparisons(figures: Figures) -> list[Comparison]:
    """All of them; their intervals hold together."""
    errors = errors_of(figures, LEARNED)
    runs = figures.runs[figures.runs.question == LEARNED]
    pairs = learned_pairs(dict.fromkeys(runs.arm))
    apart = figures.distances[figures.distances.question == LEARNED]
    ends = apart[apart.step == apart.step.max()].groupby(["arm", "base"]).parameters
    last = {pair: float(rows.median()) for pair, rows in ends}
    found = []
    for arm, base in pairs:
        cost = paired_interval((errors[arm] - errors[base]).to_numpy(), len(pairs))
        distance = last.get((arm, base))
        own, other = float(errors[arm].mean()), float(errors[base].mean())
        angles = angles_of(figures, arm) if distance is not None else {}
        found.append(Comparison(arm, base, own, other, cost, distance, angles))
    return found


def angles_of(figures: Figures, arm: str) -> dict[str, float]:
    predicted = figures.predicted[figures.predicted.arm == arm]
    found = dict(zip(predicted.embeddings.astype(str), predicted.angle.astype(float), strict=True))
    trained = figures.angles[figures.angles.arm == arm].degrees
    return found | ({TRAINED: float(trained.mean())} if len(trained) else {})


class Orders(NamedTuple):
    """One implementation on the same batches with their rows in other orders; as ``Networks``."""

    distances: dict[int, float]
    largest: float
    jumps: int


def networks(figures: Figures) -> tuple[list[Networks], Orders]:
    """The pairs of implementations, and two orders of the rows."""
    apart = figures.distances[figures.distances.question == SAME]
    orders = apart.arm.str.contains(REORDERED) & (
        apart.base.str.contains(REORDERED) | (apart.base == "broadcast")
    )
    steps = sorted(int(step) for step in apart.step.unique())
    yardstick = {step: apart[orders & (apart.step == step)] for step in steps}
    usual = yardstick[steps[-1]].groupby("seed").parameters.apply(geometric_mean)
    medians = {step: float(rows.parameters.median()) for step, rows in yardstick.items()}
    limit = JUMP * medians[steps[-1]]
    errors, pairs, found = errors_of(figures, SAME), NOTE_PAIRS + FAST_PAIRS, []
    for arm, base in pairs:
        either = [(apart.arm == a) & (apart.base == b) for a, b in ((arm, base), (base, arm))]
        own = apart[either[0] | either[1]]
        last = own[own.step == steps[-1]].set_index("seed").parameters
        both = (last > 0) & (usual.loc[last.index] > 0)
        ratio = Paired(0.0, 0.0, 0.0, exact=True)
        if both.sum() > 1:
            logs = last[both].to_numpy(), usual.loc[last.index][both].to_numpy()
            ratio = ratio_interval(*logs, len(pairs))
        by_step = {step: float(own[own.step == step].parameters.median()) for step in steps}
        most, jumps = float(last.max()), int((last > limit).sum())
        losses = float(own.losses.median()), float(own.losses.max())
        cost = paired_interval((errors[arm] - errors[base]).to_numpy(), len(pairs))
        found.append(Networks(arm, base, by_step, most, jumps, losses, ratio, cost))
    most_by_seed = yardstick[steps[-1]].groupby("seed").parameters.max()
    jumps = int((most_by_seed > limit).sum())
    return found, Orders(medians, float(most_by_seed.max()), jumps)


def geometric_mean(values: "pd.Series[float]") -> float:
    """0 where one of them is."""
    return float(np.exp(np.log(values).mean())) if (values > 0).all() else 0.0


def correlations(
    figures: Figures, found: Sequence[Comparison]
) -> dict[tuple[str, str], Correlation]:
    """How the angle orders arms, by the kind of embeddings and what it is held beside.

    The cost is of the faults alone; the distance is of everything that has an angle.
    """
    errors = errors_of(figures, LEARNED)
    apart = figures.distances[figures.distances.question == LEARNED]
    last = apart[apart.step == apart.step.max()]
    result = {}
    for kind in (RANDOM, ORDERED, TRAINED):
        some = [c for c in found if kind in c.angles]
        faults = [c for c in some if c.fault]
        costs = np.stack([(errors[c.arm] - errors[c.base]).to_numpy() for c in faults])
        result[kind, "cost"] = rank_correlation([c.angles[kind] for c in faults], costs)
        far = np.stack([last[last.arm == c.arm].sort_values("seed").parameters for c in some])
        result[kind, "distance"] = rank_correlation([c.angles[kind] for c in some], far)
    return result
