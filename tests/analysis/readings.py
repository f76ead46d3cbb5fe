"""Reads intervals and comparisons."""

from supcr_bench.analysis.compare import Comparison
from supcr_bench.analysis.statistics import Interval
from supcr_bench.values.metrics import Direction


def covers(interval: Interval, value: float) -> bool | None:
    """Whether the value lies within the bounds; ``None`` without bounds."""
    if interval.low is None or interval.high is None:
        return None
    return interval.low <= value <= interval.high


def cases(found: Comparison, direction: Direction, implementation: str | None = None) -> int:
    """The number of cases with that change of time, for one implementation or for all."""
    return sum(
        row.time is not None and row.time.direction is direction
        for row in found.rows
        if implementation in (None, row.implementation)
    )
