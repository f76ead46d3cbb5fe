"""All seeded bugs, and the right implementations that must pass."""

from supcr_bench.verification.bugs import (
    across_ranks,
    candidates,
    conduct,
    floors,
    gradients,
    missing_labels,
    normalisers,
    precision,
    rank_n_contrast,
    robustness,
    similarities,
    sizes,
    state,
    temperatures,
    views,
    weighting,
)
from supcr_bench.verification.bugs.right import (
    RankedContrast,
    RightNoSelf,
    RightRankNContrast,
    RightSupCR,
)
from supcr_bench.verification.bugs.seeded_bug import SeededBug, bugs_in

__all__ = ["BUGS", "RANK_BUGS", "RIGHT", "SeededBug"]

BUGS: tuple[SeededBug, ...] = bugs_in(
    candidates,
    normalisers,
    missing_labels,
    weighting,
    views,
    temperatures,
    similarities,
    floors,
    precision,
    gradients,
    sizes,
    rank_n_contrast,
    robustness,
    state,
    conduct,
)
"""One fault each."""
RANK_BUGS: tuple[SeededBug, ...] = bugs_in(across_ranks)
"""One fault each; they need a process group."""

RIGHT: tuple[type[RankedContrast], ...] = (RightSupCR, RightNoSelf, RightRankNContrast)
"""One for each shipped definition."""
