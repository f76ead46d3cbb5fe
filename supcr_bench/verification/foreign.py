"""Says what the numbers of a loss depend on that follows no member of the family."""

import itertools
import math
from contextlib import suppress

import torch

from supcr_bench.verification.label_distance import FAR
from supcr_bench.verification.phrases import FOREIGN
from supcr_bench.verification.probes import Fit, Probe, Prober
from supcr_bench.verification.reading import nearest_words

UNKNOWN = f"{FOREIGN} that is known here, or one with a fault that is not"
UNLABELLED = "labels change nothing"
FARTHEST = 30.0
"""Degrees; no member is called the nearest one that is farther away."""


def why_unknown(prober: Prober, core: Probe, nearest: Fit | None = None) -> str:
    """What is told of a loss without :func:`traits`, with the ``nearest`` member, if any."""
    hints = []
    if not prober.keeps_order(core):
        hints.append("it changes with the order of the rows")
    if not core.normalised and prober.keeps_loss(core, 3 * core.views):
        hints.append("the scale of all rows changes nothing, as if it were divided out")
    if nearest and degrees_of(nearest) <= FARTHEST:
        name = nearest_words(nearest.member) + (", negated" if nearest.factor < 0 else "")
        hints.append(
            f"on a small batch, its gradient is {degrees_of(nearest):.2g} degrees from that of "
            f"{name}"
        )
    return f"{UNKNOWN}: {', and '.join(hints)}" if hints else UNKNOWN


def degrees_of(fit: Fit) -> float:
    return math.degrees(math.asin(min(fit.residual, 1.0)))


def traits(prober: Prober, core: Probe) -> str:
    """What no member does, if a loss does that; else empty."""
    found = [*_of_rows(prober, core), *_of_labels(prober, core)]
    if found == [UNLABELLED]:
        found = [f"{UNLABELLED}, as in InfoNCE and SimCLR"]
    return f"{FOREIGN}: {', and '.join(found)}" if found else ""


def _of_rows(prober: Prober, core: Probe) -> list[str]:
    """Words for a loss that compares no row with others."""
    last = torch.arange(len(core.labels)).eq(len(core.labels) - 1).unsqueeze(1)
    moved = torch.where(last, core.views.flip(2), core.views)
    turned = prober.probe(moved, core.labels).slopes - core.slopes
    if turned[:, :-1].norm() > 1e-4 * core.slopes.norm():
        return []
    if prober.count > 1:
        one = prober.probe(torch.stack((core.views[0], moved[1])), core.labels)
        if (one.slopes[0] - core.slopes[0]).norm() > 1e-4 * core.slopes[0].norm():
            return ["a row is compared with its other view alone"]
    return ["no row is compared with the others, as in a regression or a classification"]


def _of_labels(prober: Prober, core: Probe) -> list[str]:
    """Words for a loss in which labels do not count by the order of their distances."""
    changes = label_changes(prober, core)
    if not changes:
        classes = (torch.arange(len(core.labels)) % 3 + 1).unsqueeze(1).to(core.labels)
        equal = prober.probe(core.views, classes)
        if prober.keeps_loss(equal, labels=classes.roll(1, 0)):
            return [UNLABELLED]
        return ["labels count by being equal alone, as in SupCon"]
    with suppress(Exception):  # it may refuse labels beyond a range
        if not prober.keeps_loss(core, labels=core.labels + FAR):
            return ["it changes when all labels move by the same amount"]
    if "scaled" in changes:
        return [
            "it changes with the scale of all labels, as weights by label distance (y-aware "
            "InfoNCE) and thresholds do"
        ]
    return []


def label_changes(prober: Prober, core: Probe) -> set[str]:
    """The changes that change the loss: labels ``scaled`` by one number, or ``moved`` to others."""
    found = set()
    changes = [("moved", 1.0), *itertools.product(("scaled", "moved"), (1 / FAR, FAR))]
    for change, scale in changes:
        with suppress(Exception):  # refusing far labels tells nothing
            labels = (core.labels * scale).roll(1 if change == "moved" else 0, 0)
            if not prober.keeps_loss(core, labels=labels):
                found.add(change)
    return found
