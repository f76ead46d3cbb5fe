"""The reference: value and gradient of any definition, in float64 on the CPU.

A :class:`~supcr_bench.values.definition.Definition` says which loss of the family to compute; the
same code computes all of them. Label distances are computed in the labels' own dtype, because a
definition compares the labels as given: 0.1, 0.2, 0.3 are equally spaced on paper, but not in
float32. A distance over several dimensions is a sum, whose rounding depends on the order of
summation: two candidates whose distances differ by no more may change places in a right
implementation too, and a term of the loss then has one candidate more or fewer.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.reference.contrast import Method as Method
from supcr_bench.reference.contrast import contrast_sums
from supcr_bench.values.case import UNIT_ROUNDOFF
from supcr_bench.values.definition import NORMALISED, Definition

TERMS_PER_BLOCK = 2**21
"""Most terms in a block: anchors times candidates, or undecided pairs times candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Label distances of M rows as the labels' dtype rounds them, and their doubt.

    Attributes:
        delta: [M, M] float64.
        doubt: [M, M] float64, how far another order of summation may move each; 0 where it is
            exact. ``None`` where all are.
        key: [M, M] float64, equal where the differences by dimension are: such distances are
            rounded alike.
    """

    delta: Tensor
    doubt: Tensor | None = None
    key: Tensor | None = None


def joint_distances(difference: Tensor, kind: str) -> Distances:
    """The ``kind`` (l1, l2 or max) of [M, M, D] absolute differences, in the labels' dtype."""
    if kind == "max":
        return Distances(difference.amax(dim=2).double())
    delta = (difference.sum(dim=2) if kind == "l1" else difference.norm(dim=2)).double()
    terms = difference if kind == "l1" else difference.square()
    dims, rounding = difference.shape[2], torch.finfo(difference.dtype).eps
    inexact = terms.sum(dim=2).double() != terms.double().sum(dim=2)
    if kind == "l2":
        inexact |= (terms.double() != difference.double().square()).any(dim=2)
    if dims < 2 or not bool(inexact.any()):
        return Distances(delta)
    weights = torch.arange(2, dims + 2, dtype=torch.float64).sqrt()
    key = (difference.double() * weights).sum(dim=2)
    return Distances(delta, torch.where(inexact, dims * rounding * delta, 0.0), key)


def undecided(logits: Tensor, distances: Distances, *, with_itself: bool) -> tuple[float, float]:
    """A bound on how far all near ties together move the sum of contrasts, and a row's gradient.

    The first is over pairs and views, the second on the absolute sum of its derivatives by the
    logits of any one row, as anchor and as candidate. ``logits`` are [V, M, M] float64, s of each
    view; ``with_itself`` says whether an anchor may be its own candidate.
    """
    value, rows = 0.0, torch.zeros(logits.shape[0], logits.shape[1], dtype=torch.float64)
    for i, fewest, most in _undecided_candidates(distances):
        if not with_itself:
            own = torch.zeros_like(most)
            own[torch.arange(len(i)), i] = True
            fewest, most = fewest & ~own, most & ~own
        some, all_ = (logits[:, i].masked_fill(~c, -torch.inf) for c in (fewest, most))
        value += float((all_.logsumexp(2) - some.logsumexp(2)).sum())
        moved = (all_.softmax(2) - some.softmax(2)).abs()
        rows += moved.sum(1)
        rows.index_add_(1, i, moved.sum(2))
    return value, float(rows.max()) if rows.numel() else 0.0


