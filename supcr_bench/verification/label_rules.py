"""Reads what a loss does with labels: ties, label distances, dimension weights, missing labels."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from supcr_bench.verification.evaluate import evaluate
from supcr_bench.verification.family import CHANGED_LABELS, Member
from supcr_bench.verification.label_range import LabelRange
from supcr_bench.verification.phrases import NEAR_TIES, PHRASES, ROUNDED
from supcr_bench.verification.probes import (
    IN_FLOAT64,
    LABEL_STEPS,
    NotFiniteError,
    Probe,
    Prober,
    make_labels,
    make_rows,
    shortest,
)
from supcr_bench.verification.reading import Reading

ORDER_DECIDES = "ties taken by an order of rows (of a sort): equal labels are not treated alike"
OFF = "on a small batch, its gradient is off by"
FURTHER = "a term is added to the loss that depends on"
WEIGHTED = "the losses of the two views are weighted"
ANOTHER_ON = "another loss on"
BATCH_SCALES = (
    "similarities divided by a number that each batch has of its own, such as the mean distance of "
    "its rows"
)
FAR = 1024.0
"""Labels times this are far apart, and divided by it they are near."""
UNEQUAL = torch.tensor([0.0, 1.0, 4.0, 9.0, 15.0, 22.0, 32.0, 34.0], dtype=torch.float64)
"""Labels for the whole numbers below 8, with all distances different."""
NEAR_SHARE = 2.0**-12
"""This share of ``UNEQUAL``, added to whole numbers, makes their equal distances nearly equal."""
COARSE = 1e-2
"""Labels of about 1 that are rounded to larger steps give another loss."""
COARSE_SHARE = 1e-3
"""Label distances that count as equal though they differ by a larger share give another loss."""
STARTS = 40
"""The number of places along the labels at which a small difference is tried."""
LARGE = 64
"""Labels that are so many steps apart show what else a loss does that rounds them."""
BELOW = 0.45
"""Differences are less than a half of a power of ten, which is a tolerance that people choose."""


def settle(prober: Prober, reading: Reading, alive: list[Member], core: Probe) -> None:
    """Find the rule on ties and the label distance, and take the simplest member left."""
    complete = reading.complete
    # On few rows, labels that are rounded may order as their ranks do.
    alive = prober.fitting(alive, prober.plain(2 * prober.rows + 1)) or alive
    there = prober.fitting(alive, core) if complete else []
    ranked = not there or there[0].measured == "ranked"
    if not (ranked or read_relative_tolerance(prober, reading, min(there, key=plainness))):
        LabelRange(prober, there).read(reading)
    alive = _read_ties(prober, reading, alive)
    probe = _of_several_dimensions(prober)
    odd = PHRASES["labels"]["outliers"], NEAR_TIES
    if probe is not None and not any(fault.endswith(odd) for fault in reading.faults):
        reading.several_dimensions = True
        alive = _read_label_distance(prober, reading, alive, probe)
    member = min(alive, key=plainness)
    if member.ties != "by_value" and not member.keeps_partner:  # without ties, > equals >=
        member = member._replace(comparison=member.comparison[0])
    reading.member = member
    if member.measured == "ranked":  # whether a sort takes equal labels alike changes nothing else
        reading.complete = complete
    reading.float32 = prober.is_quantised(core, IN_FLOAT64)


def is_off(reading: Reading) -> bool:
    """Whether the member that was read gives the gradient but for a part."""
    return any(fault.startswith((OFF, FURTHER, WEIGHTED)) for fault in reading.faults)


def _read_ties(prober: Prober, reading: Reading, alive: list[Member]) -> list[Member]:
    """The members that fit where many label distances are equal too."""
    tied = torch.tensor([0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0])[: prober.rows + 2, None].double()
    for labels in (tied, torch.arange(8.0).roll(3)[:, None].double()):
        rows = make_rows(len(labels), prober.count, 1)
        probe = prober.probe(rows, labels)
        alive = _left(prober, reading, alive, probe, "equal labels")
        if f"{ANOTHER_ON} equal labels" in reading.faults:
            unequal = UNEQUAL[labels.long()]
            apart = (unequal, labels + NEAR_SHARE * unequal)
            fits = [bool(prober.fitting(alive, prober.probe(rows, y))) for y in apart]
            if any(fits):  # rounding does not change the order of distances that differ by more
                reading.faults[-1] = PHRASES["labels"]["scaled" if fits[1] else "transformed"]
            break
    return alive


def _of_several_dimensions(prober: Prober) -> Probe | None:
    """A probe with labels of three dimensions; ``None`` for a loss that takes one only."""
    if prober.several:
        n = prober.rows + 3
        labels = make_labels(n, 3, 2) * torch.tensor([4.0, 8.0, 16.0])
        with suppress(Exception):
            return prober.probe(make_rows(n, prober.count, 2), labels)
    return None


def _read_label_distance(
    prober: Prober, reading: Reading, alive: list[Member], probe: Probe
) -> list[Member]:
    """The members that fit on labels of several dimensions too."""
    labels = probe.labels
    ways = PHRASES["label_distance"]
    several = [m._replace(label_distance=way) for m in alive for way in ways]
    if not prober.fitting(several, probe):
        with suppress(Exception):  # it may refuse labels beyond a range
            farther = prober.probe(probe.views, 16 * labels)
            probe = farther if prober.fitting(several, farther) else probe  # for a tolerance
    before, complete = len(reading.faults), reading.complete
    alive = _left(prober, reading, several, probe, "several label dimensions")
    if len(reading.faults) > before:  # the rest is read with labels of one dimension
        n = len(labels)
        alike = torch.stack([labels[torch.arange(n).roll(k), 2] for k in range(3)], 1)
        if prober.fitting(several, prober.probe(probe.views, alike)):
            reading.faults[-1] = PHRASES["labels"]["rescaled"]  # dimensions spread alike
        reading.several_dimensions, reading.complete = False, complete
    elif not (BATCH_SCALES in reading.faults or is_off(reading)) and not prober.fitting(
        alive, prober.probe(probe.views, labels / 4)
    ):
        reading.faults.append(PHRASES["labels"]["small"])
    return alive


def plainness(m: Member) -> tuple[float, bool, bool]:
    """A sort key for members that give the same numbers, with the simplest first."""
    halved = bool(m.normalised) and m.similarity == "squared" and abs(m.temperature) != 1
    return m.faults() + 0.5 * (m.self_candidate == "always"), m.measured in CHANGED_LABELS, halved


def _left(
    prober: Prober, reading: Reading, alive: list[Member], probe: Probe, on: str
) -> list[Member]:
    """The members whose gradient fits this probe too; if none does, the simplest, with a fault."""
    left = prober.fitting(alive, probe)
    if left:
        return left
    plainest = min(alive, key=plainness)
    if is_off(reading):
        left = [prober.fits(alive, probe)[0].member]
    elif not any(words in reading.faults for words in PHRASES["precision"].values()):
        fault = f"{ANOTHER_ON} {on}"
        if not prober.keeps_order(probe):
            fault = ORDER_DECIDES
        elif left := _at_another_temperature(prober, alive, probe):
            fault = BATCH_SCALES
        reading.faults += [fault] if fault not in reading.faults else []
    reading.complete = False
    return left or [plainest]


def _at_another_temperature(prober: Prober, alive: list[Member], probe: Probe) -> list[Member]:
    """The members that fit a batch once its temperature is read from that batch alone."""
    some = sorted(alive, key=plainness)[:60]
    temperature = prober.nearest_temperature(some, probe)
    moved = {m._replace(temperature=m.temperature * temperature): m for m in some}
    return [moved[m] for m in prober.fitting(list(moved), probe)]


def read_tolerance(prober: Prober, reading: Reading, member: Member) -> None:
    """Find the difference below which two label distances count as equal.

    Labels whose differences count in some places and not in others are rounded. The more of the
    ``STARTS`` differences count, the smaller are the steps.
    """
    if any(words.endswith(NEAR_TIES) for words in reading.choices + reading.faults):
        return  # differences that are a share of the distance
    rows = make_rows(3, prober.count, 6)
    tied = torch.tensor([[0.0], [1.0], [1.0]]).double()

    def probed(difference: float, start: float = 0.0) -> Probe:
        labels = tied + torch.tensor([[0.0], [start], [start + difference]])
        return prober.probe(rows, labels)

    if PHRASES["labels"]["digits"] in reading.faults:
        return
    found = 0
    for exponent in range(6, 0, -1):
        probe = probed(BELOW * 10.0**-exponent)
        if prober.fitting([member], probe):  # larger differences count too
            break
        if prober.fitting([member], replace(probe, labels=tied)):
            found = exponent
    if not found:
        return
    difference = BELOW * 10.0**-found
    probes = (probed(difference, place * difference) for place in range(STARTS))
    crossed = sum(bool(prober.fitting([member], probe)) for probe in probes)
    if crossed:
        step = difference * STARTS / crossed
        words = f"{ROUNDED} about {step:.1g}"
    else:
        step = _largest(lambda size: not prober.fitting([member], probed(size)), difference)
        words = f"label differences below about {step:.1g} {NEAR_TIES}"
    if step <= COARSE:
        reading.choices.append(words)
        return
    small = PHRASES["labels"]["small"]  # which this explains
    reading.faults = [fault for fault in reading.faults if fault != small] + [words]
    prober.label_unit *= 2.0 ** math.ceil(math.log2(LARGE * LABEL_STEPS * step))
    reading.complete = prober.label_unit * LABEL_STEPS < prober.most_label


def _largest(ties: Callable[[float], bool], difference: float) -> float:
    """The largest difference that counts as none, between this one and ten times as much."""
    step, above = difference, 10 * difference
    while above > 1.01 * step:
        middle = math.sqrt(step * above)
        step, above = (middle, above) if ties(middle) else (step, middle)
    return step


def read_relative_tolerance(prober: Prober, reading: Reading, member: Member) -> bool:
    """Find the share of label distances below which their difference counts as none, if any.

    In the probe, the first row is as far from the last as from the second, but for that share. A
    loss with an absolute tolerance sees no tie there with labels ``LARGE`` times as far apart; one
    that sees it with labels near each other changes labels, not distances.
    """
    rows, moved = make_rows(4, prober.count, 6), torch.tensor([[0.0], [0.0], [0.5], [1.0]])
    equal, near = (torch.tensor(y).double().unsqueeze(1) for y in ((1, 0, 8, 2), (0, 2, 2, 2)))

    def ties(share: float, labels: Tensor = equal, size: float = 1.0) -> bool:
        probe = prober.probe(rows, size * (labels + share * moved))
        counts = prober.fitting([member], probe)
        return not counts and bool(prober.fitting([member], replace(probe, labels=labels)))

    found = 0.0
    for exponent in range(6, 0, -1):
        if not ties(BELOW * 10.0**-exponent):  # larger shares count too
            break
        found = BELOW * 10.0**-exponent
    if not found or ties(found, near) or not ties(found, equal, LARGE):
        return False
    share = _largest(ties, found)
    percent = shortest(100 * share, 2e-2)
    words = f"label distances that differ by less than about {percent:.3g} % {NEAR_TIES}"
    (reading.choices if share < 1.01 * COARSE_SHARE else reading.faults).append(words)
    return True


def read_weights(prober: Prober, reading: Reading, member: Member) -> bool:
    """Find each label dimension's share when weights are given; return whether it is right."""
    if member.label_distance != "per_dimension" or not reading.several_dimensions:
        return True
    n, given = prober.rows + 1, torch.tensor([2.0, 1.0, 0.25], dtype=torch.float64)
    rows, labels = make_rows(n, prober.count, 2), make_labels(n, 3, 2)
    equal = torch.full_like(given, 1 / 3)
    weights = given if prober.weights else None
    _, shares = missing_rule(prober, member, rows, labels, weights)
    shares = shares / missing_rule(prober, member, rows, labels[:, :1])[1].sum()
    if torch.allclose(shares, given / given.sum() if prober.weights else equal, rtol=1e-3):
        return True
    if not prober.weights:
        return False
    known = {"ignored": equal, "summed": given, "other": shares}
    how = next(how for how, w in known.items() if torch.allclose(shares, w, rtol=1e-3))
    reading.faults.append(PHRASES["weights"][how])
    return how == "ignored"


