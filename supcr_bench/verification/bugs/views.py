"""The two views, joined wrongly."""

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightNoSelf, RightSupCR, joined
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

VIEWS = PHRASES["views"]


@seeded_bug(named=VIEWS["mean"])
class MeanOfViews(RightSupCR):
    """Half of the sum. A later convention; against the claimed one it halves the loss, and with
    it the effective learning rate."""

    def dimension_loss(
        self, views: Sequence[Tensor], rows: Tensor, delta: Tensor, n: int
    ) -> Tensor:
        return super().dimension_loss(views, rows, delta, n) / 2


@seeded_bug(named=VIEWS["concatenate"])
class ViewsConcatenated(RightSupCR):
    """One batch of 2 N rows. As in SimCLR and in the official code: the views then compete in
    one denominator, which is another loss."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return joined(perturbed, intact, labels)


@seeded_bug(named=VIEWS["first_twice"])
class FirstViewTwice(RightSupCR):
    """The second view is never looked at. A line copied and not edited: the loss looks right
    and half of the network is not trained."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed, perturbed), labels


@seeded_bug(named=VIEWS["second_twice"])
class SecondViewTwice(RightSupCR):
    """The first view is never looked at. The same line copied the other way round."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (intact, intact), labels


@seeded_bug(named=VIEWS["single"])
class FirstViewOnly(RightSupCR):
    """The second view adds nothing. The second view is accepted for the sake of the call, and
    dropped."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed,), labels


@seeded_bug(named=VIEWS["second_only"])
class SecondViewOnly(RightNoSelf):
    """The first view adds nothing. The running total is assigned where it should be added
    to."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (intact,), labels


@seeded_bug()
class AcrossViews(RightSupCR):
    """Each row of one view is compared with the rows of the other. Similarities between the
    views, as in CLIP, in place of within each of them."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        there, back = (perturbed, intact), (intact, perturbed)
        return (torch.cat(there, dim=1), torch.cat(back, dim=1)), labels

    def similarity(self, rows: Tensor) -> Tensor:
        own, other = rows.chunk(2, dim=1)
        return self.unit(own) @ self.unit(other).T