def _undecided_candidates(distances: Distances) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield anchors [B] of pairs with near ties, and their fewest and most candidates."""
    if distances.doubt is None or distances.key is None:
        return
    m = len(distances.delta)
    for anchors in torch.split(torch.arange(m), max(1, TERMS_PER_BLOCK // m)):
        delta, doubt = distances.delta[anchors], 2 * distances.doubt[anchors]
        key = distances.key[anchors]
        near = _between(delta, delta - doubt, delta + doubt)
        alike = _between(key, key, key)
        itself = anchors.unsqueeze(1) == torch.arange(m)
        at, j = torch.nonzero((near > alike) & ~itself, as_tuple=True)
        for some in torch.split(torch.arange(len(at)), max(1, TERMS_PER_BLOCK // m)):
            a, b = at[some], j[some]
            own, reach = delta[a, b].unsqueeze(1), doubt[a, b].unsqueeze(1)
            fewest = (delta[a] > own + reach) | (key[a] == key[a, b].unsqueeze(1))
            yield anchors[a], fewest, delta[a] >= own - reach


def _between(values: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """How many values of each row lie between the limits, or at them."""
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, lower.contiguous())
    return torch.searchsorted(ordered, upper.contiguous(), right=True) - below


DIRECT_UP_TO = 128
"""Number of rows up to which the direct sums take a tenth of a second; twice as many take 1.5 s."""
SMALLEST_NORM = 1e-12
"""Floor of an embedding's norm, so that an all-zero row has similarity 0 to everything."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The value and gradient that the definition prescribes, for N rows and D label dimensions.

    Attributes:
        definition: at the temperature of the batch.
        per_dimension: [D], or [1] where the definition has one distance over all dimensions.
        gradients: d loss / d embeddings, one [N, d] for each view.
        arriving: gradient at each per-dimension loss: its own, and the part through the total.
        shares: the weight of each per-dimension loss in the total, as a share.
        spread: largest |s| before the division by the temperature; at most 1 for a cosine.
        closest: smallest distance of two different rows, for a similarity that is a distance.
        steepest: bound on |ds/dv|, the similarity's derivative w.r.t. a row, divided by its norm
            first where the similarity normalises rows.
        valid_rows: M, the number of labelled rows, of each dimension.
        near_floor: pairs whose contrast is so near the floor that rounding decides whether a
            gradient passes; one count for each dimension.
        near_ties: how far candidates whose label distances rounding may order either way move each
            per-dimension loss, and the logits' gradient in a row.
    """

    definition: Definition
    batch: Batch
    loss: Tensor
    per_dimension: Tensor
    gradients: tuple[Tensor, ...]
    arriving: Tensor
    shares: Tensor
    spread: float
    closest: float
    steepest: float
    valid_rows: tuple[int, ...]
    near_floor: tuple[int, ...]
    near_ties: tuple[tuple[float, float], ...]
    method: Method


def _similarity(rows: Tensor, definition: Definition) -> Tensor:
    if definition.similarity in NORMALISED:
        rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=SMALLEST_NORM)
    if definition.similarity in ("cosine", "dot"):
        return rows @ rows.T
    if definition.similarity.startswith("negative_squared"):
        return -(rows.unsqueeze(1) - rows.unsqueeze(0)).square().sum(dim=2)
    distance: Tensor = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return -distance


def _steepest(rows: Tensor, similarities: Tensor, definition: Definition) -> float:
    if definition.similarity == "dot":
        return float(rows.detach().norm(dim=1).max())
    if definition.similarity.startswith("negative_squared"):
        return 2 * math.sqrt(float(similarities.detach().abs().max()))
    return 1.0


def _label_groups(labels: Tensor, definition: Definition) -> Iterator[tuple[Tensor, Distances]]:
    """Valid rows [M] and their distances [M, M], for each per-dimension loss."""
    joint, missing = definition.label_distance != "per_dimension", torch.isnan(labels)
    if joint or definition.nan_labels == "drop_row":
        missing = missing.any(dim=1, keepdim=True).expand_as(missing)
    for c in range(1 if joint else labels.shape[1]):
        rows = torch.nonzero(~missing[:, c]).squeeze(1)
        y = labels[rows] if joint else labels[rows, c : c + 1]
        difference = (y.unsqueeze(1) - y.unsqueeze(0)).abs()
        rule = definition.label_distance if joint else "max"  # of one dimension it is the distance
        yield rows, joint_distances(difference, rule)


def logit_error(
    batch: Batch, definition: Definition, dtype: str | None = None, spread: float = 1.0
) -> float:
    """E: absolute error of one logit s(i,j), as :mod:`supcr_bench.reference.tolerance` derives it.

    ``dtype`` is that of the computation, by default that of the inputs; ``spread`` bounds the
    similarity before the division by tau, and is 1 for a cosine.
    """
    u, (_, d, _) = UNIT_ROUNDOFF[dtype or batch.dtype], batch.size
    return (2 * math.sqrt(d) + 5) * u * spread / definition.temperature


def compute_reference(
    definition: Definition,
    batch: Batch,
    *,
    method: Method | None = None,
    upstream: Tensor | None = None,
    value_only: bool = False,
) -> Reference:
    """Value and gradient of a definition, at the temperature of the batch if that has one.

    The batch has any dtype and device, and weights that are not all zero. By default its size
    decides the ``method``. The gradient [1 + D] arriving at (loss, per-dimension losses) is
    ``upstream``, by default that of the loss alone. With ``value_only`` the gradients are 0, and
    near floors and near ties are not counted. Raises a ValueError if a label is missing where the
    definition does not support that.
    """
    definition = definition.at(batch.temperature)
    if definition.nan_labels == "unsupported" and bool(torch.isnan(batch.labels).any()):
        raise ValueError(f"{definition.name} does not support NaN labels")
    margin = logit_error(batch, definition)
    leaves = [v.detach().cpu().double().requires_grad_() for v in batch.views_of(definition)]
    labels = batch.labels.detach().cpu()
    embeddings: list[Tensor] = leaves
    if definition.views == "concatenate":
        embeddings = [torch.cat(leaves)]
        labels = labels.repeat(2, 1)
    if method is None:
        method = "direct" if len(labels) <= DIRECT_UP_TO else "fast"

    groups = list(_label_groups(labels, definition))
    w = batch.weights.detach().cpu().double()
    if definition.label_distance != "per_dimension":
        w = torch.ones(1, dtype=torch.float64)
    counts = tuple(len(rows) for rows, _ in groups)
    kept = torch.tensor([m >= 2 for m in counts])
    share = torch.where(kept, w, 0) if definition.empty_dimension == "renormalise" else w
    share = share / share.sum().clamp(min=torch.finfo(torch.float64).tiny)
    arriving = share if upstream is None else upstream[0] * share + upstream[1:]

    spread, closest, steepest = 0.0, math.inf, 1.0
    parts: list[tuple[Tensor, int, tuple[float, float]]] = []  # loss, near floor, near ties
    for (rows, distances), m, factor in zip(groups, counts, arriving, strict=True):
        if m < 2:
            parts.append((torch.zeros((), dtype=torch.float64), 0, (0.0, 0.0)))
            continue
        similarities = [_similarity(e[rows], definition) for e in embeddings]
        for e, s in zip(embeddings, similarities, strict=True):
            steepest = max(steepest, _steepest(e[rows], s, definition))
            spread = max(spread, float(s.detach().abs().max()))
            apart = s.detach().abs()[s.detach() != 0]
            closest = min(closest, float(apart.min()) if len(apart) else math.inf)
        logits = [s / definition.temperature for s in similarities]
        stacked = torch.stack([s.detach() for s in logits])
        total, gradients, log_contrasts = contrast_sums(
            stacked, distances.delta, definition, method, value_only=value_only
        )
        scale = 1 / (m * (m - 1))
        if definition.views == "mean":
            scale /= 2
        if value_only:
            parts.append((total * scale, 0, (0.0, 0.0)))
            continue
        near = (log_contrasts - definition.log_eps).abs() <= margin * max(spread, 1.0)
        close = int(near.sum()) if "floor" in definition.eps_rule else 0
        itself = definition.self_candidate != "never"
        value, row = undecided(stacked, distances, with_itself=itself)
        parts.append((total * scale, close, (value * scale, row * scale)))
        # backward() of a scalar does not import sympy; with gradients as arguments it does.
        pairs = zip(logits, gradients, strict=True)
        torch.stack([(s * g).sum() for s, g in pairs]).sum().mul(scale * factor).backward()  # type: ignore[no-untyped-call]
    losses, near_floor, near_ties = zip(*parts, strict=True)
    per_dimension = torch.stack(losses)
    return Reference(
        definition=definition,
        batch=batch,
        loss=(per_dimension * share).sum(),
        per_dimension=per_dimension,
        gradients=tuple(
            torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves
        ),
        arriving=arriving,
        shares=share,
        spread=spread,
        closest=closest,
        steepest=steepest,
        valid_rows=counts,
        near_floor=near_floor,
        near_ties=near_ties,
        method=method,
    )
