"""Converts a run to the files of pytest-benchmark and of services that track benchmarks.

github-action-benchmark reads a list of ``name``, ``unit``, ``value``, ``range`` and ``extra`` (its
tool ``customSmallerIsBetter``); Bencher reads values by benchmark and measure, with bounds (Bencher
Metric Format), of which its measure ``latency`` is in nanoseconds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest_benchmark
from pytest_benchmark.stats import Stats

from supcr_bench.analysis.summary import time_interval
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.cell import FEWEST_SAMPLES
from supcr_bench.values.metrics import COUNTS, TIME, Metric
from supcr_bench.values.result import SAMPLES, Result, stored_name

_SAMPLES = [*map(stored_name, SAMPLES)]


def extra_info(result: Result) -> dict[str, Any]:
    flat = result.to_mapping() | {"status": str(result.status)}
    return {name: value for name, value in flat.items() if name not in _SAMPLES}


def benchmark_file(run: Run) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """The run's times in pytest-benchmark's format; by status, the results without times."""
    timed = [r for r in run.results if r.time_samples_s]
    left = Counter(str(r.status) for r in run.results if not r.time_samples_s)
    suite = str(run.info["suite"]["name"])
    own = str(run.info.get("revision") or "unversioned")
    code: Mapping[str, Any] = run.info.get("code") or {}
    codes = {(c["repository"], c["revision"]) for c in code.values()}
    changed = any(c["dirty"] for c in code.values())
    # The file has room for one commit: that of the implementations, if they share one.
    project, revision = codes.pop() if len(codes) == 1 else ("supcr-bench", own)
    dirty = changed if project != "supcr-bench" else revision.endswith("+dirty")
    budget: Mapping[str, Any] = run.info.get("budget") or {}
    cpu = run.environment.get("cpu")
    content = {
        "machine_info": {
            "processor": cpu,
            "python_version": run.environment.get("python"),
            "system": run.environment.get("os"),
            "cpu": {"brand_raw": cpu, "count": run.environment.get("cpus_usable")},
            "supcr_bench": dict(run.environment),
        },
        "commit_info": {
            "id": revision.removesuffix("+dirty"),
            "time": None,
            "author_time": None,
            "dirty": dirty,
            "project": project,
            "branch": "(unknown)",
            **({"supcr_bench": own, "code": code} if code else {}),
        },
        "benchmarks": [_benchmark(result, suite, budget) for result in timed],
        "datetime": run.info.get("finished_at") or run.info.get("started_at"),
        "version": pytest_benchmark.__version__,
    }
    return content, left


def _benchmark(result: Result, suite: str, budget: Mapping[str, Any]) -> dict[str, Any]:
    stats: Any = Stats()  # type: ignore[no-untyped-call]
    for seconds in result.samples_s:
        stats.update(seconds)
    name = _name(result)
    return {
        "group": result.case.id,
        "name": name,
        "fullname": f"suites/{suite}.toml::{name}",
        "params": result.case.to_mapping(),
        "param": result.case.id,
        "extra_info": extra_info(result),
        "options": {
            "disable_gc": True,
            "timer": "perf_counter_ns",
            "min_rounds": FEWEST_SAMPLES,
            "max_time": budget.get("sampling_s"),
            "min_time": budget.get("shortest_sample_s", 0.0),
            "warmup": False,
        },
        "stats": {
            **stats.as_dict(),
            "data": list(result.samples_s),
            "iterations": result.repetitions or 1,
        },
    }


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
