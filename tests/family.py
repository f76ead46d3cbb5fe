"""Any definition computed without the package: pair by pair, and as a loss that people write."""

import itertools
import math
from typing import Any, get_args

import torch
from torch import Tensor, nn

from supcr_bench.values.definition import (
    NO_SELF,
    NORMALISED,
    Call,
    Definition,
    LabelDistance,
    Similarity,
    Views,
)
from supcr_bench.values.implementation import Implementation

SIMILARITIES = get_args(Similarity)
LABEL_DISTANCES = get_args(LabelDistance)
EPS = ((None, "floor"), (1e-7, "floor"), (1e-8, "added"), (1e-2, "added"))
RATIO_EPS = ((1e-8, "ratio"), (1e-6, "ratio_floor"), (1e-8, "added_and_ratio"))
"""Rules of eps that are recognised, and that no implementation of this project computes."""
VIEWS = get_args(Views)
CHOICES = tuple(
    itertools.product(
        SIMILARITIES,
        LABEL_DISTANCES,
        ("drop_row_per_dimension", "drop_row", "unsupported"),
        EPS,
        VIEWS,
        ("never", "when_tied"),
        ("keeps_weight", "renormalise"),
    )
)


def definition_of(*choice: Any) -> Definition:
    """The definition of one row of ``CHOICES``, at a temperature that suits its similarity."""
    similarity, distance, missing, (eps, rule), views, itself, empty = choice
    if distance != "per_dimension":
        empty = "keeps_weight"
        missing = "drop_row" if missing == "drop_row_per_dimension" else missing
    calls: dict[str, Call] = {
        "single": "features_single_view",
        "concatenate": "features_two_views",
    }
    return Definition(
        name=f"{similarity} {distance} {missing} eps={eps} {rule} {views} self {itself} {empty}",
        similarity=similarity,
        views=views,
        self_candidate=itself,
        label_distance=distance,
        nan_labels=missing,
        empty_dimension=empty,
        eps=eps,
        eps_rule=rule,
        temperature=0.1 if similarity == "cosine" else 0.5 if "normalised" in similarity else 2.0,
        call=calls.get(views, NO_SELF.call),
    )


def label_groups(definition: Definition, labels: Tensor) -> list[tuple[list[int], Any]]:
    """The rows that count and a function for the distance of two of them, for each loss."""
    rows = range(len(labels))
    present = ~torch.isnan(labels)
    complete = [i for i in rows if all(present[i].tolist())]
    if definition.label_distance == "per_dimension":
        dropped = definition.nan_labels == "drop_row"
        return [
            (
                complete if dropped else [i for i in rows if bool(present[i, c])],
                lambda i, j, c=c: abs(labels[i, c] - labels[j, c]),
            )
            for c in range(labels.shape[1])
        ]

    def distance(i: int, j: int) -> Tensor:
        apart = (labels[i] - labels[j]).abs()
        if definition.label_distance == "l1":
            return apart.sum()
        return apart.max() if definition.label_distance == "max" else apart.norm()

    return [(complete, distance)]


