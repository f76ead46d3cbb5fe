"""Reads what a loss does with nearly equal labels, dimension weights and missing labels."""

import math
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from supcr_bench.verification.evaluate import evaluate
from supcr_bench.verification.family import Member
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.probes import Probe, Prober, make_labels, make_rows
from supcr_bench.verification.reading import Reading


def read_tolerance(prober: Prober, reading: Reading, member: Member) -> None:
    """Find the difference below which two label distances count as equal."""
    rows = make_rows(3, prober.count, 6)
    tied = torch.tensor([[0.0], [1.0], [1.0]]).double()
    for exponent in range(1, 7):
        labels = tied + torch.tensor([[0.0], [0.0], [0.5 * 10.0**-exponent]])
        probe = prober.probe(rows, labels, prober.given)
        as_ties = replace(probe, labels=tied)
        if not prober.fitting([member], probe) and prober.fitting([member], as_ties):
            words = f"label differences below about 1e-{exponent:02d} count as ties"
            reading.choices.append(words)
            return


def read_weights(prober: Prober, reading: Reading, member: Member) -> bool:
    """Find each label dimension's share when weights are given; return whether it is right."""
    if member.label_distance != "per_dimension" or not reading.several_dimensions:
        return True
    n, given = prober.rows + 1, torch.tensor([2.0, 1.0, 0.25], dtype=torch.float64)
    rows, labels = make_rows(n, prober.count, 2), make_labels(n, 3, 2)
    weights = given if prober.weights else None
    probe = prober.probe(rows, labels, prober.given, weights)
    alone = prober.probe(rows, labels[:, :1], prober.given)
    shares = missing_rule(prober, member, probe)[1] / missing_rule(prober, member, alone)[1].sum()
    if not prober.weights:
        return torch.allclose(shares, torch.full_like(given, 1 / 3), rtol=1e-3)
    known = {"ignored": torch.full_like(given, 1 / 3), "summed": given, "other": shares}
    if torch.allclose(shares, given / given.sum(), rtol=1e-3):
        return True
    how = next(how for how, w in known.items() if torch.allclose(shares, w, rtol=1e-3))
    reading.faults.append(PHRASES["weights"][how])
    return how == "ignored"


def read_missing(prober: Prober, reading: Reading, member: Member, *, shares: bool) -> bool:
    """Find out whether a loss drops a row with a missing label, and whether it counts the row.

    Args:
        prober: calls the loss.
        reading: the rule is stored here.
        member: the choices found so far.
        shares: whether its dimensions have the shares that they should have.
    """
    n = prober.rows + 2
    rows, labels = make_rows(n, prober.count, 8), make_labels(n, 3, 8)
    counted = False
    reading.nan_labels = "unsupported"
    with suppress(Exception):  # it refuses missing labels
        column = labels[:, :1].clone()
        column[2] = math.nan
        probe = prober.probe(rows, column, prober.given)
        rule, share = missing_rule(prober, member, probe)
        reading.nan_labels = rule
        if rule != "drop_row_per_dimension":
            return False
        whole = missing_rule(prober, member, prober.probe(rows, labels[:, :1], prober.given))[
            1
        ].sum()
        batch = 2 * n if member.joined else n
        labelled = batch - batch // n
        lost = labelled * (labelled - 1) / (batch * (batch - 1))
        counted = bool(torch.isclose(share.sum() / whole, torch.tensor(lost).double(), rtol=5e-2))
        joint = member.label_distance != "per_dimension"
        reading.nan_labels = "drop_row" if joint else rule
        if reading.several_dimensions:
            sparse = labels.clone()
            sparse[1, 1] = sparse[3, 2] = math.nan
            probe = prober.probe(rows, sparse, prober.given)
            reading.nan_labels = missing_rule(prober, member, probe)[0]
        if reading.several_dimensions and shares and not joint:
            empty = labels[:, :2].clone()
            empty[1:, 1] = math.nan
            share = missing_rule(prober, member, prober.probe(rows, empty, prober.given))[1]
            reading.renormalises = bool(torch.isclose(share[0], whole, rtol=1e-2))
    return counted


def missing_rule(prober: Prober, member: Member, probe: Probe) -> tuple[str, Tensor]:
    """The rule that a loss follows for missing labels, and each label dimension's share.

    Returns:
        a key of ``PHRASES["nan_labels"]``, and what multiplies the loss of each dimension, or of
        the joint distance.
    """
    missing = probe.labels.isnan()
    whole = missing.any(1, keepdim=True).expand_as(missing)
    filled = probe.labels.nan_to_num(0.0)
    alone = member.label_distance == "per_dimension"
    rules = {"drop_row": whole, "zero": torch.zeros_like(whole)}
    if alone or missing.shape[1] == 1:
        rules = {"drop_row_per_dimension": missing, **rules}
    goal = probe.gradient[probe.reached]
    for rule, left_out in rules.items():
        kept = filled.masked_fill(left_out, math.nan)
        parts = [
            evaluate([member], probe.views, labels)[1][0]
            for labels in (kept.T.unsqueeze(2) if alone else [kept])
        ]
        gradients = [part[1] if prober.detached else part.sum(0) for part in parts]
        columns = torch.stack(gradients, 1)[probe.reached]
        shares = torch.linalg.lstsq(columns, goal.unsqueeze(1), driver="gelsd").solution[:, 0]
        rest = (columns @ shares - goal).norm() / goal.norm()
        if rest <= prober.limit and bool((shares >= -prober.limit).all()):
            return rule, shares
    return "other", shares
