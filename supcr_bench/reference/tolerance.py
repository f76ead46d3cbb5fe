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
    definition, (_, d, _), u = reference.definition, reference.batch.size, UNIT_ROUNDOFF[dtype]
    spread = max(reference.spread, 1.0)
    logits, direction = 2 * logit_error(reference.batch, definition, dtype, spread), 0.0
    if "negative_euclidean" in definition.similarity:
        if definition.self_candidate != "never":
            logits += math.sqrt(u) * spread / definition.temperature
        if reference.spread > 0:
            size = max(reference.spread, float(definition.similarity in NORMALISED))
            closest = max(reference.closest, LEAST_SEPARATION * size)
            direction = (math.sqrt(d) + 4) * u * size / closest
    views = 2 if definition.views == "sum" else 1
    parts, row = [], 0.0
    for m, loss, near, ties, arriving in zip(
        reference.valid_rows,
        reference.per_dimension.tolist(),
        reference.near_floor,
        reference.near_ties,
        reference.arriving.tolist(),
        strict=True,
    ):
        if m < 2:
            parts.append(0.0)
            continue
        term = logits + (math.sqrt(m) + 4) * u  # the second from exp, sum, quotient and log
        parts.append(views * term + 2 * math.sqrt(2) * m * u * abs(loss) + ties[0])
        flips = 2 * near / (m * (m - 1)) + ties[1]
        row += abs(arriving) * (4 / m * (term + direction) + flips)
    row *= reference.steepest / definition.temperature
    of_parts = torch.tensor(parts, dtype=torch.float64)
    # Weighting is a product, a sum of D terms and a quotient: 4 u of the result.
    total = float((of_parts * reference.shares.abs()).sum()) + 4 * u * abs(float(reference.loss))
    lengths = [v.detach().cpu().double().norm(dim=1) for v in reference.batch.views_of(definition)]
    if definition.similarity not in NORMALISED:
        lengths = [torch.ones_like(length) for length in lengths]
    tiny = torch.finfo(torch.float64).tiny
    return Bounds(total, of_parts, tuple(row / length.clamp(min=tiny) for length in lengths))
