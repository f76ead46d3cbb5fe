"""Seeded bugs of losses that follow ``rank-n-contrast`` and are called with [N, 2, d] features.

The loss is a sum over pairs of rows, an anchor and a partner.
"""

from functools import partial

from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightRankNContrast, euclidean
from supcr_bench.verification.bugs.seeded_bug import wrong

rnc = partial(wrong, right=RightRankNContrast)


def _cosine(self: RightRankNContrast, rows: Tensor) -> Tensor:
    unit = self.unit(rows)
    return unit @ unit.T


def _interleaved(self: RightRankNContrast, features: Tensor, labels: Tensor) -> Arranged:
    views, _ = RightRankNContrast.arrange(self, features, labels)
    return views, labels.repeat_interleave(2, dim=0)


BUGS = (
    rnc("rnc-cosine", ("similarity", "cosine"), similarity=_cosine),  # temperatures suit distances
    rnc(
        "rnc-squared-distance",
        ("similarity", "negative_squared_euclidean"),
        similarity=lambda self, rows: -euclidean(rows, rows).square(),
    ),
    rnc(
        "rnc-euclidean-labels",
        ("label_distance", "l2"),
        distances=lambda self, y: (y.unsqueeze(1) - y.unsqueeze(0)).norm(dim=2),
    ),
    rnc("rnc-self-always", ("self_candidate", "always"), self_candidate="always"),
    rnc("rnc-self-when-tied", ("self_candidate", "when_tied"), self_candidate="when_tied"),
    rnc("rnc-divided-by-rows", ("normaliser", "rows"), normaliser=lambda self, m, n: m),
    rnc(
        "rnc-first-view-only",
        ("views", "first only"),
        arrange=lambda self, features, labels: ((features[:, 0],), labels),
    ),
    rnc(
        "rnc-labels-interleaved: Repeats the labels in another order than the rows of both views.",
        arrange=_interleaved,
    ),
    rnc(
        "rnc-root-of-zero: Uses a square root, whose infinite derivative at 0 makes gradients NaN.",
        similarity=lambda self, rows: -(rows.unsqueeze(1) - rows).square().sum(dim=2).sqrt(),
    ),
    rnc(
        "rnc-first-label-only: Uses only the first label dimension.",
        read_labels=lambda self, labels: RightRankNContrast.read_labels(self, labels)[:, :1],
    ),
    rnc(
        "rnc-missing-label-as-zero: Takes a missing label for 0, where it promises no support.",
        caught_by="robustness",
        read_labels=lambda self, y: RightRankNContrast.read_labels(self, y.nan_to_num(0.0)),
    ),
    rnc("rnc-temperature-missing", ("temperature", "missing"), scaled=lambda self, s: s),
    rnc(
        "rnc-gradient-of-one-side: Detaches the candidates: a row gets a gradient as anchor only.",
        similarity=lambda self, rows: -euclidean(rows, rows.detach()),
    ),
)
