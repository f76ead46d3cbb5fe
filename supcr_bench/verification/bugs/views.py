"""The two views, joined wrongly."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR, joined
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class MeanOfViews(RightSupCR):
    """Half of the sum."""

    def dimension_loss(
        self, views: Sequence[Tensor], rows: Tensor, delta: Tensor, n: int
    ) -> Tensor:
        return super().dimension_loss(views, rows, delta, n) / 2


class ConcatenatedViews(RightSupCR):
    """One batch of 2 N rows."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return joined(perturbed, intact, labels)


class FirstViewTwice(RightSupCR):
    """The second view is never looked at."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (perturbed, perturbed), labels


class SecondViewTwice(RightSupCR):
    """The first view is never looked at."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (intact, intact), labels


class FirstViewOnly(RightSupCR):
    """The second view adds nothing."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (perturbed,), labels


class SecondViewOnly(RightNoSelf):
    """The first view adds nothing."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        return (intact,), labels


class AcrossViews(RightSupCR):
    """Each row of one view is compared with the rows of the other."""

    def arrange(
        self, perturbed: Tensor, intact: Tensor, labels: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        there, back = (perturbed, intact), (intact, perturbed)
        return (torch.cat(there, dim=1), torch.cat(back, dim=1)), labels

    def similarity(self, rows: Tensor) -> Tensor:
        own, other = rows.chunk(2, dim=1)
        return self.unit(own) @ self.unit(other).T


VIEWS = PHRASES["views"]

BUGS = (
    SeededBug(
        name="mean-of-views",
        factory=MeanOfViews,
        group="definition",
        diagnosis=VIEWS["mean"],
        why="A later convention; against the claimed one it halves the loss, and with it the "
        "effective learning rate.",
    ),
    SeededBug(
        name="views-concatenated",
        factory=ConcatenatedViews,
        group="definition",
        diagnosis=VIEWS["concatenate"],
        why="As in SimCLR and in the official code: the views then compete in one denominator, "
        "which is another loss.",
    ),
    SeededBug(
        name="first-view-twice",
        factory=FirstViewTwice,
        group="definition",
        diagnosis=VIEWS["first_twice"],
        why="A line copied and not edited: the loss looks right and half of the network is not "
        "trained.",
    ),
    SeededBug(
        name="second-view-twice",
        factory=SecondViewTwice,
        group="definition",
        diagnosis=VIEWS["second_twice"],
        why="The same line copied the other way round.",
    ),
    SeededBug(
        name="first-view-only",
        factory=FirstViewOnly,
        group="definition",
        diagnosis=VIEWS["single"],
        why="The second view is accepted for the sake of the call, and dropped.",
    ),
    SeededBug(
        name="second-view-only",
        factory=SecondViewOnly,
        group="definition",
        diagnosis=VIEWS["second_only"],
        definition="no-self",
        why="The running total is assigned where it should be added to.",
    ),
    SeededBug(
        name="across-views",
        factory=AcrossViews,
        group="definition",
        diagnosis=None,
        why="Similarities between the views, as in CLIP, in place of within each of them.",
    ),
)