def read_missing(prober: Prober, reading: Reading, member: Member, *, shares: bool) -> bool:
    """Find the rule for missing labels; return whether rows with a missing label are counted.

    ``shares``: whether the label dimensions have the shares that they should have.
    """
    n = prober.rows + 2
    rows, labels = make_rows(n, prober.count, 8), make_labels(n, 3, 8)
    counted = False
    reading.nan_labels = "unsupported"
    with suppress(Exception):  # it refuses missing labels
        column = labels[:, :1].clone()
        column[2] = math.nan
        try:
            reading.nan_labels, share = missing_rule(prober, member, rows, column)
        except NotFiniteError:
            reading.nan_labels = "nan"
        if reading.nan_labels != "drop_row_per_dimension":
            return False
        whole = float(missing_rule(prober, member, rows, labels[:, :1])[1].sum())
        batch = 2 * n if member.joined else n
        labelled = batch - batch // n
        lost = labelled * (labelled - 1) / (batch * (batch - 1))
        counted = math.isclose(float(share.sum()) / whole, lost, rel_tol=5e-2)
        joint = member.label_distance != "per_dimension"
        if joint:
            reading.nan_labels = "drop_row"
        if reading.several_dimensions:
            sparse = labels.clone()
            sparse[1, 1] = sparse[3, 2] = math.nan
            reading.nan_labels, _ = missing_rule(prober, member, rows, sparse)
        if reading.several_dimensions and shares and not joint:
            empty = labels[:, :2].clone()
            empty[1:, 1] = math.nan
            share = missing_rule(prober, member, rows, empty)[1]
            reading.renormalises = math.isclose(float(share[0]), whole, rel_tol=1e-2)
    return counted


