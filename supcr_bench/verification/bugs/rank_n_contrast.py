"""Seeded bugs of losses that follow ``rank-n-contrast`` and its call."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightRankNContrast
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES


@seeded_bug(named=PHRASES["similarity"]["cosine"])
class RncCosine(RightRankNContrast):
    """Takes the cosine as similarity, at the temperature meant for a distance. The first version's
    similarity with the later version's temperature of 2: an all but flat softmax."""

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        return unit @ unit.T


@seeded_bug(named=PHRASES["similarity"]["negative_squared_euclidean"])
class RncSquaredDistance(RightRankNContrast):
    """Takes the squared distance in place of the distance. A root saved, since the order is the
    same; the softmax is not."""

    def similarity(self, rows: Tensor) -> Tensor:
        return -super().similarity(rows).square()


@seeded_bug(named=PHRASES["label_distance"]["l2"])
class RncEuclideanLabels(RightRankNContrast):
    """Takes the Euclidean distance of label vectors in place of L1. The same as L1 for one label,
    another ranking for several."""

    def distances(self, y: Tensor) -> Tensor:
        distance: Tensor = (y.unsqueeze(1) - y.unsqueeze(0)).norm(dim=2)
        return distance


@seeded_bug(named=PHRASES["self_candidate"]["always"])
class RncSelfAlways(RightRankNContrast):
    """Leaves the diagonal, at distance 0, in every denominator. The diagonal of the logits,
    which is their maximum, was not removed."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


@seeded_bug(named=PHRASES["self_candidate"]["when_tied"])
class RncSelfWhenTied(RightRankNContrast):
    """Treats the anchor as a candidate wherever a partner's label ties with its own. The other view
    of the same row always ties, so that it always competes with the anchor itself."""

    itself_when_tied = True


@seeded_bug(named=PHRASES["normaliser"]["rows"])
class RncDividedByRows(RightRankNContrast):
    """Divides by 2 N in place of 2 N (2 N - 1). One of the two divisions, by n and by n - 1, was
    lost."""

    def normaliser(self, m: int, n: int) -> int:
        return m


@seeded_bug(named=PHRASES["views"]["single"])
class RncFirstViewOnly(RightRankNContrast):
    """Reads only [:, 0] of features [N, 2, d]. features[:, 0] runs without complaint and drops half
    of the batch."""

    def arrange(self, features: Tensor, labels: Tensor) -> Arranged:
        return (features[:, 0],), labels


@seeded_bug()
class RncLabelsInterleaved(RightRankNContrast):
    """Repeats labels in another order than the views. repeat_interleave in place of repeat
    gives most rows another row's label."""

    def arrange(self, features: Tensor, labels: Tensor) -> Arranged:
        views, _ = super().arrange(features, labels)
        return views, labels.repeat_interleave(2, dim=0)


@seeded_bug()
class RncRootOfZero(RightRankNContrast):
    """Takes the root of a sum of squares, whose derivative at 0 is infinite. The distance of a row
    to itself is masked afterwards, but 0 times an infinite derivative is NaN."""

    def similarity(self, rows: Tensor) -> Tensor:
        return -(rows.unsqueeze(1) - rows.unsqueeze(0)).square().sum(dim=2).sqrt()


@seeded_bug()
class RncFirstLabelOnly(RightRankNContrast):
    """Reads labels [N, D] as if D were 1. The loss was written for age, and never tested with a
    second label."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels)[:, :1]


@seeded_bug(named=PHRASES["temperature"]["missing"])
class RncTemperatureMissing(RightRankNContrast):
    """Does not divide the similarities by the temperature. Distances of a few units need no scale
    to work, so that nobody misses it."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows)


@seeded_bug()
class RncGradientOfOneSide(RightRankNContrast):
    """Detaches the candidates, so that a row gets its gradient only as an anchor. A
    detached memory of the batch halves the gradient: rows are never pushed as candidates."""

    def similarity(self, rows: Tensor) -> Tensor:
        return -torch.cdist(rows, rows.detach(), compute_mode="donot_use_mm_for_euclid_dist")
