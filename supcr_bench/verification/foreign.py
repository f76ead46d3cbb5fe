"""Says what the numbers of a loss depend on that follows no member of the family."""

import itertools
import math
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from supcr_bench.verification.departures import nearest_words
from supcr_bench.verification.label_distance import FAR
from supcr_bench.verification.phrases import FOREIGN
from supcr_bench.verification.probes import Fit, NotFiniteError, Probe, Prober, normalised

UNKNOWN = f"{FOREIGN} that is known here, or one with a fault that is not"
UNLABELLED = "labels change nothing"
FARTHEST = 30.0
"""Degrees; no member is called the nearest one that is farther away."""
CLOSE = 1e-6


def why_unknown(prober: Prober, core: Probe, nearest: Fit | None = None) -> str:
    """What is told of a loss without :func:`traits`, with the ``nearest`` member, if any."""
    order = torch.arange(len(core.labels)).roll(2).flip(0)
    views = tuple(view[order] for view in core.views)
    hints = []
    if not _is_loss(prober, core, views, core.labels[order]):
        hints.append("it changes with the order of the rows")
    rows = torch.stack(core.views)
    scaled = [3 * view for view in core.views]
    free = not normalised(rows, core.gradient.view_as(rows))
    if free and _is_loss(prober, core, scaled, core.labels):
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


def _is_loss(prober: Prober, core: Probe, views: Sequence[Tensor], labels: Tensor) -> bool:
    """Whether a batch gives the loss of the ``core``."""
    loss = prober.probe(tuple(views), labels, prober.given).loss
    return math.isclose(loss, core.loss, rel_tol=CLOSE, abs_tol=1e-9)


def _of_rows(prober: Prober, core: Probe) -> list[str]:
    """Words for a loss that compares no row with others."""
    last = torch.arange(len(core.labels)).eq(len(core.labels) - 1).unsqueeze(1)
    moved = tuple(torch.where(last, view.flip(1), view) for view in core.views)
    other = prober.probe(moved, core.labels, prober.given)
    rows = torch.stack([p.gradient.view(len(p.views), *p.views[0].shape) for p in (core, other)])
    if (rows[0, :, :-1] - rows[1, :, :-1]).norm() > 1e-4 * rows[0].norm():
        return []
    if prober.count > 1:
        one = prober.probe((core.views[0], moved[1]), core.labels, prober.given)
        if (one.blocks[0] - core.blocks[0]).norm() > 1e-4 * core.blocks[0].norm():
            return ["a row is compared with its other view alone"]
    return ["no row is compared with the others, as in a regression or a classification"]


def _of_labels(prober: Prober, core: Probe) -> list[str]:
    """Words for a loss in which labels do not count by the order of their distances."""
    changes = label_changes(prober, core)
    if not changes:
        classes = (torch.arange(len(core.labels)) % 3 + 1).unsqueeze(1).to(core.labels)
        equal = prober.probe(core.views, classes, prober.given)
        if _is_loss(prober, equal, core.views, classes.roll(1, 0)):
            return [UNLABELLED]
        return ["labels count by being equal alone, as in SupCon"]
    with suppress(Exception):  # it may refuse labels beyond a range
        if not _is_loss(prober, core, core.views, core.labels + FAR):
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
        labels, loss = core.labels * scale, core.loss
        try:
            places = 1 if change == "moved" else 0
            loss = prober.probe(core.views, labels.roll(places, 0), prober.given).loss
        except NotFiniteError:
            loss = math.nan
        except Exception:  # noqa: BLE001, S110 - refusing far labels tells nothing
            pass
        if not math.isclose(loss, core.loss, rel_tol=CLOSE, abs_tol=1e-9):
            found.add(change)
    return found
