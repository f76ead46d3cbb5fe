"""The loss as data, with every choice that implementations get wrong, evaluated by brute force.

A :class:`Formula` holds the choices that make up a definition, and common wrong choices. Every
combination can be evaluated and compared with an implementation's numbers, which shows the
definition that it follows, or the fault that it has.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Problem
from supcr_bench.reference.answer import Answer
from supcr_bench.values.definition import Definition

PHRASES: dict[str, dict[str, str]] = {
    "comparison": {
        ">=": "candidates at least as far as the partner",
        ">": "strict inequality: candidates farther than the partner only",
        "<=": "reversed inequality: candidates at most as far as the partner",
        "<": "reversed and strict inequality: candidates nearer than the partner only",
    },
    "self_candidate": {
        "when_tied": "the anchor itself among the candidates when the partner's label ties with it",
        "never": "the anchor itself never among the candidates",
        "always": "the anchor itself always among the candidates",
    },
    "ties": {
        "by_value": "ties by value",
        "by_position": "ties taken by sort position: equal label distances are not treated alike",
    },
    "normaliser": {
        "pairs": "divided by M(M-1)",
        "rows_squared": "divided by M^2 in place of M(M-1)",
        "batch_pairs": "divided by N(N-1) in place of M(M-1): missing labels are counted",
        "batch_squared": "divided by N^2 in place of M(M-1)",
        "rows": "divided by M in place of M(M-1)",
        "batch": "divided by N in place of M(M-1)",
        "nothing": "not divided by the number of pairs",
    },
    "nan_labels": {
        "drop_row_per_dimension": "rows without a label dropped per dimension",
        "zero": "NaN labels filled with zero instead of dropped",
        "drop_row_anywhere": "rows dropped where any dimension is missing, not per dimension",
        "unsupported": "NaN labels not supported",
    },
    "views": {
        "sum": "the views' losses summed",
        "mean": "the mean of the views' losses",
        "concatenate": "the views concatenated into one batch",
        "single": "a single view",
        "first_twice": "the first view used twice",
        "second_twice": "the second view used twice",
        "second_only": "only the second view used",
    },
    "temperature": {
        "divides": "divided by the temperature",
        "missing": "the temperature missing",
        "squared": "divided by the temperature squared",
        "multiplies": "multiplied by the temperature",
    },
    "similarity": {
        "cosine": "cosine similarity",
        "dot": "dot product without normalisation",
        "negative_euclidean": "negative Euclidean distance",
        "negative_squared_euclidean": "negative squared Euclidean distance",
    },
    "label_distance": {
        "per_dimension": "one loss for each label dimension",
        "l1": "one L1 label distance over all dimensions",
        "l2": "one Euclidean label distance over all dimensions",
    },
    "weights": {
        "normalised": "weights normalised",
        "ignored": "the dimension weights ignored",
        "summed": "the dimension weights not normalised",
    },
    "empty_dimension": {
        "keeps_weight": "a dimension without a valid pair keeps its weight",
        "renormalise": "weights renormalised over the dimensions with a valid pair",
    },
    "eps": {
        "none": "no floor in the denominator",
        "floor": "denominator clamped at eps",
        "added": "eps added to the denominator",
    },
    "precision": {
        "own": "computed in the inputs' precision",
        "float32": "computed in float32 inside",
        "bfloat16": "computed in bfloat16 inside",
        "float16": "computed in float16 inside",
    },
    "gradient": {
        "full": "gradient through everything",
        "first_detached": "the first (perturbed) view's gradient detached",
        "second_detached": "the second (intact) view's gradient detached",
        "contrast_detached": "the denominator's gradient detached",
    },
}
"""A phrase for every choice that a field of a formula can hold."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A value for every choice; :data:`PHRASES` explains each.

    ``eps_value`` is the lower limit of the denominator, or the constant added to it.
    """

    comparison: str = ">="
    self_candidate: str = "when_tied"
    ties: str = "by_value"
    normaliser: str = "pairs"
    nan_labels: str = "drop_row_per_dimension"
    views: str = "sum"
    temperature: str = "divides"
    similarity: str = "cosine"
    label_distance: str = "per_dimension"
    weights: str = "normalised"
    empty_dimension: str = "keeps_weight"
    eps: str = "none"
    precision: str = "own"
    gradient: str = "full"
    eps_value: float = 1e-7

    @classmethod
    def of(cls, definition: Definition) -> "Formula":
        return cls(
            self_candidate=definition.self_candidate,
            nan_labels=definition.nan_labels,
            views=definition.views,
            similarity=definition.similarity,
            label_distance=definition.label_distance,
            empty_dimension=definition.empty_dimension,
            eps="none" if definition.eps is None else "floor",
            eps_value=definition.eps or 1e-7,
        )

    def variations(self) -> list["Formula"]:
        return [
            self.with_choice(name, choice)
            for name, choices in PHRASES.items()
            for choice in choices
            if choice != getattr(self, name) and choice != "unsupported"
        ]

    def with_choice(self, name: str, choice: str) -> "Formula":
        fields_of: dict[str, Any] = {name: choice}
        return replace(self, **fields_of)

    def differences(self, other: "Formula") -> list[str]:
        """The choices in which this formula differs from the other, in words."""
        return [
            PHRASES[f.name][getattr(self, f.name)]
            for f in fields(self)
            if f.name in PHRASES and getattr(self, f.name) != getattr(other, f.name)
        ]


def evaluate(formula: Formula, problem: Problem, *, gradient: bool = True) -> Answer:
    """Evaluate a formula by brute force in float64, with N^3 memory."""
    leaves = [v.detach().double().requires_grad_(gradient) for v in (problem.first, problem.second)]
    first, second = leaves
    if formula.gradient == "first_detached":
        first = first.detach()
    if formula.gradient == "second_detached":
        second = second.detach()
    labels = problem.labels
    stacks = {
        "sum": [first, second],
        "mean": [first, second],
        "concatenate": [torch.cat((first, second))],
        "single": [first],
        "first_twice": [first, first],
        "second_twice": [second, second],
        "second_only": [second],
    }[formula.views]
    if formula.views == "concatenate":
        labels = labels.repeat(2, 1)

    parts, counts = [], []
    for rows, delta in _groups(formula, labels):
        counts.append(len(rows))
        if len(rows) < 2:
            parts.append(torch.zeros((), dtype=torch.float64))
            continue
        total = torch.stack([_view_sum(formula, v[rows], delta, problem) for v in stacks]).sum()
        if formula.views == "mean":
            total = total / 2
        parts.append(total / _count(formula.normaliser, len(rows), len(labels)))
    vector = torch.stack(parts)
    loss = (vector * _shares(formula, problem, counts)).sum()
    gradients = tuple(torch.zeros_like(leaf) for leaf in leaves)
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
    return Answer(loss.detach(), vector.detach(), gradients)


def _groups(formula: Formula, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the rows and label distances of each loss, with distances in the labels' dtype."""
    missing = torch.isnan(labels)
    if formula.nan_labels == "zero":
        labels = labels.nan_to_num(0.0)
        missing = torch.zeros_like(missing)
    if formula.nan_labels == "drop_row_anywhere":
        missing = missing.any(dim=1, keepdim=True).expand_as(missing)
    if formula.label_distance == "per_dimension":
        groups = []
        for y, gone in zip(labels.unbind(1), missing.unbind(1), strict=True):
            rows = torch.nonzero(~gone).squeeze(1)
            groups.append((rows, (y[rows].unsqueeze(1) - y[rows].unsqueeze(0)).abs()))
        return groups
    rows = torch.nonzero(~missing.any(dim=1)).squeeze(1)
    difference = labels[rows].unsqueeze(1) - labels[rows].unsqueeze(0)
    l1 = formula.label_distance == "l1"
    return [(rows, difference.abs().sum(2) if l1 else difference.norm(dim=2))]


