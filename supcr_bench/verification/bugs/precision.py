"""Computed, or compared, in less precision than the inputs have."""

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES


@seeded_bug(named=PHRASES["precision"]["bfloat16"])
class Bfloat16Inside(RightSupCR):
    """Rows are normalised and multiplied in bfloat16. Eight bits of a cosine divided by 0.1
    leave logits good to a few hundredths."""

    def similarity(self, rows: Tensor) -> Tensor:
        return super().similarity(rows.bfloat16()).to(rows)


@seeded_bug(named=PHRASES["precision"]["float16"])
class Float16Inside(RightNoSelf):
    """Rows are normalised and multiplied in float16. A .half() for speed in the product that
    everything else is built on."""

    def similarity(self, rows: Tensor) -> Tensor:
        return super().similarity(rows.half()).to(rows)


@seeded_bug(caught_by="robustness", named=PHRASES["precision"]["float32"])
class Float32Inside(RightSupCR):
    """Computed and accumulated in float32, and then called float64. Accumulators created
    without a dtype are float32: gradient checks in float64 fail or, worse, are loosened until
    they pass."""

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        return torch.float32


@seeded_bug()
class LabelsInBfloat16(RightSupCR):
    """Labels are rounded to 8 bits before they are compared. Labels follow the embeddings into
    bfloat16, and distinct labels tie."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).bfloat16().to(labels)


@seeded_bug()
class LabelsInFloat16(RightSupCR):
    """Labels are rounded to 11 bits before they are compared. The whole batch was cast with
    .half(): in large batches the nearest labels tie."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).half().to(labels)


@seeded_bug(caught_by="robustness")
class LabelsInFloat32(RightSupCR):
    """Labels are rounded to 24 bits before they are compared. float64 labels that differ in the
    eighth digit, times of day say, all tie."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).float().to(labels)


@seeded_bug()
class LabelsRounded(RightSupCR):
    """Labels are rounded to whole numbers. Labels read as classes: .long() or .round() ties
    everything between two integers."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).round()


@seeded_bug(caught_by="robustness")
class LabelDistanceExpanded(RightSupCR):
    """The squared distance from the binomial formula, which cancels for labels far from 0. (a -
    b)^2 as a^2 - 2ab + b^2 saves a broadcast and loses every digit once labels are large
    against their differences."""

    def distances(self, y: Tensor) -> Tensor:
        square = y * y
        return square.unsqueeze(1) + square.unsqueeze(0) - 2 * torch.outer(y, y)
