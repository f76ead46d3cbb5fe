"""Seeded bugs in the logits: views, temperature, similarity and the floor of the denominator."""

import math
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR, euclidean, joined
from supcr_bench.verification.bugs.seeded_bug import wrong


def _similarity_of_halves(self: RightSupCR, rows: Tensor) -> Tensor:
    own, other = rows.chunk(2, dim=1)
    return self.unit(own) @ self.unit(other).T


LOG_EPS = math.log(1e-7)


def _eps_added(_: object, contrast: Tensor) -> Tensor:
    return torch.logaddexp(contrast, torch.full_like(contrast, LOG_EPS))


def _floor_after_shift(self: Any, s: Tensor, chosen: Tensor) -> Tensor:
    top = s.detach().amax(dim=1, keepdim=True)
    return RightSupCR.log_contrast(self, s - top, chosen).clamp(min=LOG_EPS) + top


BUGS = (
    wrong("mean-of-views", ("views", "mean"), normaliser=lambda self, m, n: 2 * m * (m - 1)),
    # As SimCLR does.
    wrong("views-concatenated", ("views", "concatenate"), arrange=lambda self, *x: joined(*x)),
    wrong("first-view-twice", ("views", "first twice"), views=lambda self, a, b: (a, a)),
    wrong("second-view-twice", ("views", "second twice"), views=lambda self, a, b: (b, b)),
    wrong("first-view-only", ("views", "first only"), views=lambda self, a, b: (a,)),
    wrong("second-view-only", ("views", "second only"), RightNoSelf, views=lambda self, a, b: (b,)),
    wrong(
        "across-views: Compares each row of one view with the rows of the other, as CLIP does.",
        views=lambda self, a, b: (torch.cat((a, b), dim=1), torch.cat((b, a), dim=1)),
        similarity=_similarity_of_halves,
    ),
    wrong("temperature-missing", ("temperature", "missing"), scaled=lambda self, s: s),
    wrong(
        "temperature-squared",
        ("temperature", "squared"),
        scaled=lambda self, s: s / self.temperature / self.temperature,
    ),
    wrong(
        "temperature-multiplied",
        ("temperature", "multiplies"),
        RightNoSelf,
        scaled=lambda self, s: s * self.temperature,
    ),
    wrong(
        "temperature-hard-coded: Always uses the default temperature.",
        scaled=lambda self, s: s / 0.1,
    ),
    wrong(
        "temperature-of-the-numerator-only: Divides by the temperature in the numerator, but not "
        "in the denominator.",
        log_contrast=lambda self, s, chosen: RightSupCR.log_contrast(
            self, s * self.temperature, chosen
        ),
    ),
    wrong("dot-product", ("similarity", "dot"), similarity=lambda self, rows: rows @ rows.T),
    wrong(
        "negative-euclidean",
        ("similarity", "negative_euclidean"),
        similarity=lambda self, rows: -euclidean(rows, rows),
    ),
    wrong(
        "negative-squared-euclidean",
        ("similarity", "negative_squared_euclidean"),
        RightNoSelf,
        similarity=lambda self, rows: -(rows.unsqueeze(1) - rows).square().sum(dim=2),
    ),
    wrong(
        "columns-normalised: Normalises each column of the batch instead of each row.",
        norms=lambda self, rows: rows.norm(dim=0, keepdim=True),
    ),
    wrong(
        "norm-plus-constant: Adds 0.01 to every norm, to avoid a division by zero.",
        norms=lambda self, rows: RightSupCR.norms(self, rows) + 0.01,
    ),
    wrong(
        "scaled-by-columns: Divides similarities by the square root of d, as attention does.",
        logits=lambda self, rows: RightSupCR.logits(self, rows) / math.sqrt(rows.shape[1]),
    ),
    wrong("eps-added", ("eps", "added"), caught_by="robustness", floor=_eps_added),
    wrong(
        "no-floor", ("eps", "none"), caught_by="robustness", floor=lambda self, contrast: contrast
    ),
    # The definition no-self has no eps.
    wrong("no-self-eps-added", ("eps", "added"), RightNoSelf, "robustness", floor=_eps_added),
    wrong(
        "no-self-floor",
        ("eps", "floor"),
        RightNoSelf,
        "robustness",
        floor=lambda self, contrast: contrast.clamp(min=LOG_EPS),
    ),
    wrong(
        "floor-after-shift: Applies eps to denominators that are divided by their largest term.",
        log_contrast=_floor_after_shift,
    ),
)
