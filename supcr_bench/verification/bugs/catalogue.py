"""All seeded bugs, and the correct implementations, which must pass verification."""

from supcr_bench.verification.bugs import across_ranks, logits, manners, numerics, right, sums
from supcr_bench.verification.bugs.seeded_bug import SeededBug

__all__ = ["BUGS", "RANK_BUGS", "RIGHT", "SeededBug"]

BUGS: tuple[SeededBug, ...] = (*sums.BUGS, *logits.BUGS, *numerics.BUGS, *manners.BUGS)
"""Bugs that one process shows, one fault each."""
RANK_BUGS: tuple[SeededBug, ...] = across_ranks.BUGS
"""Bugs that only several ranks (processes that share a batch) show, one fault each."""
RIGHT: tuple[type[right.RankedContrast], ...] = (
    right.RightSupCR,
    right.RightNoSelf,
    right.RightRankNContrast,
)
"""Correct implementations, one for each shipped definition."""
