"""Declares the metrics that reports show, growth fits use, and comparisons and the gate judge.

A smaller value is better for every metric.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

from supcr_bench.values.result import Result, stored_name
from supcr_bench.values.units import format_bytes, format_count, format_duration_s

MOST_INSTRUCTIONS = 1_000_000
"""Python instructions are counted up to this number; a call that reaches it may have more."""


class Direction(StrEnum):
    """The direction of a change."""

    SAME = "same"
    MORE = "more"
    LESS = "less"
    MIXED = "mixed"
    """One of two counts increased, and the other decreased."""
    FASTER = "faster"
    SLOWER = "slower"
    UNDECIDED = "undecided"
    """The noise is too large to tell, or one side is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One metric, before and after.

    Attributes:
        before, after: the two counts, or the two median times in seconds; ``None`` where unknown.
        ratio: after over before; for time, an estimate. ``None`` if unknown, or ``before`` is 0.
        low, high: the interval of that ratio; ``None`` for a metric without noise.
    """

    metric: str
    before: float | None = None
    after: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    direction: Direction = Direction.UNDECIDED
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A cost of an implementation: it follows a growth law and is compared between runs.

    Attributes:
        field: the field of a result with the value, or with the samples of a time.
        format: writes a value with its unit, or a dash for ``None``.
        unit: ``s``, ``B``, or empty for a count.
        exact: whether it has no noise, so that two values are compared directly.
        allowance: share by which two exact values may differ and count as equal.
        of_one_rank: whether it is compared only in a single process, because ranks add noise.
        interpreted: whether it depends on the minor version of Python and on the release of torch.
        most: the value up to which it is counted.
    """

    name: str
    title: str
    field: str
    format: Callable[[float | None], str]
    unit: str = ""
    exact: bool = True
    allowance: float = 0.0
    of_one_rank: bool = False
    interpreted: bool = False
    most: float = inf

    @property
    def key(self) -> str:
        return stored_name(self.field)

    def get(self, result: Result) -> float | None:
        figure: float | None = getattr(result, self.field if self.exact else "time_s")
        return figure

    def compared(self, result: Result) -> float | None:
        """The value if it may be compared with another run's, else ``None``."""
        return None if self.of_one_rank and result.case.ranks > 1 else self.get(result)

    def is_comparable(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        return not self.interpreted or interpreter_of(one) == interpreter_of(other)


def interpreter_of(environment: Mapping[str, Any]) -> str:
    """The minor version of Python and the release of torch, on which instructions depend."""
    python, torch = (str(environment.get(key) or "") for key in ("python", "torch"))
    return f"Python {'.'.join(python.split('.')[:2])}, torch {torch.partition('+')[0]}"


TIME = Metric("time", "time", "time_samples_s", format_duration_s, "s", exact=False)
ELEMENTS_PROCESSED = Metric(
    "elements_processed", "elements processed", "elements_processed", format_count
)
DISPATCHED_OPS = Metric("dispatched_ops", "dispatched operations", "dispatched_ops", format_count)
# Allocators round sizes. Where ranks exchange tensors, communication threads release them a moment
# sooner or later, so the peak differs from call to call, by up to 15 % at 24 rows.
MEMORY = Metric(
    "memory", "peak memory", "peak_bytes", format_bytes, "B", allowance=0.01, of_one_rank=True
)
PYTHON_INSTRUCTIONS = Metric(
    "python_instructions",
    "Python instructions",
    "python_instructions",
    format_count,
    of_one_rank=True,
    allowance=0.05,
    interpreted=True,
    most=MOST_INSTRUCTIONS,
)

COSTS = (TIME, ELEMENTS_PROCESSED, DISPATCHED_OPS, MEMORY)
"""The costs that follow growth laws."""
COUNTS = (*(metric for metric in COSTS if metric.exact), PYTHON_INSTRUCTIONS)
METRICS = {metric.name: metric for metric in (TIME, *COUNTS)}
