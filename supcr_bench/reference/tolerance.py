r"""Derives how far rounding may move a correct implementation from the exact loss and gradient.

Notation: u is the unit round-off of the dtype, tau the temperature, d the embedding size, M the
valid rows of a label dimension. Rounding errors are taken as independent with mean zero, so that n
of them in a row contribute sqrt(n) u rather than n u (Higham and Mary, "A new approach to
probabilistic rounding error analysis", SIAM J. Sci. Comput. 41(5), 2019, theorem 3.1).

*Logits.* Normalising a row costs sqrt(d)/2 u for the norm and 2 u for root and division; the dot
product of two unit rows sqrt(d) u; the rounded temperature and the division 1 u each. With two
rows: E = (2 sqrt(d) + 5) u / tau, in absolute terms, since a cosine is at most 1.

*Value.* Each term log(contrast) - s(i,j) is 2-Lipschitz in the logits (in the maximum norm: the
log-sum-exp is 1-Lipschitz whatever its candidates, and so is s; a floor does not change that). Exp,
a sum of up to M positive terms, quotient and log add (sqrt(M) + 4) u. Averaging over pairs does not
enlarge this error, the views are summed, and adding up 2 M^2 terms one after the other costs lambda
sqrt(2) M u relative to the sum. If one rounding has a standard deviation of about a quarter of its
bound, lambda = 2 is eight standard deviations: no other slack is added in this term.

    |L_c - L_c^ref|  <=  V (2 E + (sqrt(M) + 4) u)  +  2 sqrt(2) M u L_c^ref

*Gradient.* Row i of a view receives

    g_i  =  (1 / (M (M-1))) sum_k (G(i,k) + G(k,i)) (v_k - cos(i,k) v_i) / (tau |v_i|)

with unit v, and G = softmax mass minus 1: absolute mass at most 2 (M-1) in the row and, on average,
as much in the column. A logit error of E moves each softmax weight by a factor of 1 + 2 E, sums and
products by 1 + (sqrt(M) + 4) u:

    |g_i - g_i^ref|  <=  4 / (M tau |v_i|)  (2 E + (sqrt(M) + 4) u)

*Distances* in place of cosines: s is at most R / tau in size, so E carries a factor R, the largest
distance; a gradient's unit vectors (v_i - v_k) / |v_i - v_k| lose a factor R over the smallest
distance (1 over it between unit rows), and raw rows have no |v_i| to divide by. *Products and
squared distances* likewise, with their largest size in place of R; their derivative w.r.t. a row is
as long as the longest row, or 2 R. A row's distance to itself, where it is a candidate, may come
from products, as torch.cdist computes it, and is then the root of u R^2 in place of 0.

Rounding decides whether a contrast within E of its floor passes its gradient; each such pair may
move a row by 2 / (M (M-1) tau |v_i|). Candidates whose label distances rounding may order either
way move value and gradient by the sum that :mod:`supcr_bench.reference.reference` bounds.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from supcr_bench.reference.reference import Reference, logit_error
from supcr_bench.values.case import UNIT_ROUNDOFF
from supcr_bench.values.definition import NORMALISED

LEAST_SEPARATION = 1e-3
"""Distances below this share of the largest are not resolved: two rows so close count as one."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Absolute tolerances of a batch: its loss, its per-dimension losses [D], gradients [N]."""

    loss: float
    parts: Tensor
    gradients: tuple[Tensor, ...]


def bounds_of(reference: Reference, dtype: str | None = None) -> Bounds:
    """The tolerances of an answer in a dtype, by default that of the inputs."""
    dtype = dtype or reference.batch.dtype
    u, parts = UNIT_ROUNDOFF[dtype], _of_parts(reference, dtype)
    # Weighting is a product, a sum of D terms and a quotient: 4 u of the result.
    loss = float((parts * reference.shares.abs()).sum()) + 4 * u * abs(float(reference.loss))
    return Bounds(loss, parts, _of_gradients(reference, dtype))


def _term_error(reference: Reference, dtype: str, m: int) -> float:
    """Error of one term: from its logits, and from exp, sum, quotient and log."""
    definition, spread, u = reference.definition, max(reference.spread, 1.0), UNIT_ROUNDOFF[dtype]
    error = 2 * logit_error(reference.batch, definition, dtype, spread) + (math.sqrt(m) + 4) * u
    if "negative_euclidean" in definition.similarity and definition.self_candidate != "never":
        error += math.sqrt(u) * spread / definition.temperature
    return error


def _of_parts(reference: Reference, dtype: str) -> Tensor:
    """Absolute tolerance of each per-dimension loss: [D] float64."""
    u, views = UNIT_ROUNDOFF[dtype], 2 if reference.definition.views == "sum" else 1
    bounds = []
    for m, loss, ties in zip(
        reference.valid_rows, reference.per_dimension.tolist(), reference.near_ties, strict=True
    ):
        summation = 2 * math.sqrt(2) * m * u * abs(loss)
        terms = views * _term_error(reference, dtype, m)
        bounds.append(terms + summation + ties[0] if m >= 2 else 0.0)
    return torch.tensor(bounds, dtype=torch.float64)


def _of_gradients(reference: Reference, dtype: str) -> tuple[Tensor, ...]:
    """Absolute tolerance of each row of each view's gradient: [N] float64."""
    definition, (_, d, _) = reference.definition, reference.batch.size
    direction = 0.0
    if "negative_euclidean" in definition.similarity and reference.spread > 0:
        size = max(reference.spread, float(definition.similarity in NORMALISED))
        closest = max(reference.closest, LEAST_SEPARATION * size)
        direction = (math.sqrt(d) + 4) * UNIT_ROUNDOFF[dtype] * size / closest
    bound = 0.0
    for m, near, ties, arriving in zip(
        reference.valid_rows,
        reference.near_floor,
        reference.near_ties,
        reference.arriving.tolist(),
        strict=True,
    ):
        if m < 2:
            continue
        terms = 4 / m * (_term_error(reference, dtype, m) + direction)
        flips = 2 * near / (m * (m - 1)) + ties[1]
        bound += abs(arriving) * (terms + flips) * reference.steepest / definition.temperature
    views = [view.detach().cpu().double() for view in reference.batch.views_of(definition)]
    if definition.similarity not in NORMALISED:
        return tuple(torch.full((len(v),), bound, dtype=torch.float64) for v in views)
    tiny = torch.finfo(torch.float64).tiny
    return tuple(bound / v.norm(dim=1).clamp(min=tiny) for v in views)
