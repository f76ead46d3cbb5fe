"""All seeded bugs, and the right implementations that must pass."""

from supcr_bench.verification.bugs import (
    across_ranks,
    logits,
    manners,
    numerics,
    rank_n_contrast,
    sums,
)
from supcr_bench.verification.bugs.right import (
    RankedContrast,
    RightNoSelf,
    RightRankNContrast,
    RightSupCR,
)
from supcr_bench.verification.bugs.seeded_bug import SeededBug, bugs_in

__all__ = ["BUGS", "RANK_BUGS", "RIGHT", "SeededBug"]

BUGS: tuple[SeededBug, ...] = bugs_in(sums, logits, numerics, rank_n_contrast, manners)
"""Bugs of a single process, one fault each."""
RANK_BUGS: tuple[SeededBug, ...] = bugs_in(across_ranks)
"""Bugs that need a process group, one fault each."""

RIGHT: tuple[type[RankedContrast], ...] = (RightSupCR, RightNoSelf, RightRankNContrast)
"""Right implementations, one for each shipped definition."""
