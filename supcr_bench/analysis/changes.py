"""What has no noise, before and after: counts, and how a case ended.

Two runs that are compared and a gate judge these by the same rules.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from supcr_bench.values.result import Status

MEMORY_ALLOWANCE = 0.01
"""Share by which the peak of memory may differ: allocators round."""
BROKEN = (Status.WRONG, Status.FAILED)
"""How a case ends that is not right."""


class CostVerdict(StrEnum):
    """What became of a cost that has no noise."""

    SAME = "same"
    MORE = "more"
    LESS = "less"
    MIXED = "mixed"
    """More of one count and less of another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """A count in both runs, and what became of it."""

    first: int
    second: int
    verdict: CostVerdict

    @property
    def ratio(self) -> float | None:
        """Second over first; ``None`` where the first is 0."""
        return self.second / self.first if self.first else None


def count_change(
    first: int | None, second: int | None, allowance: float = 0.0
) -> CountChange | None:
    """What became of a count; ``None`` where one of both is not known.

    Args:
        first: before.
        second: after.
        allowance: share of the first by which it may differ and be the same.
    """
    if first is None or second is None:
        return None
    verdict = CostVerdict.SAME
    if abs(second - first) > allowance * first:
        verdict = CostVerdict.MORE if second > first else CostVerdict.LESS
    return CountChange(first=first, second=second, verdict=verdict)


class Ended(Protocol):
    """A case that was run, wherever its outcome is kept."""

    @property
    def status(self) -> Status:
        """How it ended."""

    @property
    def reason(self) -> str | None:
        """Why."""

    @property
    def memory_limit_bytes(self) -> int | None:
        """The limit in force, ``None`` for none."""


@dataclass(frozen=True, slots=True)
class OutcomeChange:
    """What became of how a case ended.

    Attributes:
        finding: what got worse, in a sentence; ``None`` where nothing did.
        note: what else is to be said.
    """

    finding: str | None
    note: str | None


def _at_least(limit: float | None, other: float | None) -> bool:
    """Whether a limit is no tighter than another; ``None`` is no limit."""
    return limit is None or (other is not None and limit >= other)


def change_of_outcome(first: Ended, second: Ended) -> OutcomeChange:
    """What became of how a case ended; of a call that was stopped, nothing can be said by this."""
    why = second.reason
    if second.status in BROKEN and first.status not in BROKEN:
        return OutcomeChange(f"became {second.status}: {why}", None)
    if second.status is Status.OUT_OF_MEMORY and first.status.has_figures:
        if _at_least(second.memory_limit_bytes, first.memory_limit_bytes):
            return OutcomeChange(f"ran out of memory: {why}", None)
        return OutcomeChange(None, f"under a lower memory limit: {why}")
    return OutcomeChange(None, why)
