"""Explains a loss that no plain member fits: by a mistake in its terms, or what it depends on."""

import itertools
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch

from supcr_bench.verification.evaluate import evaluate
from supcr_bench.verification.family import Member, losses
from supcr_bench.verification.label_rules import FAR, FURTHER, WEIGHTED
from supcr_bench.verification.odd_terms import odd_members, plain_members
from supcr_bench.verification.phrases import FOREIGN, PHRASES
from supcr_bench.verification.probes import Fit, Probe, Prober
from supcr_bench.verification.reading import Reading, nearest_words

UNKNOWN = f"{FOREIGN} that is known here, or one with a fault that is not"
UNLABELLED = "labels change nothing"
FARTHEST = 30.0
"""Degrees; no member is called the nearest one that is farther away."""
MANY = 40
"""Rows of a batch in which labels may count that do not in a small one."""
CUTS = 80
"""The places along the range of similarities at which a cut is tried first."""
NEAR_CUT = 0.2
"""The largest residual of a cut that is one step of a coarse search away."""
ODD_VIEWS = ("single", "separate", "concatenated", "first only", "second only")
"""The uses of views that are tried with a mistake in the term of a pair."""


def with_a_mistake(
    prober: Prober, reading: Reading, views: Sequence[str], core: Probe
) -> list[Member]:
    """The members that fit with a mistake in the term of a pair, be they negated or not."""
    unit = core.normalised
    used = [how for how in views if how in ODD_VIEWS]
    members = list(odd_members(used, unit))
    searched = [m for m in members if m.faults() <= 1 + (m.eps > 0) and m.eps in (0.0, 0.1, 1.0)]
    temperature = prober.nearest_temperature(searched, core) if searched else 1.0
    wide = prober.plain(2 * prober.rows + 1)
    for tau in (1.0, temperature):
        fits = prober.fits([m._replace(temperature=tau) for m in members], core, most=prober.limit)
        fits = fits or _cut(prober, plain_members(used, unit), tau, core)
        there = {f.member for f in prober.fits([f.member for f in fits], wide, most=prober.limit)}
        fits = [f for f in fits if f.member in there]
        if fits:
            alike = [f for f in fits if math.isclose(abs(f.value), abs(core.loss), rel_tol=1e-4)]
            fits = alike or fits
            if fits[0].factor < 0:
                reading.sign = -1
                reading.faults.append(PHRASES["sign"]["loss" if prober.turn(core) else "gradient"])
            return [f.member for f in fits if f.factor * fits[0].factor > 0]
    both = [*plain_members(used, unit), *plain_members(used, not unit)]
    return _with_a_further_term(prober, reading, both, core)


def _with_a_further_term(
    prober: Prober, reading: Reading, members: Sequence[Member], core: Probe
) -> list[Member]:
    """The members that fit beside another term, or with other weights of the two views' losses.

    The ``reading`` gets told which.
    """
    views = core.views
    terms = {
        "the squared lengths of the rows": views,
        "the lengths of the rows": views / views.norm(dim=-1, keepdim=True),
        "the variance of the rows": views - views.mean((0, 1)),
    }
    if prober.count > 1:
        terms["the distance between a row's two views"] = views - views.flip(0)
        terms["the variance of the rows of each view"] = views - views.mean(1, keepdim=True)
    for m in members:
        own = evaluate([m], core.views, core.labels)[1][0]
        slopes = {f"{FURTHER} {words}": slope for words, slope in terms.items()}
        if m.views == "separate":
            slopes[WEIGHTED] = own.view_as(views) * torch.tensor([1.0, 0.0]).view(2, 1, 1)
        for words, slope in slopes.items():
            columns = torch.stack((own, slope.flatten()), 1)
            shares = torch.linalg.lstsq(columns, core.gradient.unsqueeze(1)).solution
            rest = (columns @ shares).squeeze(1) - core.gradient
            if rest.norm() <= prober.limit * core.gradient.norm() and float(shares[0]) > 0:
                if words == WEIGHTED:
                    first = 1 + float(shares[1] / shares[0])
                    total = 1 + abs(first)
                    words += f" {first / total:.2g} and {1 / total:.2g}"
                reading.faults.append(words)
                return [m]
    return []


def _cut(prober: Prober, plain: Sequence[Member], tau: float, core: Probe) -> list[Fit]:
    """How well a member fits whose similarities are cut at the place that fits best."""

    def fits(own: Member, field: str, places: Sequence[float], most: float = math.inf) -> list[Fit]:
        cut: list[dict[str, Any]] = [{field: place} for place in places]
        return prober.fits([own._replace(temperature=tau, **one) for one in cut], core, most=most)

    for own, field in itertools.product(plain, ("low", "high")):
        values = torch.cat([s.flatten() for s, _, _ in losses(own, core.views, core.labels)])
        places = torch.linspace(float(values.min()), float(values.max()), CUTS).tolist()
        width = places[1] - places[0]
        for _ in range(8):
            best = fits(own, field, places)[0]
            middle = getattr(best.member, field)
            if best.residual > NEAR_CUT:
                break
            if best.residual <= prober.limit:
                return fits(own, field, [round(middle, 3)], prober.limit) or [best]
            width /= 4
            places = [middle + width * x for x in range(-5, 6)]
    return []


def why_unknown(prober: Prober, core: Probe, nearest: Fit | None = None) -> str:
    """What is told of a loss without :func:`traits`, with the ``nearest`` member, if any."""
    hints = []
    if not prober.keeps_order(core):
        hints.append("it changes with the order of the rows")
    if not core.normalised and prober.keeps_loss(core, 3 * core.views):
        hints.append("the scale of all rows changes nothing, as if it were divided out")
    if nearest and nearest.degrees <= FARTHEST:
        name = nearest_words(nearest.member) + (", negated" if nearest.factor < 0 else "")
        hints.append(
            f"on a small batch, its gradient is {nearest.degrees:.2g} degrees from that of {name}"
        )
    return f"{UNKNOWN}: {', and '.join(hints)}" if hints else UNKNOWN


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
            many = prober.plain(MANY)
            if prober.keeps_loss(many, labels=many.labels.roll(1, 0)):
                return [UNLABELLED]
            of_few = f"labels count in a batch of {MANY} rows and not in one of {prober.rows}"
            return [f"{of_few}, as where only the k nearest rows are partners"]
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