def missing_rule(
    prober: Prober, member: Member, rows: Tensor, labels: Tensor, weights: Tensor | None = None
) -> tuple[str, Tensor]:
    """The rule that a loss follows for missing labels, and each label dimension's share.

    Returns:
        a key of ``PHRASES["nan_labels"]``, and what multiplies the loss of each dimension, or of
        the joint distance.
    """
    probe = prober.probe(rows, labels, weights=weights)
    missing = labels.isnan()
    whole = missing.any(1, keepdim=True).expand_as(missing)
    alone = member.label_distance == "per_dimension"
    rules = {"drop_row": whole, "zero": torch.zeros_like(whole)}
    if alone or missing.shape[1] == 1:
        rules = {"drop_row_per_dimension": missing, **rules}
    goal = probe.gradient[probe.reached]
    for rule, left_out in rules.items():
        kept = labels.nan_to_num(0.0).masked_fill(left_out, math.nan)
        each = kept.T.unsqueeze(2) if alone else [kept]
        gradients = [evaluate([member], rows, own)[1][0] for own in each]
        columns = torch.stack(gradients, 1)[probe.reached]
        shares = torch.linalg.lstsq(columns, goal.unsqueeze(1), driver="gelsd").solution[:, 0]
        rest = (columns @ shares - goal).norm() / goal.norm()
        if rest <= prober.limit and bool((shares >= -prober.limit).all()):
            return rule, shares
    return "other", shares
