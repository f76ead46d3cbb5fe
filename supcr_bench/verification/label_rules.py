"""Reads what a loss does with nearly equal labels, dimension weights and missing labels."""

import math
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from supcr_bench.verification.evaluate import evaluate
from supcr_bench.verification.family import DETACHED, Member
from supcr_bench.verification.phrases import NEAR_TIES, PHRASES, ROUNDED
from supcr_bench.verification.probes import (
    LABEL_STEPS,
    NotFiniteError,
    Probe,
    Prober,
    make_labels,
    make_rows,
)
from supcr_bench.verification.reading import Reading

COARSE = 1e-2
"""Labels of about 1 that are rounded to larger steps give another loss."""
STARTS = 40
"""The number of places along the labels at which a small difference is tried."""
LARGE = 64
"""Labels that are so many steps apart show what else a loss does that rounds them."""
BELOW = 0.45
"""Differences are less than a half of a power of ten, which is a tolerance that people choose."""


def read_tolerance(prober: Prober, reading: Reading, member: Member) -> None:
    """Find the difference below which two label distances count as equal.

    Labels whose differences count in some places and not in others are rounded. The more of the
    ``STARTS`` differences count, the smaller are the steps.
    """
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
        step, above = difference, 10 * difference
        while above > 1.01 * step:
            middle = math.sqrt(step * above)
            counts = bool(prober.fitting([member], probed(middle)))
            step, above = (step, middle) if counts else (middle, above)
        words = f"label differences below about {step:.1g} {NEAR_TIES}"
    if step <= COARSE:
        reading.choices.append(words)
        return
    small = PHRASES["labels"]["small"]  # which this explains
    reading.faults = [fault for fault in reading.faults if fault != small] + [words]
    prober.label_unit *= 2.0 ** math.ceil(math.log2(LARGE * LABEL_STEPS * step))
    reading.complete = prober.label_unit * LABEL_STEPS < prober.most_label


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
    prober: Prober,
    member: Member,
    rows: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
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
        parts = [
            evaluate([member], rows, own)[1][0]
            for own in (kept.T.unsqueeze(2) if alone else [kept])
        ]
        gradients = [p[1] if member.gradient == DETACHED else p.sum(0) for p in parts]
        columns = torch.stack(gradients, 1)[probe.reached]
        shares = torch.linalg.lstsq(columns, goal.unsqueeze(1), driver="gelsd").solution[:, 0]
        rest = (columns @ shares - goal).norm() / goal.norm()
        if rest <= prober.limit and bool((shares >= -prober.limit).all()):
            return rule, shares
    return "other", shares
