"""Seeded bugs of losses that follow ``rank-n-contrast`` and its call."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightRankNContrast
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong
from supcr_bench.verification.formula import PHRASES


@wrong(RightRankNContrast, "similarity", named=PHRASES["similarity"]["cosine"])
def rnc_cosine(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Takes the cosine as similarity, at the temperature meant for a distance. The first version's
    similarity with the later version's temperature of 2: an all but flat softmax."""
    unit = self.unit(rows)
    return unit @ unit.T


@wrong(RightRankNContrast, "similarity", named=PHRASES["similarity"]["negative_squared_euclidean"])
def rnc_squared_distance(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Takes the squared distance. A root saved: the order is the same, the softmax is not."""
    return -RightRankNContrast.similarity(self, rows).square()


@wrong(RightRankNContrast, "distances", named=PHRASES["label_distance"]["l2"])
def rnc_euclidean_labels(self: RightRankNContrast, y: Tensor) -> Tensor:
    """Takes the Euclidean distance of label vectors. For several labels it ranks otherwise."""
    distance: Tensor = (y.unsqueeze(1) - y.unsqueeze(0)).norm(dim=2)
    return distance


@wrong(RightRankNContrast, "candidates", named=PHRASES["self_candidate"]["always"])
def rnc_self_always(self: RightRankNContrast, delta: Tensor, anchors: Tensor) -> Tensor:
    """Leaves the diagonal in every denominator. At distance 0 it is the largest logit."""
    itself = self.itself(delta, anchors).unsqueeze(1)
    return RightRankNContrast.candidates(self, delta, anchors) | itself


@seeded_bug(named=PHRASES["self_candidate"]["when_tied"])
class RncSelfWhenTied(RightRankNContrast):
    """Treats the anchor as a candidate wherever a partner's label ties with its own. The other view
    of the same row always ties, so that it always competes with the anchor itself."""

    itself_when_tied = True


@wrong(RightRankNContrast, "normaliser", named=PHRASES["normaliser"]["rows"])
def rnc_divided_by_rows(self: RightRankNContrast, m: int, n: int) -> int:
    """Divides by 2 N. One of the two divisions, by n and by n - 1, was lost."""
    return m


@wrong(RightRankNContrast, "arrange", named=PHRASES["views"]["single"])
def rnc_first_view_only(self: RightRankNContrast, features: Tensor, labels: Tensor) -> Arranged:
    """Reads only [:, 0] of features [N, 2, d]. It runs, and drops half of the batch."""
    return (features[:, 0],), labels


@wrong(RightRankNContrast, "arrange")
def rnc_labels_interleaved(self: RightRankNContrast, features: Tensor, labels: Tensor) -> Arranged:
    """Repeats labels in another order than the views. Most rows get another row's label."""
    views, _ = RightRankNContrast.arrange(self, features, labels)
    return views, labels.repeat_interleave(2, dim=0)


@wrong(RightRankNContrast, "similarity")
def rnc_root_of_zero(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Takes the root of a sum of squares, whose derivative at 0 is infinite. The distance of a row
    to itself is masked afterwards, but 0 times an infinite derivative is NaN."""
    return -(rows.unsqueeze(1) - rows.unsqueeze(0)).square().sum(dim=2).sqrt()


@wrong(RightRankNContrast, "read_labels")
def rnc_first_label_only(self: RightRankNContrast, labels: Tensor) -> Tensor:
    """Reads labels [N, D] as if D were 1. Nobody tested a second label."""
    return RightRankNContrast.read_labels(self, labels)[:, :1]


@wrong(RightRankNContrast, "logits", named=PHRASES["temperature"]["missing"])
def rnc_temperature_missing(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Does not divide by the temperature. Distances need no scale to work: nobody misses it."""
    return self.similarity(rows)


@wrong(RightRankNContrast, "similarity")
def rnc_gradient_of_one_side(self: RightRankNContrast, rows: Tensor) -> Tensor:
    """Detaches the candidates, so that a row gets its gradient only as an anchor. A
    detached memory of the batch halves the gradient: rows are never pushed as candidates."""
    return -torch.cdist(rows, rows.detach(), compute_mode="donot_use_mm_for_euclid_dist")
