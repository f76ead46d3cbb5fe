"""What charts say of their figures in words."""

from collections.abc import Callable

from supcr_bench.analysis.summary import CostRow
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s, format_limit_bytes


def superscript(law: str) -> str:
    """``N² log N``."""
    return law.replace("^2", "\u00b2").replace("^3", "\u00b3").replace("^4", "\u2074")


def tick_text(text: str) -> str:
    """A tick's label without decimals that say nothing: ``10 ms`` for ``10.0 ms``."""
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def span_text(low: float, high: float, unit: Callable[[float], str]) -> str:
    """``57.9 to 59.1 ms``."""
    one, other = unit(low), unit(high)
    number, _, scale = one.partition(" ")
    return f"{number} to {other}" if other.endswith(f" {scale}") else f"{one} to {other}"


def time_words(row: CostRow) -> str:
    """``rowsort, N=256: 58.4 ms, 95 % interval 57.9 to 59.1 ms``."""
    said = f"{_whose(row)}: {format_duration_s(row.time_s)}"
    if row.time_low_s is not None and row.time_high_s is not None:
        said += f", 95 % interval {span_text(row.time_low_s, row.time_high_s, format_duration_s)}"
    return said + _wrong(row)


def memory_words(row: CostRow) -> str:
    """``rowsort, N=256: 4.30 MB``."""
    return f"{_whose(row)}: {format_bytes(row.peak_bytes)}{_wrong(row)}"


def bound_words(result: Result) -> str:
    """What is known of a figure that there is none of."""
    whose = f"{result.implementation}, N={result.case.batch_size}"
    if result.status is Status.OUT_OF_MEMORY:
        return f"{whose}: out of memory, limit {format_limit_bytes(result.memory_limit_bytes)}"
    if result.status is Status.TIMED_OUT:
        return f"{whose}: timed out, limit {format_duration_s(result.time_limit_s)}"
    if result.predicted_s is not None:
        return f"{whose}: skipped, about {format_duration_s(result.predicted_s)} a call predicted"
    return f"{whose}: skipped, {result.reason or 'no reason given'}"


def _whose(row: CostRow) -> str:
    return f"{row.implementation}, N={row.case.batch_size}"


def _wrong(row: CostRow) -> str:
    return ", wrong result" if row.status is Status.WRONG else ""
