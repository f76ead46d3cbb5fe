"""Computed, or compared, in less precision than the inputs have."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from collections.abc import Sequence

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class Bfloat16Inside(RightSupCR):
    """Rows are normalised and multiplied in bfloat16."""

    def similarity(self, rows: Tensor) -> Tensor:
        return super().similarity(rows.bfloat16()).to(rows)


class Float16Inside(RightNoSelf):
    """Rows are normalised and multiplied in float16."""

    def similarity(self, rows: Tensor) -> Tensor:
        return super().similarity(rows.half()).to(rows)


class Float32Inside(RightSupCR):
    """Computed and accumulated in float32, and then called float64."""

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        return torch.float32


class LabelsInBfloat16(RightSupCR):
    """Labels are rounded to 8 bits before they are compared."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).bfloat16().to(labels)


class LabelsInFloat16(RightSupCR):
    """Labels are rounded to 11 bits before they are compared."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).half().to(labels)


class LabelsInFloat32(RightSupCR):
    """Labels are rounded to 24 bits before they are compared."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).float().to(labels)


class LabelsRounded(RightSupCR):
    """Labels are rounded to whole numbers."""

    def read_labels(self, labels: Tensor) -> Tensor:
        return super().read_labels(labels).round()


class ExpandedDistance(RightSupCR):
    """The squared distance from the binomial formula, which cancels for labels far from 0."""

    def distances(self, y: Tensor) -> Tensor:
        square = y * y
        return square.unsqueeze(1) + square.unsqueeze(0) - 2 * torch.outer(y, y)


BUGS = (
    SeededBug(
        name="bfloat16-inside",
        factory=Bfloat16Inside,
        group="definition",
        diagnosis=PHRASES["precision"]["bfloat16"],
        why="Eight bits of a cosine divided by 0.1 leave logits good to a few hundredths.",
    ),
    SeededBug(
        name="float16-inside",
        factory=Float16Inside,
        group="definition",
        diagnosis=PHRASES["precision"]["float16"],
        definition="no-self",
        why="A .half() for speed in the product that everything else is built on.",
    ),
    SeededBug(
        name="float32-inside",
        factory=Float32Inside,
        group="robustness",
        diagnosis=PHRASES["precision"]["float32"],
        why="Accumulators created without a dtype are float32: gradient checks in float64 fail "
        "or, worse, are loosened until they pass.",
    ),
    SeededBug(
        name="labels-in-bfloat16",
        factory=LabelsInBfloat16,
        group="definition",
        diagnosis=None,
        why="Labels follow the embeddings into bfloat16, and distinct labels tie.",
    ),
    SeededBug(
        name="labels-in-float16",
        factory=LabelsInFloat16,
        group="definition",
        diagnosis=None,
        why="The whole batch was cast with .half(): in large batches the nearest labels tie.",
    ),
    SeededBug(
        name="labels-in-float32",
        factory=LabelsInFloat32,
        group="robustness",
        diagnosis=None,
        why="float64 labels that differ in the eighth digit, times of day say, all tie.",
    ),
    SeededBug(
        name="labels-rounded",
        factory=LabelsRounded,
        group="definition",
        diagnosis=None,
        why="Labels read as classes: .long() or .round() ties everything between two integers.",
    ),
    SeededBug(
        name="label-distance-expanded",
        factory=ExpandedDistance,
        group="robustness",
        diagnosis=None,
        why="(a - b)^2 as a^2 - 2ab + b^2 saves a broadcast and loses every digit once labels "
        "are large against their differences.",
    ),
)
