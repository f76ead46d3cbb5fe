"""Divided by the wrong count."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.formula import PHRASES


class ByRowsSquared(RightSupCR):
    """M^2: the mean over the whole matrix, whose diagonal is zero."""

    def normaliser(self, m: int, n: int) -> int:
        return m * m


class ByBatchPairs(RightSupCR):
    """N(N-1): rows without a label are counted."""

    def normaliser(self, m: int, n: int) -> int:
        return n * (n - 1)


class ByBatchSquared(RightNoSelf):
    """N^2: rows without a label are counted, and so is the diagonal."""

    def normaliser(self, m: int, n: int) -> int:
        return n * n


class ByRows(RightSupCR):
    """M: the mean over anchors of the sum over partners."""

    def normaliser(self, m: int, n: int) -> int:
        return m


class ByBatch(RightNoSelf):
    """N: the same, with rows without a label counted."""

    def normaliser(self, m: int, n: int) -> int:
        return n


class NotDivided(RightSupCR):
    """The plain sum."""

    def normaliser(self, m: int, n: int) -> int:
        return 1


NORMALISER = PHRASES["normaliser"]

BUGS = (
    SeededBug(
        name="divided-by-rows-squared",
        factory=ByRowsSquared,
        group="definition",
        diagnosis=NORMALISER["rows_squared"],
        why="A mean over a matrix with a zero diagonal; the error, 1/M, hides in large batches.",
    ),
    SeededBug(
        name="divided-by-batch-pairs",
        factory=ByBatchPairs,
        group="definition",
        diagnosis=NORMALISER["batch_pairs"],
        why="With labels missing the loss shrinks by the square of the valid share, and sparse "
        "dimensions are quietly down-weighted.",
    ),
    SeededBug(
        name="divided-by-batch-squared",
        factory=ByBatchSquared,
        group="definition",
        diagnosis=NORMALISER["batch_squared"],
        definition="no-self",
        why="A mean over the masked N x N matrix counts what was masked.",
    ),
    SeededBug(
        name="divided-by-rows",
        factory=ByRows,
        group="definition",
        diagnosis=NORMALISER["rows"],
        why="The inner mean over partners is forgotten, so that the learning rate that works "
        "depends on the batch size.",
    ),
    SeededBug(
        name="divided-by-batch",
        factory=ByBatch,
        group="definition",
        diagnosis=NORMALISER["batch"],
        definition="no-self",
        why="The same, divided by the size of the tensor and not by the rows that have a label.",
    ),
    SeededBug(
        name="not-divided",
        factory=NotDivided,
        group="definition",
        diagnosis=NORMALISER["nothing"],
        why="A sum in place of a mean grows with the square of the batch.",
    ),
)
