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
"""One fault each."""
RANK_BUGS: tuple[SeededBug, ...] = bugs_in(across_ranks)
"""One fault each; they need a process group."""

RIGHT: tuple[type[RankedContrast], ...] = (RightSupCR, RightNoSelf, RightRankNContrast)
"""One for each shipped definition."""
