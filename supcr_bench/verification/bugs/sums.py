"""Seeded bugs in the sums: candidate sets, counts, missing labels and weights; of rank-n-contrast.

The loss is a sum over pairs of rows, an anchor and a partner. The candidates of a pair are the rows
in its denominator. M of the N rows have a label.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import (
    Arranged,
    RightNoSelf,
    RightRankNContrast,
    RightSupCR,
    euclidean,
)
from supcr_bench.verification.bugs.seeded_bug import wrong


def positions(_: object, delta: Tensor) -> Tensor:
    """The place of each distance in the sorted order of its row; ties get different places."""
    return delta.argsort(dim=1, stable=True).argsort(dim=1)


def _relative(self: RightSupCR, y: Tensor) -> Tensor:
    size = y.abs().unsqueeze(1) + y.abs().unsqueeze(0)
    return RightSupCR.distances(self, y) / size.clamp(min=1e-6)


def _with_diagonal(self: RightSupCR, s: Tensor, delta: Tensor, anchors: Tensor) -> Tensor:
    contrast = self.floor(self.log_contrast(s, self.candidates(delta, anchors)))
    return (contrast - s).sum()


def _first_count(self: Any, views: Sequence[Tensor], labels: Tensor) -> Tensor:
    parts = RightSupCR.losses(self, views, labels)
    rows = (~torch.isnan(labels)).sum(dim=0)
    pairs = (rows * (rows - 1)).clamp(min=1).to(parts)
    return parts * pairs / pairs[0]


def _selected(self: RightSupCR, view: Tensor, rows: Tensor) -> Tensor:
    chosen = torch.eye(len(view), dtype=view.dtype, device=view.device)[rows]
    return self.logits(chosen @ view)


def _renormalised(self: RightSupCR, parts: Tensor, labels: Tensor) -> Tensor:
    valid = (~torch.isnan(labels)).sum(dim=0) >= 2
    weights = torch.where(valid, self.dimension_weights(parts), 0.0)
    return (parts * weights).sum() / weights.sum().clamp(min=torch.finfo(parts.dtype).tiny)


def _weighted(self: RightSupCR, loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
    weights = self.dimension_weights(parts)
    return loss, parts * weights / weights.sum()


def _two_weights(self: RightSupCR, parts: Tensor) -> Tensor:
    if self.weights is None:
        return torch.ones(2).to(parts)
    return RightSupCR.dimension_weights(self, parts)


def _cosine(self: RightRankNContrast, rows: Tensor) -> Tensor:
    unit = self.unit(rows)
    return unit @ unit.T


def _interleaved(self: RightRankNContrast, features: Tensor, labels: Tensor) -> Arranged:
    views, _ = RightRankNContrast.arrange(self, features, labels)
    return views, labels.repeat_interleave(2, dim=0)


rnc = partial(wrong, right=RightRankNContrast)
BUGS = (
    wrong("strict-inequality", ("comparison", ">"), farther=torch.gt),
    wrong("reversed-inequality", ("comparison", "<="), farther=torch.le),
    wrong("reversed-strict-inequality", ("comparison", "<"), farther=torch.lt),
    wrong("self-always", ("self_candidate", "always"), self_candidate="always"),
    wrong("self-never", ("self_candidate", "never"), self_candidate="never"),
    wrong(
        "no-self-but-when-tied",
        ("self_candidate", "when_tied"),
        RightNoSelf,
        self_candidate="when_tied",
    ),
    wrong("no-self-but-always", ("self_candidate", "always"), RightNoSelf, self_candidate="always"),
    # Sums over sorted rows from the middle of a tie, so that the order of the rows matters.
    wrong("ties-by-position", ("ties", "by_position"), places=positions),
    wrong("no-self-ties-by-position", ("ties", "by_position"), RightNoSelf, places=positions),
    wrong(
        "labels-ignored: Takes every other row as a candidate, as InfoNCE does.",
        right=RightNoSelf,
        places=lambda self, delta: torch.zeros_like(delta),
    ),
    wrong(
        "signed-label-distance: Omits the absolute value of label differences.",
        distances=lambda self, y: y.unsqueeze(0) - y.unsqueeze(1),
    ),
    wrong(
        "relative-label-distance: Divides each label distance by the size of the two labels.",
        distances=_relative,
    ),
    wrong(
        "diagonal-summed: Adds the pairs of a row with itself to the sum, but not to their number.",
        anchor_sum=_with_diagonal,
    ),
    wrong(
        "divided-by-rows-squared",  # which counts the pairs of a row with itself
        ("normaliser", "rows_squared"),
        normaliser=lambda self, m, n: m * m,
    ),
    wrong(
        "divided-by-batch-pairs",
        ("normaliser", "batch_pairs"),
        normaliser=lambda self, m, n: n * (n - 1),
    ),
    wrong(
        "divided-by-batch-squared",  # which counts rows without a label too
        ("normaliser", "batch_squared"),
        RightNoSelf,
        normaliser=lambda self, m, n: n * n,
    ),
    wrong("divided-by-rows", ("normaliser", "rows"), normaliser=lambda self, m, n: m),
    wrong(
        "divided-by-batch", ("normaliser", "batch"), RightNoSelf, normaliser=lambda self, m, n: n
    ),
    wrong("not-divided", ("normaliser", "nothing"), normaliser=lambda self, m, n: 1),
    wrong(
        "nan-filled-with-zero",
        ("nan_labels", "zero"),
        read_labels=lambda self, labels: RightSupCR.read_labels(self, labels).nan_to_num(0.0),
    ),
    wrong(
        "rows-dropped-anywhere",
        ("nan_labels", "drop_row"),
        missing=lambda self, labels, c: labels.isnan().any(dim=1),
    ),
    wrong(
        "count-of-the-first-dimension: Divides each dimension's sum by the pairs in the first.",
        losses=_first_count,
    ),
    wrong(
        "mean-over-no-pairs: Divides 0 by 0 in a label dimension without pairs.",
        no_pairs=lambda self, views: RightSupCR.no_pairs(self, views) / 0,
    ),
    wrong(
        "zero-taken-for-missing: Treats a label of exactly 0 as missing.",
        missing=lambda self, labels, c: labels[:, c].nan_to_num(0.0) == 0,
    ),
    wrong(
        "selected-after-normalising: Drops unlabelled rows after normalising, so NaN in them "
        "reaches the gradient.",
        caught_by="relations",
        logits_among=lambda self, view, rows: self.logits(view)[rows][:, rows],
    ),
    wrong(
        "selected-by-multiplication: Multiplies unlabelled rows by 0, but 0 times NaN is NaN.",
        caught_by="relations",
        logits_among=_selected,
    ),
    wrong(
        "weights-ignored",
        ("weights", "ignored"),
        dimension_weights=lambda self, parts: torch.ones_like(parts),
    ),
    wrong(
        "weights-not-normalised",
        ("weights", "summed"),
        combine=lambda self, parts, labels: (parts * self.dimension_weights(parts)).sum(),
    ),
    wrong("weights-renormalised", ("empty_dimension", "renormalise"), combine=_renormalised),
    wrong(
        "weights-through-softmax: Normalises weights with a softmax: 0.7, 0.3 become 0.6, 0.4.",
        dimension_weights=lambda self, parts: RightSupCR.dimension_weights(self, parts).softmax(
            dim=0
        ),
    ),
    wrong(
        "averaged-twice: Divides the weighted mean of the per-dimension losses by their number.",
        combine=lambda self, parts, labels: RightSupCR.combine(self, parts, labels) / len(parts),
    ),
    wrong(
        "parts-returned-weighted: Returns per-dimension losses that are multiplied by weights.",
        answer=_weighted,
    ),
    wrong(
        "parts-detached: Returns per-dimension losses without a gradient.",
        answer=lambda self, loss, parts: (loss, parts.detach()),
    ),
    wrong(
        "two-dimensions-by-default: Uses two equal weights by default, whatever D is.",
        caught_by="robustness",
        dimension_weights=_two_weights,
    ),
    # Of losses that follow rank-n-contrast and are called with [N, 2, d] features.
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
