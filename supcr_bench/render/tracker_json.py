"""Converts a run to the files of services that track benchmarks over commits.

github-action-benchmark reads a list of ``name``, ``unit``, ``value``, ``range`` and ``extra`` (its
tool ``customSmallerIsBetter``); Bencher reads values by benchmark and measure, with bounds (Bencher
Metric Format), of which its measure ``latency`` is in nanoseconds.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from supcr_bench.analysis.summary import time_interval
from supcr_bench.values.metrics import COUNTS, TIME, Metric
from supcr_bench.values.result import Result


def action_benchmark(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The entries of github-action-benchmark: times in milliseconds, bytes and counts."""
    entries = []
    for result in results:
        for metric, value, low, high in _figures(result):
            scale, unit = (1e3, "ms") if metric is TIME else (1, metric.unit or "count")
            name = f"{_name(result)} {metric.title}"
            entry: dict[str, Any] = {"name": name, "unit": unit, "value": value * scale}
            if low is not None and high is not None:
                entry["range"] = f"{low * scale:.4g} to {high * scale:.4g}"
            if metric is TIME:
                entry["extra"] = f"{len(result.samples_s)} samples"
            entries.append(entry)
    return entries


def bencher_metrics(results: Sequence[Result]) -> dict[str, dict[str, dict[str, float]]]:
    """Bencher Metric Format: the measures ``latency`` and one for each count."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for result in results:
        for metric, value, low, high in _figures(result):
            scale = 1e9 if metric is TIME else 1
            measure = "latency" if metric is TIME else metric.title.replace(" ", "-").lower()
            values = {"value": value, "lower_value": low, "upper_value": high}
            own = {key: x * scale for key, x in values.items() if x is not None}
            found.setdefault(_name(result), {})[measure] = own
    return found


def _name(result: Result) -> str:
    return f"{result.implementation}[{result.case.id}]"


def _figures(result: Result) -> Iterator[tuple[Metric, float, float | None, float | None]]:
    """Each figure with its value and, for time, the bounds of its 95 % interval."""
    if not result.status.has_figures:
        return
    time = time_interval(result)
    if time is not None:
        yield TIME, time.estimate, time.low, time.high
    for metric in COUNTS:
        value = metric.get(result)
        if value is not None:
            yield metric, value, None, None
