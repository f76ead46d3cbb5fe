"""The metrics by which implementations are fitted, compared, gated and shown, each declared once.

A smaller figure is better for every metric.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from supcr_bench.values.result import Result
from supcr_bench.values.units import format_bytes, format_count, format_duration_s, format_error


def _always(result: Result) -> bool:  # noqa: ARG001 - the signature of `comparable`
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure of a result.

    Attributes:
        name: how code and selections name it.
        title: its name in tables and sentences.
        unit: ``s``, ``B``, or empty for a count or a ratio.
        key: the key of the figure, or of its samples, in stored results.
        get: reads it from a result; ``None`` where it was not measured.
        format: writes a figure with its unit, or a dash for ``None``.
        exact: whether it has no noise, so that two figures are compared as they are.
        allowance: share by which two exact figures may differ and count as the same.
        comparable: whether the figure of this result may be compared with another run's.
    """

    name: str
    title: str
    unit: str
    key: str
    get: Callable[[Result], float | None]
    format: Callable[[float | None], str]
    exact: bool = True
    allowance: float = 0.0
    comparable: Callable[[Result], bool] = _always

    def compared(self, result: Result) -> float | None:
        """The figure if it may be compared with another run's."""
        return self.get(result) if self.comparable(result) else None


def median_s(result: Result) -> float | None:
    return median(result.time_samples_s) if result.time_samples_s else None


TIME = Metric(
    name="time",
    title="time",
    unit="s",
    key="time_samples_s",
    get=median_s,
    format=format_duration_s,
    exact=False,
)
ELEMENTS_PROCESSED = Metric(
    name="elements_processed",
    title="elements processed",
    unit="",
    key="elements",
    get=lambda result: result.elements_processed,
    format=format_count,
)
DISPATCHED_OPS = Metric(
    name="dispatched_ops",
    title="dispatched operations",
    unit="",
    key="launches",
    get=lambda result: result.dispatched_ops,
    format=format_count,
)
MEMORY = Metric(
    name="memory",
    title="peak memory",
    unit="B",
    key="peak_bytes",
    get=lambda result: result.peak_bytes,
    format=format_bytes,
    # Allocators round. And where ranks exchange tensors, communication threads release them a
    # moment sooner or later: the peak differs from call to call, by up to 15 % at 24 rows.
    allowance=0.01,
    comparable=lambda result: result.case.ranks == 1,
)
VALUE_ERROR = Metric(
    name="value_error",
    title="value error",
    unit="",
    key="value_error",
    get=lambda result: result.value_error,
    format=format_error,
)
GRADIENT_ERROR = Metric(
    name="gradient_error",
    title="gradient error",
    unit="",
    key="gradient_error",
    get=lambda result: result.gradient_error,
    format=format_error,
)

COSTS = (TIME, ELEMENTS_PROCESSED, DISPATCHED_OPS, MEMORY)
"""What an implementation costs: each follows a growth law and is compared between runs."""
COUNTS = tuple(metric for metric in COSTS if metric.exact)
"""The costs without noise."""
METRICS = {metric.name: metric for metric in (*COSTS, VALUE_ERROR, GRADIENT_ERROR)}
