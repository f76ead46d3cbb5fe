"""Finds the members that fit with a mistake in the term of a pair, a cut or a further term."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from supcr_bench.verification.evaluate import evaluate
from supcr_bench.verification.family import Member, losses
from supcr_bench.verification.label_distance import FURTHER, WEIGHTED
from supcr_bench.verification.odd_terms import odd_members, plain_members
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import Fit, Probe, Prober
from supcr_bench.verification.reading import Reading

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
        own = evaluate([m], core.views, core.labels)[1][0].sum(0)
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
