"""Finds from a loss's numbers which member of the family it is, one choice at a time.

Each probe is a small batch that shows some of the choices. On rows that are nearly alike every
candidate weighs the same, whatever the temperature: there the direction of the gradient shows
views, similarity and candidates. On ordinary rows the weights show the temperature, on equal labels
the rule on ties, on several label dimensions the label distance, and where similarities are low,
eps. A constant factor does not change a direction: it is read last, with what depends on it.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial

import torch
from torch import Tensor

from supcr_bench.verification.evaluate import HOT
from supcr_bench.verification.family import DETACHED, TWO_VIEWS, Member, structures
from supcr_bench.verification.foreign import label_changes, traits, why_unknown, with_a_mistake
from supcr_bench.verification.label_rules import FAR, OFF, plainness, settle
from supcr_bench.verification.phrases import FOREIGN, OF_LABELS, PHRASES, is_foreign
from supcr_bench.verification.probes import (
    FITS,
    ODD_TWINS,
    Fit,
    Probe,
    Prober,
    alike,
    are_detached,
    make_labels,
    make_rows,
    shortest,
)
from supcr_bench.verification.reading import Reading

EMPTY = "labels have no effect, as if no denominator counted a candidate (a mask always empty)"
OTHER_NUMBERS = "the same inputs give other numbers"
RANDOM = f"{OTHER_NUMBERS} at every call (random numbers inside, or state)"
MADE_AT_RANDOM = f"{OTHER_NUMBERS} with every new object (its parameters start at random)"
NEAR_LABELS = ((1 / FAR, 0.0), (1 / 64, 64.0))
"""The units and shifts of labels that are near to one another: near 0, and far from it."""
MOST_FAULTS = 5
"""The most choices at once, other than the plain ones, in which a loss is sought."""
WARM = 5e-3
"""Largest residual where candidates weigh nearly the same."""
NEAR = 3e-2
"""Largest residual of a right gradient in a low precision."""
MORE = 11
"""Rows of a batch on which a member that is near on few rows must be near, too."""
CLOSE = 5.0
"""Most degrees from a member's gradient of a loss that is called that member with a fault."""
BFLOAT16 = 1e-3
"""A larger residual is not explained by float16 inside."""
EPS_ON_ORDINARY_ROWS = ("added", "floor", "ratio", "ratio_floor")
EPS = sorted(
    [10 ** (x / 8) for x in range(-8 * 16, -7)]
    + [10.0**-x for x in range(2, 39)]
    + [torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)]
    + [torch.finfo(torch.float32).tiny]
)


def read_structure(prober: Prober) -> Reading:
    """Find views, similarity, candidates, temperature, ties and label distance.

    A loss that follows no member may follow one where labels are near.

    Raises a NotFiniteError on ordinary rows, or what the loss raises on the first probe.
    """
    reading = _structure(prober)
    # A distance that falls where labels are far apart seems a reversed inequality there.
    falls = reading.member is not None and reading.member.comparison.startswith("<")
    off = any(fault.startswith(OFF) for fault in reading.faults)
    unknown = off or any(map(is_foreign, reading.faults))
    if not (unknown or falls) or prober.label_unit != 1:
        return reading
    before = dict(vars(prober))
    for prober.label_unit, prober.label_shift in NEAR_LABELS:
        with suppress(Exception):
            near = _structure(prober)
            known = near.member is not None and near.member.comparison.startswith(">")
            if known and all(map(OF_LABELS.match, near.faults)) and (near.faults or not off):
                # Where labels are near, a transformation of them is as small as rounding.
                scaled, transformed = (PHRASES["labels"][how] for how in ("scaled", "transformed"))
                near.faults = [transformed if f == scaled else f for f in near.faults]
                return near
        vars(prober).update(before)
    return reading


def _structure(prober: Prober) -> Reading:
    reading, core = Reading(), prober.plain()
    if fault := _oddity(prober, core):
        reading.faults.append(fault)
    elif alive := _members(prober, reading, core):
        core = prober.plain()  # its sign may be turned by now
        near = prober.fits([min(alive, key=plainness)], core)[0]
        reading.complete = near.residual <= prober.limit
        settle(prober, reading, alive, core)
    return reading


def _oddity(prober: Prober, core: Probe) -> str | None:
    """A fault that no family member has, if the loss shows one: no gradient, or randomness."""
    if not bool(core.slopes.any()):
        return without_gradient(
            prober, f"no gradient reaches the embeddings (the loss is {core.loss:.4g})"
        )
    return None if prober.repeats(prober.rows) else randomness(prober, prober.rows)


