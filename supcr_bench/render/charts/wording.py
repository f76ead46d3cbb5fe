"""Writes the texts of points, bounds and ticks in charts."""

from collections.abc import Callable, Mapping

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.summary import time_interval
from supcr_bench.values.metrics import TIME, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_duration_s, format_limit_bytes

WRONG = ", wrong result"


def tick_text(text: str) -> str:
    """A tick's label without trailing zeros: ``10 ms`` for ``10.0 ms``."""
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def definitions_text(definitions: Mapping[str, str]) -> str:
    """The definition of the implementations, or a pointer to the legend if they differ."""
    names = set(definitions.values())
    return f"definition {names.pop()}" if len(names) == 1 else "definitions as in the legend"


def span_text(low: float, high: float, unit: Callable[[float], str]) -> str:
    """A range, as in ``57.9 to 59.1 ms``."""
    one, other = unit(low), unit(high)
    number, _, scale = one.partition(" ")
    return f"{number} to {other}" if other.endswith(f" {scale}") else f"{one} to {other}"


def overtakes(row: Crossover, *, interval: bool = True) -> str:
    """A crossover in words: ``a overtakes b at N=312, 95 % interval 300 to 325``."""
    text = f"{row.large} overtakes {row.small} at N={row.size:.0f}"
    return f"{text}, 95 % interval {row.low:.0f} to {row.high:.0f}" if interval else text


def point_words(result: Result, metric: Metric) -> str:
    """A point in words: ``rowsort, N=256: 58.4 ms, 95 % interval 57.9 to 59.1 ms``."""
    figure = metric.format(metric.get(result))
    said = f"{result.implementation}, N={result.case.batch_size}: {figure}"
    time = time_interval(result) if metric is TIME else None
    if time and time.low is not None and time.high is not None:
        said += f", 95 % interval {span_text(time.low, time.high, format_duration_s)}"
    return said + (WRONG if result.status is Status.WRONG else "")


def bound_words(result: Result) -> str:
    """Says why there is no figure, and what its lower bound is."""
    whose = f"{result.implementation}, N={result.case.batch_size}"
    if result.status is Status.OUT_OF_MEMORY:
        return f"{whose}: out of memory, limit {format_limit_bytes(result.memory_limit_bytes)}"
    if result.status is Status.TIMED_OUT:
        return f"{whose}: timed out, limit {format_duration_s(result.time_limit_s)}"
    if result.predicted_s is not None:
        return f"{whose}: skipped, about {format_duration_s(result.predicted_s)} a call predicted"
    return f"{whose}: skipped, {result.reason or 'no reason given'}"
