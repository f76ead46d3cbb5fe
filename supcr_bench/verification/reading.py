"""Reads from a loss's numbers which member of the family it is, one choice at a time.

Each probe is a small batch on which some choices show. On rows that are nearly alike every
candidate weighs the same, whatever the temperature: there the direction of the gradient tells
views, similarity and candidates. On ordinary rows the weights tell the temperature, on equal labels
the rule on ties, on several label dimensions the label distance, and where similarities are low,
eps. A constant factor does not change a direction: it is read last, with what it depends on.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch

from supcr_bench.verification.family import SIMILARITIES, TWO_VIEWS, WHOLE, Member, structures
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import (
    FITS,
    Fit,
    Probe,
    Prober,
    make_labels,
    make_rows,
)

ANOTHER = "another loss, or a fault that is not known here"
EMPTY = "no denominator counts a candidate (a mask that is always empty): labels have no effect"
ORDER_DECIDES = "ties taken by an order of rows (of a sort): equal labels are not treated alike"
RANDOM = "the same inputs give other numbers at every call (random numbers inside, or state)"
WARM = 5e-3
"""Largest residual where candidates weigh nearly the same."""
NEAR = 3e-2
"""Largest residual of a right gradient in a low precision."""
IN_FLOAT64 = 1e-10
"""A relative change of rows that shows in float64 only."""
BFLOAT16 = 1e-3
"""Float16 inside does not explain a larger residual."""
EPS = sorted(
    [10 ** (x / 8) for x in range(-8 * 16, -8)]
    + [10.0**-x for x in range(2, 16)]
    + [torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)]
)
"""Sizes of eps that are told apart."""


@dataclass(slots=True)
class Reading:
    """What was read.

    Attributes:
        member: the choices, at the temperature that was given or at its own; ``None`` if no member
            gives the numbers.
        default_temperature: its own, where none is given.
        factor: what multiplies the mean over pairs.
        factor_words: the same in words, which are among the faults too.
        counted: the same where missing labels are counted; empty where they are not.
        views: the views, where the factor tells more of them than the member: their mean, or one
            of them twice.
        several_dimensions: whether labels of several dimensions were read too.
        nan_labels: what becomes of a missing label, a key of ``PHRASES``; empty if not read.
        renormalises: whether a dimension without a pair gives its weight to the others.
        choices: what else departs from a plain member by choice, in words.
        faults: what departs in another way than by a field of the member, in words.
        smallest: about the smallest denominator that was seen; a much smaller eps stays unknown.
        complete: whether all was read; if not, ties, eps and missing labels are unknown.
        float32: whether it computes float64 inputs in float32.
    """

    member: Member | None = None
    default_temperature: float | None = None
    factor: float = 1.0
    factor_words: str = ""
    counted: str = ""
    views: str = ""
    several_dimensions: bool = False
    nan_labels: str = ""
    renormalises: bool = False
    choices: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    smallest: float = 0.0
    complete: bool = False
    float32: bool = False


def read_structure(prober: Prober) -> Reading:
    """Read views, similarity, candidates, temperature, ties and label distance.

    Raises:
        NotFiniteError: a loss or gradient is not finite on ordinary rows.
        Exception: what the loss raises on the first probe.
    """
    reading = Reading()
    core = prober.plain(prober.rows, 0, prober.given)
    if fault := _oddity(prober, core):
        reading.faults.append(fault)
        return reading
    alive = _at_temperature(prober, reading, _structures(prober, reading, core), core)
    if not alive:
        return reading
    near = prober.fits([min(alive, key=_plainness)], core)[0]
    prober.value_ratio = core.loss / near.value if near.value else 1.0
    reading.complete = near.residual <= FITS
    _settle(prober, reading, alive, core)
    return reading


def _oddity(prober: Prober, core: Probe) -> str | None:
    """What its numbers show that no member shows."""
    if not bool(core.gradient.any()):
        equal = prober.probe(core.views, (core.labels > 1).double(), prober.given)
        if bool(equal.gradient.any()):
            return "no gradient reaches the embeddings unless labels are equal: " + ANOTHER
        return f"no gradient reaches the embeddings (the loss is {core.loss:.4g})"
    return None if repeats(prober, prober.rows) else RANDOM


def repeats(prober: Prober, n: int) -> bool:
    """Whether a batch of n rows gives the same numbers twice."""
    one, other = (prober.plain(n, 0, prober.given) for _ in range(2))
    moved = (one.gradient - other.gradient).norm() > 1e-4 * one.gradient.norm()
    return not bool(moved) and math.isclose(one.loss, other.loss, rel_tol=1e-5, abs_tol=1e-6)


# --- views, similarity and candidates ---------------------------------------------------------


def _views(prober: Prober, reading: Reading, core: Probe) -> tuple[str, ...]:
    """The possible ways to use the views; a view without a gradient is reported."""
    if prober.count == 1:
        return ("single",)
    reached = core.blocks.any(1).tolist()
    both = tuple(views for views in TWO_VIEWS if "only" not in views)
    if all(reached):
        return both
    at = reached.index(False)
    rows = list(core.views)
    rows[at] = rows[at].roll(1, 0)
    moved = prober.probe(tuple(rows), core.labels, prober.given)
    if math.isclose(moved.loss, core.loss, rel_tol=1e-7, abs_tol=1e-9):
        return ("second only" if at == 0 else "first only",)
    reading.faults.append(PHRASES["gradient"][("first_detached", "second_detached")[at]])
    return tuple(views for views in both if views != "averaged rows")


def _structures(prober: Prober, reading: Reading, core: Probe) -> list[Member]:
    """The members that give the gradient where all candidates weigh the same."""
    rows = core.views
    if torch.allclose(core.blocks[0], core.blocks[-1], rtol=1e-4, atol=0) and prober.count > 1:
        rows = ((rows[0] + rows[1]) / 2,) * 2
    flat = torch.cat(rows)
    gradient = core.gradient.view(flat.shape)
    along = (flat * gradient).sum(1).norm() / (flat.norm(dim=1) * gradient.norm(dim=1)).norm()
    normalised = bool(along < NEAR)
    views = make_rows(prober.rows, prober.count, 1, 1e-3)
    if normalised:
        base = make_rows(1, 1, 2)[0]
        views = tuple(v.norm(dim=1, keepdim=True) * 1e3 * (base + 10 * v) for v in views)
    probe = prober.probe(views, core.labels, prober.given)
    kinds = [kind for kind in SIMILARITIES if kind[1] == normalised]
    every = structures(_views(prober, reading, core), kinds)
    found = _plainest_fits(prober, every, probe)
    if not found:
        every = structures(_views(prober, reading, core), SIMILARITIES)
        return [replace(m, temperature=s) for m in every if m.faults() <= 1 for s in (1.0, -1.0)]
    if prober.detached:
        other = prober.probe(core.views, core.labels.roll(1, 0), prober.given)
        empty = math.isclose(other.loss, core.loss, rel_tol=1e-6)
        reading.faults.append(EMPTY if empty else PHRASES["gradient"]["contrast_detached"])
        if empty:
            return []
    drawn = {(f.member.views, f.member.similarity) for f in found}
    alike = [m for m in every if (m.views, m.similarity) in drawn]
    return [
        replace(f.member, temperature=math.copysign(1.0, f.factor))
        for f in prober.fits(alike, probe, warm=True)
        if f.residual <= WARM
    ]


def _plainest_fits(prober: Prober, every: list[Member], probe: Probe) -> list[Fit]:
    """The fits of the plainest explanation: first of nearly right members, then of all.

    It sets whether no gradient goes through the denominators.
    """
    nearly_right = [m for m in every if m.faults() <= 1]
    for members in (nearly_right, every):
        for detached in (False, True):
            prober.detached = detached
            found = [f for f in prober.fits(members, probe, warm=True) if f.residual <= WARM]
            if found:
                return found
    prober.detached = False
    return []


# --- temperature --------------------------------------------------------------------------------


def _at_temperature(
    prober: Prober, reading: Reading, members: list[Member], core: Probe
) -> list[Member]:
    """The members that fit, at their temperature; if none does, the nearest is reported."""
    if not members:
        return []
    if prober.given:
        at = [replace(m, temperature=m.temperature * prober.given) for m in members]
        if alive := prober.fitting(at, core):
            return alive
        if alive := _with_eps(prober, at, core):
            return alive
    # A squared distance of normalised rows is a cosine at half its temperature, which is plainer.
    members = [m for m in members if not (m.normalised and m.similarity == "squared")] or members
    # Members with the same sets give the same numbers: some of each are enough for a search.
    temperature = prober.nearest_temperature(sorted(members, key=Member.faults)[:60], core)
    at = [replace(m, temperature=m.temperature * temperature) for m in members]
    if alive := prober.fitting(at, core) or _with_eps(prober, at, core):
        return alive
    turned = [replace(m, temperature=abs(m.temperature) * (prober.given or 1.0)) for m in members]
    wrong_sign = [f.member for f in prober.fits(turned, core) if f.residual <= FITS]
    if wrong_sign:
        prober.sign = -1
        reading.faults.append("the gradient has the wrong sign")
        return wrong_sign
    at += [replace(m, temperature=m.temperature * (prober.given or 1.0)) for m in members]
    best = prober.fits(at, core)[0]
    if best.residual > NEAR:
        reading.faults.append(_why_unknown(prober, core))
        return []
    if not _is_quantised(prober, core, 1e-6):
        reading.faults.append(f"its gradient is off by {100 * best.residual:.1g} %")
        return [best.member]
    precision = "bfloat16" if best.residual > BFLOAT16 else "float16"
    reading.faults.append(PHRASES["precision"][precision])
    return [f.member for f in prober.fits(at, core) if f.residual <= 1.5 * best.residual]


def _with_eps(prober: Prober, members: list[Member], core: Probe) -> list[Member]:
    """The members that fit with one eps, so large that it shows on ordinary rows."""
    best = prober.fits(members, core)
    if best[0].residual > NEAR:
        return []
    near = [f.member for f in best if f.residual <= 1.5 * best[0].residual]
    for m in sorted(near, key=_plainness)[:4]:
        sizes = [replace(m, eps=e, eps_rule=r) for e in EPS for r in ("added", "floor")]
        if found := prober.fitting(sizes, core):
            own = {"eps": found[0].eps, "eps_rule": found[0].eps_rule}
            return prober.fitting([replace(m, **own) for m in members], core)  # type: ignore[arg-type]
    return []


def _is_quantised(prober: Prober, core: Probe, size: float) -> bool:
    """Whether a tiny relative change of the rows changes the gradient in jumps, or not at all."""
    moved = prober.probe(
        tuple(
            v * (1 + size * torch.cos(torch.arange(v.numel()).view_as(v).double()))
            for v in core.views
        ),
        core.labels,
        prober.given,
    )
    change = float((moved.gradient - core.gradient).norm() / core.gradient.norm())
    return not 0.02 * size < change < 50 * size


def _why_unknown(prober: Prober, core: Probe) -> str:
    other = prober.probe(core.views, core.labels.roll(1, 0), prober.given)
    if math.isclose(other.loss, core.loss, rel_tol=1e-6, abs_tol=1e-9):
        return "its numbers do not depend on how far apart the labels are: " + ANOTHER
    return "its numbers follow no member of the family: " + ANOTHER


# --- ties and label distance ---------------------------------------------------------------------


def _settle(prober: Prober, reading: Reading, alive: list[Member], core: Probe) -> None:
    """Read the rule on ties and the label distance, and take the plainest member left."""
    n = prober.rows
    tied = torch.tensor([0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0])[: n + 2, None].double()
    probe = prober.probe(make_rows(n + 2, prober.count, 1), tied, prober.given)
    alive = _left(prober, reading, alive, probe, "equal labels")
    if prober.several:
        labels = make_labels(n + 1, 3, 2)
        with suppress(Exception):  # it takes labels of one dimension only
            probe = prober.probe(make_rows(n + 1, prober.count, 2), labels, prober.given)
            reading.several_dimensions = True
    if reading.several_dimensions:
        several = [
            replace(m, label_distance=how) for m in alive for how in PHRASES["label_distance"]
        ]
        alive = _left(prober, reading, several, probe, "several label dimensions")
    reading.member = min(alive, key=_plainness)
    reading.float32 = _is_quantised(prober, core, IN_FLOAT64)


def _plainness(m: Member) -> tuple[float, bool, bool]:
    """Orders members that give the same numbers: the plainest first."""
    halved = m.normalised and m.similarity == "squared" and abs(m.temperature) != 1
    return m.faults() + 0.5 * (m.self_candidate == "always"), m.measured in WHOLE, halved


def _left(
    prober: Prober, reading: Reading, alive: list[Member], probe: Probe, on: str
) -> list[Member]:
    """The members whose gradient fits this probe too; if none does, the plainest, with a fault."""
    left = prober.fitting(alive, probe)
    if left:
        return left
    plainest = min(alive, key=_plainness)
    if not any(words in reading.faults for words in PHRASES["precision"].values()):
        order = torch.arange(len(probe.labels)).roll(2).flip(0)
        views = tuple(v[order] for v in probe.views)
        other = prober.probe(views, probe.labels[order], prober.given)
        by_order = not math.isclose(other.loss, probe.loss, rel_tol=1e-5)
        reading.faults.append(ORDER_DECIDES if by_order else f"another loss on {on}")
    reading.complete = False
    return [plainest]
