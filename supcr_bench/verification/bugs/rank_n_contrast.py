"""Seeded bugs of losses that follow ``rank-n-contrast`` and are called with [N, 2, d] features.

The loss is a sum over pairs of rows, an anchor and a partner.
"""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightRankNContrast
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.phrases import PHRASES


@wrong(RightRankNContrast, "similarity", named=PHRASES["similarity"]["cosine"])
def rnc_cosine(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Uses the cosine as similarity, with a temperature meant for distances."""
    unit = self.unit(rows)
    return unit @ unit.T


@wrong(RightRankNContrast, "similarity", named=PHRASES["similarity"]["negative_squared_euclidean"])
def rnc_squared_distance(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Uses the negative squared distance as similarity."""
    return -RightRankNContrast.similarity(self, rows).square()


@wrong(RightRankNContrast, "distances", named=PHRASES["label_distance"]["l2"])
def rnc_euclidean_labels(self: RightRankNContrast, y: Tensor) -> Tensor:
    """Uses the Euclidean distance of label vectors, not the L1 distance."""
    distance: Tensor = (y.unsqueeze(1) - y.unsqueeze(0)).norm(dim=2)
    return distance


@wrong(RightRankNContrast, "candidates", named=PHRASES["self_candidate"]["always"])
def rnc_self_always(self: RightRankNContrast, delta: Tensor, anchors: Tensor) -> Tensor:
    """Counts the anchor itself in every denominator."""
    itself = self.itself(delta, anchors).unsqueeze(1)
    return RightRankNContrast.candidates(self, delta, anchors) | itself


@seeded_bug(named=PHRASES["self_candidate"]["when_tied"])
class RncSelfWhenTied(RightRankNContrast):
    """Counts the anchor itself if its label ties with the partner's."""

    itself_when_tied = True


@wrong(RightRankNContrast, "normaliser", named=PHRASES["normaliser"]["rows"])
def rnc_divided_by_rows(self: RightRankNContrast, m: int, n: int) -> int:
    """Divides by the 2 N rows, and not by the number of pairs."""
    return m


@wrong(RightRankNContrast, "arrange", named=PHRASES["views"]["first only"])
def rnc_first_view_only(self: RightRankNContrast, features: Tensor, labels: Tensor) -> Arranged:
    """Uses only the first view of features [N, 2, d]."""
    return (features[:, 0],), labels


@wrong(RightRankNContrast, "arrange")
def rnc_labels_interleaved(self: RightRankNContrast, features: Tensor, labels: Tensor) -> Arranged:
    """Repeats the labels in another order than the rows of the two views."""
    views, _ = RightRankNContrast.arrange(self, features, labels)
    return views, labels.repeat_interleave(2, dim=0)


@wrong(RightRankNContrast, "similarity")
def rnc_root_of_zero(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Uses a square root, whose infinite derivative at 0 makes the gradient NaN."""
    return -(rows.unsqueeze(1) - rows.unsqueeze(0)).square().sum(dim=2).sqrt()


@wrong(RightRankNContrast, "read_labels")
def rnc_first_label_only(self: RightRankNContrast, labels: Tensor) -> Tensor:
    """Uses only the first label dimension."""
    return RightRankNContrast.read_labels(self, labels)[:, :1]


@wrong(RightRankNContrast, "read_labels", caught_by="robustness")
def rnc_missing_label_as_zero(self: RightRankNContrast, labels: Tensor) -> Tensor:
    """Takes a missing label for 0, where it promises no support."""
    return RightRankNContrast.read_labels(self, labels.nan_to_num(0.0))


@wrong(RightRankNContrast, "logits", named=PHRASES["temperature"]["missing"])
def rnc_temperature_missing(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Does not divide by the temperature."""
    return self.similarity(rows)


@wrong(RightRankNContrast, "similarity")
def rnc_gradient_of_one_side(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Detaches the candidates, so a row gets a gradient only as an anchor."""
    return -torch.cdist(rows, rows.detach(), compute_mode="donot_use_mm_for_euclid_dist")
