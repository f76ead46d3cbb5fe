"""All seeded bugs, and the right implementations that must pass."""

from collections.abc import Callable
from typing import Any

from supcr_bench.verification.bugs import (
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
from supcr_bench.verification.bugs.right import RightNoSelf, RightRankNContrast, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug

__all__ = ["BUGS", "RIGHT", "SeededBug"]

BUGS: tuple[SeededBug, ...] = (
    *candidates.BUGS,
    *normalisers.BUGS,
    *missing_labels.BUGS,
    *weighting.BUGS,
    *views.BUGS,
    *temperatures.BUGS,
    *similarities.BUGS,
    *floors.BUGS,
    *precision.BUGS,
    *gradients.BUGS,
    *sizes.BUGS,
    *rank_n_contrast.BUGS,
    *robustness.BUGS,
    *state.BUGS,
    *conduct.BUGS,
)
"""One fault each."""

RIGHT: tuple[tuple[str, Callable[..., Any], str], ...] = (
    ("RightSupCR", RightSupCR, "torchcell"),
    ("RightNoSelf", RightNoSelf, "no-self"),
    ("RightRankNContrast", RightRankNContrast, "rank-n-contrast"),
)
"""Name, factory and the definition that each computes."""
