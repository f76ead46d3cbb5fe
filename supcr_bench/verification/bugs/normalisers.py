"""Divided by the wrong count."""

from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug
from supcr_bench.verification.formula import PHRASES

NORMALISER = PHRASES["normaliser"]


@seeded_bug(named=NORMALISER["rows_squared"])
class DividedByRowsSquared(RightSupCR):
    """M^2: the mean over the whole matrix, whose diagonal is zero. A mean over a matrix with a
    zero diagonal; the error, 1/M, hides in large batches."""

    def normaliser(self, m: int, n: int) -> int:
        return m * m


@seeded_bug(named=NORMALISER["batch_pairs"])
class DividedByBatchPairs(RightSupCR):
    """N(N-1): rows without a label are counted. With labels missing the loss shrinks by the
    square of the valid share, and sparse dimensions are quietly down-weighted."""

    def normaliser(self, m: int, n: int) -> int:
        return n * (n - 1)


@seeded_bug(named=NORMALISER["batch_squared"])
class DividedByBatchSquared(RightNoSelf):
    """N^2: rows without a label are counted, and so is the diagonal. A mean over the masked N x
    N matrix counts what was masked."""

    def normaliser(self, m: int, n: int) -> int:
        return n * n


@seeded_bug(named=NORMALISER["rows"])
class DividedByRows(RightSupCR):
    """M: the mean over anchors of the sum over partners. The inner mean over partners is
    forgotten, so that the learning rate that works depends on the batch size."""

    def normaliser(self, m: int, n: int) -> int:
        return m


@seeded_bug(named=NORMALISER["batch"])
class DividedByBatch(RightNoSelf):
    """N: the same, with rows without a label counted. The same, divided by the size of the
    tensor and not by the rows that have a label."""

    def normaliser(self, m: int, n: int) -> int:
        return n


@seeded_bug(named=NORMALISER["nothing"])
class NotDivided(RightSupCR):
    """The plain sum. A sum in place of a mean grows with the square of the batch."""

    def normaliser(self, m: int, n: int) -> int:
        return 1