def pair_similarity(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """s(a, b) of two embeddings; equal ones get a distance of 0 with a gradient of 0."""
    if kind in NORMALISED:
        a, b = a / a.norm(), b / b.norm()
    if kind in ("cosine", "dot"):
        return (a * b).sum()
    squared = ((a - b) ** 2).sum()
    if "squared" in kind:
        return -squared
    return -squared.sqrt() if float(squared.detach()) > 0 else 0 * squared


def pair_by_pair(
    definition: Definition,
    views: tuple[Tensor, ...],
    labels: Tensor,
    weights: Tensor,
    temperature: float,
) -> tuple[Tensor, list[Tensor]]:
    """Loss, per-dimension losses with a graph, every pair and candidate on its own."""
    if definition.views == "concatenate":
        views, labels = (torch.cat(views),), torch.cat((labels, labels))
    parts, counts = [], []
    for rows, delta in label_groups(definition, labels):
        total = 0 * torch.stack([view.sum() for view in views]).sum()
        for view, i, j in itertools.product(views, rows, rows):
            if i == j:
                continue
            candidates = [k for k in rows if bool(delta(i, k) >= delta(i, j))]
            if definition.self_candidate == "never":
                candidates = [k for k in candidates if k != i]
            logits = {
                k: pair_similarity(definition.similarity, view[i], view[k]) / temperature
                for k in candidates
            }
            contrast = torch.stack(list(logits.values())).logsumexp(0)
            if definition.eps:
                log_eps = torch.tensor(math.log(definition.eps), dtype=torch.float64)
                rule = definition.eps_rule
                if not rule.startswith("ratio"):
                    join = torch.maximum if rule == "floor" else torch.logaddexp
                    contrast = join(contrast, log_eps)
                if "ratio" in rule:
                    join = torch.maximum if rule == "ratio_floor" else torch.logaddexp
                    logits[j] = join(logits[j], log_eps + contrast)
            total = total + contrast - logits[j]
        m = len(rows)
        if definition.views == "mean":
            total = total / 2
        parts.append(total / (m * (m - 1)) if m > 1 else total * 0)
        counts.append(m)
    if definition.label_distance != "per_dimension":
        return parts[0], parts
    shares = [float(w) for w in weights]
    if definition.empty_dimension == "renormalise":
        shares = [w if m > 1 else 0.0 for w, m in zip(shares, counts, strict=True)]
    whole = torch.tensor(shares, dtype=torch.float64)
    return (whole / whole.sum().clamp(min=1e-30) * torch.stack(parts)).sum(), parts


class FamilyLoss(nn.Module):
    """A right loss of any definition, by a log-sum-exp for each pair of rows."""

    weights: Tensor | None

    def __init__(
        self,
        definition: Definition,
        temperature: float | None = None,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.definition = definition
        self.temperature = temperature or definition.temperature
        self.register_buffer("weights", weights)

    def forward(self, *arguments: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        *given, labels = arguments
        views = list(given[0].unbind(1)) if given[0].ndim == 3 else given
        if torch.isinf(labels).any():
            raise ValueError("a label is infinite")
        if self.definition.nan_labels == "unsupported" and torch.isnan(labels).any():
            raise ValueError("a label is missing")
        dtype = given[0].dtype
        with torch.autocast(given[0].device.type, enabled=False):
            own = [v.to(torch.promote_types(dtype, torch.float32)) for v in views]
            loss, parts = self.compute(own, labels)
        if self.definition.label_distance != "per_dimension":
            return loss.to(dtype)
        return loss.to(dtype), parts.to(dtype)

    def compute(self, views: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        definition = self.definition
        if definition.views == "concatenate":
            views, labels = [torch.cat(views)], labels.repeat(2, 1)
        missing = torch.isnan(labels)
        if definition.nan_labels == "drop_row" or definition.label_distance != "per_dimension":
            missing = missing.any(dim=1, keepdim=True).expand_as(missing)
        columns = [labels]
        if definition.label_distance == "per_dimension":
            columns = [labels[:, [c]] for c in range(labels.shape[1])]
        parts, counts = [], []
        for c, y in enumerate(columns):
            rows = ~missing[:, c]
            each = [self.ranked(view[rows], self.apart(y[rows])) for view in views]
            parts.append(torch.stack(each).sum())
            counts.append(int(rows.sum()))
        losses = torch.stack(parts) / (2 if definition.views == "mean" else 1)
        weights = torch.ones_like(losses) if self.weights is None else self.weights.to(losses)
        if definition.empty_dimension == "renormalise":
            weights = weights * (torch.tensor(counts) > 1)
        return (losses * weights).sum() / weights.sum().clamp(min=1e-30), losses

    def apart(self, y: Tensor) -> Tensor:
        each = (y[:, None] - y[None]).abs()
        if self.definition.label_distance == "max":
            return each.max(-1).values if len(y) else each.sum(-1)
        return each.norm(dim=-1) if self.definition.label_distance == "l2" else each.sum(-1)

    def similarities(self, rows: Tensor) -> Tensor:
        kind = self.definition.similarity
        if kind in NORMALISED:
            rows = nn.functional.normalize(rows, dim=1)
        if kind in ("cosine", "dot"):
            return rows @ rows.T
        difference = rows[:, None] - rows[None]
        return -difference.square().sum(-1) if "squared" in kind else -difference.norm(dim=-1)

    def ranked(self, rows: Tensor, apart: Tensor) -> Tensor:
        m = len(rows)
        if m < 2:
            return rows.sum() * 0
        logits = self.similarities(rows) / self.temperature
        itself = torch.eye(m, dtype=torch.bool)
        total = rows.new_zeros(())
        for partners in torch.split(torch.arange(m), max(1, 2**18 // m**2)):
            candidates = apart[:, None] >= apart[:, partners, None]
            if self.definition.self_candidate == "never":
                candidates = candidates & ~itself[:, None]
            masked = logits[:, None].masked_fill(~candidates, -math.inf)
            pairs = ~itself[:, partners]
            contrast = masked[pairs].logsumexp(-1)
            total = total - self.log_ratio(logits[:, partners][pairs], contrast).sum()
        return total / (m * (m - 1))

    def log_ratio(self, logits: Tensor, contrast: Tensor) -> Tensor:
        rule, eps = self.definition.eps_rule, self.definition.eps
        if not eps:
            return logits - contrast
        log_eps = torch.full_like(contrast, math.log(eps))
        if not rule.startswith("ratio"):
            contrast = (torch.maximum if rule == "floor" else torch.logaddexp)(contrast, log_eps)
        if "ratio" not in rule:
            return logits - contrast
        ratio = (logits - contrast).exp()
        return (ratio.clamp(min=eps) if rule == "ratio_floor" else ratio + eps).log()


def right_implementation(definition: Definition) -> Implementation:
    """An implementation of that definition, which takes weights where they have a meaning."""

    def weighted(temperature: float | None = None, weights: Tensor | None = None) -> FamilyLoss:
        return FamilyLoss(definition, temperature, weights)

    def whole(temperature: float | None = None) -> FamilyLoss:
        return FamilyLoss(definition, temperature)

    factory = weighted if definition.label_distance == "per_dimension" else whole
    return Implementation(name="right", title="right", source="test", factory=factory)