def _view_sum(formula: Formula, rows: Tensor, delta: Tensor, problem: Problem) -> Tensor:
    """Sum -log(exp s(i,j) / contrast(i,j)) over all i != j."""
    m = len(rows)
    s = _similarity(formula.similarity, rows)
    tau = problem.temperature
    s = {"divides": s / tau, "missing": s, "squared": s / tau**2, "multiplies": s * tau}[
        formula.temperature
    ]
    candidates = _candidates(formula, delta)
    terms = s.unsqueeze(1).expand(m, m, m).masked_fill(~candidates, -torch.inf)
    off = ~torch.eye(m, dtype=torch.bool)
    contrast = torch.logsumexp(terms[off], dim=1)
    if formula.eps == "floor":
        contrast = contrast.clamp(min=math.log(formula.eps_value))
    elif formula.eps == "added":
        contrast = torch.logaddexp(contrast, torch.full_like(contrast, math.log(formula.eps_value)))
    if formula.gradient == "contrast_detached":
        contrast = contrast.detach()
    return (contrast - s[off]).sum()


def _similarity(kind: str, rows: Tensor) -> Tensor:
    if kind == "cosine":
        unit = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
        cosine: Tensor = unit @ unit.T
        return cosine
    if kind == "dot":
        return rows @ rows.T
    squared: Tensor = (rows.unsqueeze(1) - rows.unsqueeze(0)).pow(2).sum(2)
    if kind == "negative_squared_euclidean":
        return -squared
    # The square root has no derivative at 0; there the gradient is 0 by convention.
    apart = squared > 0
    return -torch.where(apart, torch.where(apart, squared, 1.0).sqrt(), 0.0)


def _candidates(formula: Formula, delta: Tensor) -> Tensor:
    """Mask [i, j, k] of whether k is in the candidate set S(i,j)."""
    measure = delta
    if formula.ties == "by_position":
        measure = delta.argsort(dim=1, stable=True).argsort(dim=1)
    k, j = measure.unsqueeze(1), measure.unsqueeze(2)
    chosen = {">=": k >= j, ">": k > j, "<=": k <= j, "<": k < j}[formula.comparison]
    itself = torch.eye(len(delta), dtype=torch.bool).unsqueeze(1)
    if formula.self_candidate == "never":
        chosen = chosen & ~itself
    elif formula.self_candidate == "always":
        chosen = chosen | itself
    return chosen


def _count(normaliser: str, m: int, n: int) -> int:
    return {
        "pairs": m * (m - 1),
        "rows_squared": m * m,
        "batch_pairs": n * (n - 1),
        "batch_squared": n * n,
        "rows": m,
        "batch": n,
        "nothing": 1,
    }[normaliser]


def _shares(formula: Formula, problem: Problem, counts: list[int]) -> Tensor:
    """Return the weight of each per-dimension loss in the total."""
    if formula.label_distance != "per_dimension":
        return torch.ones(1, dtype=torch.float64)
    w = problem.weights.double()
    if formula.weights == "ignored":
        w = torch.ones_like(w)
    if formula.empty_dimension == "renormalise":
        w = torch.where(torch.tensor(counts) >= 2, w, 0.0)
    if formula.weights == "summed":
        return w
    return w / w.sum().clamp(min=torch.finfo(torch.float64).tiny)
