"""Right on ordinary batches only."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug


@seeded_bug(caught_by="robustness")
class ExponentialsOverflow(RightSupCR):
    """Exponentials are taken before the largest is subtracted. exp(1/tau) exceeds float32 below
    a temperature of 1/88.7, and the loss is infinite."""

    def log_contrast(self, s: Tensor, chosen: Tensor) -> Tensor:
        return (s.exp().unsqueeze(1) * chosen).sum(dim=2).log()


@seeded_bug(caught_by="robustness")
class NanEmbeddingsHidden(RightSupCR):
    """NaN and infinity in an embedding become numbers. A network that has diverged goes on
    being trained on a number that looks fine."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        return (perturbed.nan_to_num(), intact.nan_to_num()), labels


@seeded_bug(caught_by="robustness")
class InfiniteLabelsAccepted(RightSupCR):
    """Labels are not looked at; infinity less infinity compares as false with everything.
    log(0) in the label pipeline is -inf, and comes out as a plausible loss."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return labels.unsqueeze(1) if labels.ndim == 1 else labels


@seeded_bug(caught_by="robustness")
class NoGraphWithoutPairs(RightSupCR):
    """A dimension without a pair is a new zero, which belongs to no graph. The first batch
    without a label makes backward raise, in the middle of an epoch."""

    def no_pairs(self, views: Sequence[Tensor]) -> Tensor:
        return views[0].new_zeros(())


@seeded_bug(caught_by="robustness")
class HalfUnsupported(RightSupCR):
    """The cosine from the distance of unit rows, in the inputs' own dtype. An operation that
    has no half-precision kernel on the CPU keeps the loss out of tests and of mixed
    precision."""

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        return torch.promote_types(views[0].dtype, views[-1].dtype)

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        distance = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
        return 1 - distance.square() / 2


@seeded_bug(caught_by="robustness")
class AutocastMixesDtypes(RightSupCR):
    """The product is written into a buffer of the inputs' dtype, which autocast does not give.
    Under autocast a matrix product comes back in bfloat16, and an indexed write insists on one
    dtype."""

    def precision(self, view: Tensor) -> AbstractContextManager[object]:
        return nullcontext()

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        every = torch.arange(len(rows), device=rows.device)
        return rows.new_zeros(len(rows), len(rows)).index_put((every,), unit @ unit.T)