def without_gradient(prober: Prober, otherwise: str) -> str:
    """The fault of a loss without a gradient on ordinary rows, or ``otherwise``."""
    views = make_rows(prober.rows, prober.count, 0)
    labels = make_labels(prober.rows, 1, 0)

    def reached(labels: Tensor) -> bool:
        with suppress(Exception):  # such as a loss without a graph
            return bool(prober.probe(views, labels).slopes.any())
        return False

    if not reached((labels > 1).double()):
        return otherwise
    which = "equal or near" if reached(labels / FAR) else "equal, as in SupCon"
    return f"{FOREIGN}: no gradient reaches the embeddings unless labels are {which}"


def randomness(prober: Prober, n: int) -> str:
    """The fault of a loss of which two modules give different numbers on n rows."""
    one, module = prober.plain(n), prober.built(prober.given)
    # Asked often: a loss that leaves out one row may draw the same one again.
    first, *others = (prober.probe(one.views, one.labels, module=module) for _ in range(5))
    return MADE_AT_RANDOM if all(alike(first, other) for other in others) else RANDOM


# --- views, similarity and candidates ---------------------------------------------------------


def _views(prober: Prober, reading: Reading, core: Probe) -> tuple[str, ...]:
    """The possible ways to use the views; a view without a gradient is added to the faults."""
    if prober.count == 1:
        return ("single",)
    reached = core.slopes.flatten(1).any(1).tolist()
    both = tuple(views for views in TWO_VIEWS if "only" not in views)
    if all(reached):
        return both
    at = reached.index(False)
    rows = core.views.clone()
    rows[at] = rows[at].roll(1, 0)
    if prober.keeps_loss(core, rows):
        return ("second only",) if at == 0 else ("first only", "concatenated first")
    reading.faults.append(PHRASES["gradient"][("first_detached", "second_detached")[at]])
    return tuple(views for views in both if views != "averaged rows")


def _members(prober: Prober, reading: Reading, core: Probe) -> list[Member]:
    """The members that give the gradient, or nearly, with a fault; empty if none does."""
    first: list[Member] = []
    views = _views(prober, reading, core)
    for members in _explanations(prober, core, views):
        if are_detached(members) and prober.keeps_loss(core, labels=core.labels.roll(1, 0)):
            fault = EMPTY
            if label_changes(prober, core):
                fault = traits(prober, core) or why_unknown(prober, core)
            reading.faults.append(fault)
            return []
        if alive := _exactly(prober, members, core):
            return alive
        first = first or members
    return _nearly(prober, reading, first, views, core)


def _explanations(prober: Prober, core: Probe, views: Sequence[str]) -> Iterator[list[Member]]:
    """Yield the members that give the gradient where all candidates weigh the same.

    Members that are nearly right come first, then others; each time, those whose denominators
    have no gradient come last.
    """
    rows = core.views
    if torch.allclose(core.slopes[0], core.slopes[-1], rtol=1e-4, atol=0) and prober.count > 1:
        rows = rows.mean(0).expand_as(rows)
    unit = replace(core, views=rows).normalised
    near = make_rows(prober.rows, prober.count, 1, 1e-3)
    if unit:
        lengths = near.norm(dim=2, keepdim=True) if unit is True else 1.0
        near = 1e3 * lengths * (make_rows(1, 1, 2) + 10 * near)
    probe, hot = prober.probe(near, core.labels), partial(structures, temperature=HOT)
    kinds = tuple((kind, unit) for kind in ("dot", "euclidean", "squared", "manhattan"))
    any_found = coarse = False
    for most_faults, some in ((1, kinds), (MOST_FAULTS, kinds[:3])):
        coarse = most_faults > 1 and prober.is_quantised(core, 1e-6)
        members = [] if coarse else [*hot(views, some, most_faults, tied=False)]
        if most_faults == 1:
            cut = itertools.product(("anchors_detached", "others_detached"), members)
            members += [m._replace(gradient=which) for which, m in cut if not m.faults()]
        for gradient in ("", DETACHED):
            own = [m._replace(gradient=gradient) for m in members] if gradient else members
            found = prober.fits(own, probe, WARM)
            any_found |= bool(found)
            drawn = {(f.member.views, f.member.similarity, f.member.gradient) for f in found}
            alike = [
                m._replace(gradient=gradient) if gradient else m
                for how, kind, gradient in drawn
                for m in hot((how,), ((kind, unit),))
            ]
            if fits := prober.fits(alike, probe, WARM):
                yield [f.member._replace(temperature=math.copysign(1.0, f.factor)) for f in fits]
    if not any_found:
        turned = [m._replace(temperature=-1.0) for m in structures(views, kinds[:3], 1)]
        yield [*structures(views, kinds[:3], 3 if coarse else 1), *turned]


# --- temperature --------------------------------------------------------------------------------


def _exactly(prober: Prober, members: list[Member], core: Probe) -> list[Member]:
    """The members that fit at their temperature, first at the given one."""
    if are_detached(members):
        members = [*members, *_with_eps_in_empty_sums(prober, members, core)]
    odd = [
        m._replace(similarity=kind)
        for kind, twin in ODD_TWINS.items()
        for m in members
        if m.similarity == twin
    ]

    def fitting(some: list[Member]) -> list[Member]:
        found = prober.fitting(some, core) or _with_eps(prober, some, core)
        return [f.member for f in prober.fits_more(found, core, prober.limit) if f.factor > 0]

    alive = fitting(members) if prober.given else []
    for some in (_plain(members), odd):
        if some and not alive:
            alive = fitting(_at_nearest(prober, some, core))
    return alive


