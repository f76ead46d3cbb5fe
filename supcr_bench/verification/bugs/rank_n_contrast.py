"""The official call, with something wrong."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightRankNContrast
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class CosineSimilarity(RightRankNContrast):
    """The cosine, at the temperature of a distance."""

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        return unit @ unit.T


class SquaredDistance(RightRankNContrast):
    """The distance without its root."""

    def similarity(self, rows: Tensor) -> Tensor:
        return -super().similarity(rows).square()


class EuclideanLabels(RightRankNContrast):
    """The Euclidean distance of label vectors."""

    def distances(self, y: Tensor) -> Tensor:
        distance: Tensor = (y.unsqueeze(1) - y.unsqueeze(0)).norm(dim=2)
        return distance


class SelfAmongCandidates(RightRankNContrast):
    """The diagonal, at distance 0, is left in every denominator."""

    def candidates(self, delta: Tensor, anchors: Tensor) -> Tensor:
        return super().candidates(delta, anchors) | self.itself(delta, anchors).unsqueeze(1)


class SelfWhenTied(RightRankNContrast):
    """The diagonal goes by the inequality like any other column."""

    itself_when_tied = True


class DividedByRows(RightRankNContrast):
    """By 2 N in place of 2 N (2 N - 1)."""

    def normaliser(self, m: int, n: int) -> int:
        return m


class FirstViewOnly(RightRankNContrast):
    """Of [N, 2, d], only [:, 0]."""

    def arrange(self, features: Tensor, labels: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        return (features[:, 0],), labels


class LabelsInterleaved(RightRankNContrast):
    """Views lie one after the other, labels alternate."""

    def arrange(self, features: Tensor, labels: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        views, _ = super().arrange(features, labels)
        return views, labels.repeat_interleave(2, dim=0)


class RootOfZero(RightRankNContrast):
    """The root of a sum of squares, whose derivative at 0 is infinite."""

    def similarity(self, rows: Tensor) -> Tensor:
        return -(rows.unsqueeze(1) - rows.unsqueeze(0)).square().sum(dim=2).sqrt()


class LabelsOfSizeOneOnly(RightRankNContrast):
    """Labels [N, D] are read as if D were 1."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels)[:, :1]


class TemperatureMissing(RightRankNContrast):
    """Never divided by."""

    def logits(self, rows: Tensor) -> Tensor:
        return self.similarity(rows)


class GradientOfOneSide(RightRankNContrast):
    """Distances are from constants: a row is moved as an anchor and not as a candidate."""

    def similarity(self, rows: Tensor) -> Tensor:
        return -torch.cdist(rows, rows.detach(), compute_mode="donot_use_mm_for_euclid_dist")


NAME = "rank-n-contrast"

BUGS = (
    SeededBug(
        name="rnc-cosine",
        factory=CosineSimilarity,
        group="definition",
        diagnosis=PHRASES["similarity"]["cosine"],
        definition=NAME,
        why="The first version's similarity with the later version's temperature of 2: an all "
        "but flat softmax.",
    ),
    SeededBug(
        name="rnc-squared-distance",
        factory=SquaredDistance,
        group="definition",
        diagnosis=PHRASES["similarity"]["negative_squared_euclidean"],
        definition=NAME,
        why="A root saved, since the order is the same; the softmax is not.",
    ),
    SeededBug(
        name="rnc-euclidean-labels",
        factory=EuclideanLabels,
        group="definition",
        diagnosis=PHRASES["label_distance"]["l2"],
        definition=NAME,
        why="The same as L1 for one label, another ranking for several.",
    ),
    SeededBug(
        name="rnc-self-always",
        factory=SelfAmongCandidates,
        group="definition",
        diagnosis=PHRASES["self_candidate"]["always"],
        definition=NAME,
        why="The diagonal of the logits, which is their maximum, was not removed.",
    ),
    SeededBug(
        name="rnc-self-when-tied",
        factory=SelfWhenTied,
        group="definition",
        diagnosis=PHRASES["self_candidate"]["when_tied"],
        definition=NAME,
        why="The other view of the same row always ties, so that it always competes with the "
        "anchor itself.",
    ),
    SeededBug(
        name="rnc-divided-by-rows",
        factory=DividedByRows,
        group="definition",
        diagnosis=PHRASES["normaliser"]["rows"],
        definition=NAME,
        why="One of the two divisions, by n and by n - 1, was lost.",
    ),
    SeededBug(
        name="rnc-first-view-only",
        factory=FirstViewOnly,
        group="definition",
        diagnosis=PHRASES["views"]["single"],
        definition=NAME,
        why="features[:, 0] runs without complaint and drops half of the batch.",
    ),
    SeededBug(
        name="rnc-temperature-missing",
        factory=TemperatureMissing,
        group="definition",
        diagnosis=PHRASES["temperature"]["missing"],
        definition=NAME,
        why="Distances of a few units need no scale to work, so that nobody misses it.",
    ),
    SeededBug(
        name="rnc-labels-interleaved",
        factory=LabelsInterleaved,
        group="definition",
        diagnosis=None,
        definition=NAME,
        why="repeat_interleave in place of repeat gives most rows another row's label.",
    ),
    SeededBug(
        name="rnc-root-of-zero",
        factory=RootOfZero,
        group="definition",
        diagnosis=None,
        definition=NAME,
        why="The distance of a row to itself is masked afterwards, but 0 times an infinite "
        "derivative is NaN.",
    ),
    SeededBug(
        name="rnc-first-label-only",
        factory=LabelsOfSizeOneOnly,
        group="definition",
        diagnosis=None,
        definition=NAME,
        why="The loss was written for ages and never met a second label.",
    ),
    SeededBug(
        name="rnc-gradient-of-one-side",
        factory=GradientOfOneSide,
        group="definition",
        diagnosis=None,
        definition=NAME,
        why="A detached memory of the batch halves the gradient: rows are never pushed as "
        "candidates.",
    ),
)
