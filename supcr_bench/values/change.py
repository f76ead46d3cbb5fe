"""The change of one metric of an implementation: the type that ``compare`` and the gate share."""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """The direction of a change."""

    SAME = "same"
    MORE = "more"
    LESS = "less"
    MIXED = "mixed"
    """Of two counts taken together, one increased and the other decreased."""
    FASTER = "faster"
    SLOWER = "slower"
    UNDECIDED = "undecided"
    """The noise is too large to tell, or one side is unknown."""


TIME_DIRECTIONS = (Direction.FASTER, Direction.SLOWER, Direction.SAME, Direction.UNDECIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One metric, before and after.

    Attributes:
        before, after: the two counts, or the two median times in seconds; ``None`` where unknown.
        ratio: after over before; for time, an estimate. ``None`` where it is unknown or ``before``
            is 0.
        low, high: the interval of that ratio; ``None`` for a metric without noise.
        reason: a sentence that explains the direction.
    """

    metric: str
    before: float | None = None
    after: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    direction: Direction = Direction.UNDECIDED
    reason: str | None = None