def _plain(members: list[Member]) -> list[Member]:
    """Members without squared distances of unit rows, as these are cosines at half tau."""
    return [m for m in members if not (m.normalised and m.similarity == "squared")] or members


def _at_nearest(prober: Prober, members: list[Member], core: Probe) -> list[Member]:
    """Members at the temperature at which one comes nearest."""
    # Members with the same sets give the same numbers: some of each are enough for a search.
    temperature = prober.nearest_temperature(sorted(members, key=Member.faults)[:60], core)
    return [m._replace(temperature=m.temperature * temperature) for m in members]


def _on_more(prober: Prober, fit: Fit) -> Fit:
    """The fit of a member to a larger batch, or this one where the loss takes no more rows."""
    with suppress(Exception):
        return prober.fits([fit.member], prober.plain(MORE))[0]
    return fit


def _nearly(
    prober: Prober, reading: Reading, members: list[Member], views: Sequence[str], core: Probe
) -> list[Member]:
    """The members that fit with the wrong sign, with a mistake, or nearly; ``reading`` says it."""
    # Each calls the loss several times, and is asked more than once.
    coarse = cache(partial(prober.is_quantised, core, 1e-6))
    foreign = cache(partial(traits, prober, core))
    members = _plain(members)
    turned = [m._replace(temperature=abs(m.temperature)) for m in members]
    turned += _at_nearest(prober, turned, core)
    wrong_sign = [f.member for f in prober.fits_more(turned, core, FITS)]
    if not (wrong_sign or coarse() or foreign()) and (
        mistaken := with_a_mistake(prober, reading, views, core)
    ):
        return mistaken
    fits = prober.fits_more([*_at_nearest(prober, members, core), *members, *turned], core)
    best = fits[0]
    usual = int(are_detached(members))  # which all of them then have, a fault
    plain = next((f for f in fits if f.mistakes <= usual), best)
    near = best if best.residual < plain.residual / 2 else plain
    close = best.residual <= NEAR or near.degrees <= CLOSE
    if close and not (wrong_sign or coarse()):  # and not by chance, of a few rows
        close = _on_more(prober, near).degrees <= 2 * CLOSE
    if not close or (best.residual > NEAR and coarse()):
        told = near if near.mistakes <= 1 + usual else plain  # several explain nothing
        why = foreign() or why_unknown(prober, core, _on_more(prober, told))
        reading.faults.insert(0, why)
        return []
    if wrong_sign or best.factor < 0:
        reading.sign = -1
        reading.faults.append(PHRASES["sign"]["loss" if prober.turn(core) else "gradient"])
        if wrong_sign:
            return wrong_sign
        core, members = prober.plain(), turned
        if found := _with_eps(prober, turned, core):
            return found
        fits = prober.fits(turned, core)
    if not coarse():
        if foreign():
            reading.faults.insert(0, foreign())
            return []
        reading.faults.append(f"{OFF} {near.degrees:.2g} degrees")
        return [near.member]
    precision = "bfloat16" if best.residual > BFLOAT16 else "float16"
    reading.faults.append(PHRASES["precision"][precision])
    prober.limit = 4 * best.residual
    found = [f.member for f in fits if f.residual <= prober.limit and f.factor > 0]
    return prober.fitting(_at_nearest(prober, members, core), core) or found


def _with_eps(prober: Prober, members: list[Member], core: Probe) -> list[Member]:
    """The members that fit with one eps, so large that it shows on ordinary rows."""
    best = prober.fits(members, core)
    if best[0].residual > NEAR:
        return []
    near = [f.member for f in best if f.residual <= 1.5 * best[0].residual]
    for m in sorted(near, key=plainness)[:4]:
        sizes = [m._replace(eps=e, eps_rule=r) for e in EPS for r in EPS_ON_ORDINARY_ROWS]
        if found := prober.fitting(sizes, core):
            own = {"eps": found[0].eps, "eps_rule": found[0].eps_rule}
            return prober.fitting([m._replace(**own) for m in members], core)  # type: ignore[arg-type]
    return []


def _with_eps_in_empty_sums(prober: Prober, members: list[Member], core: Probe) -> list[Member]:
    """The members with empty denominators, each with the eps that fits the loss's value."""
    rest, slope = prober.by_log_eps(members, core).T
    sizes = ((core.loss - rest) / slope).exp().tolist()
    return [
        m._replace(eps=shortest(eps, 1e-3))
        for m, eps in zip(members, sizes, strict=True)
        if 1e-20 < eps < 0.1
    ]
