"""The tables of a run as CSV: plain figures in seconds and bytes, no formatting."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from supcr_bench.analysis.axis_effect import COMPARED, axis_effect_rows
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import prediction_error
from supcr_bench.analysis.summary import agreement_rows, by_series, pair_rows, time_interval
from supcr_bench.values.axes import Axis
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.growth_law import GrowthVerdict
from supcr_bench.values.metrics import Metric
from supcr_bench.values.result import Result, stored_name

_COSTS = (
    "peak_bytes",
    "dispatch_peak_bytes",
    "predicted_cuda_peak_bytes",
    "launches",
    "elements",
)


def _flat(row: Any) -> dict[str, Any]:
    """The columns of a row; a case and a verdict give their fields as columns."""
    if isinstance(row, Mapping):
        return dict(row)
    flat: dict[str, Any] = {}
    for f in fields(row):
        value = getattr(row, f.name)
        if isinstance(value, Case):
            flat |= value.to_mapping()
        elif isinstance(value, Metric | Axis):
            flat[f.name] = value.name
        elif isinstance(value, GrowthVerdict):
            flat |= {k: v for k, v in _flat(value).items() if k not in ("curve", "band")}
        elif isinstance(value, tuple):
            flat[f.name] = "; ".join(map(str, value))
        else:
            flat[stored_name(f.name)] = value
    return flat


def _csv(rows: Sequence[Any]) -> str:
    text = io.StringIO()
    flat = [_flat(row) for row in rows]
    writer = csv.DictWriter(text, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _cost(result: Result) -> Mapping[str, Any]:
    values, time = result.to_mapping(), time_interval(result)
    return {
        "implementation": result.implementation,
        **result.case.to_mapping(),
        "status": result.status,
        "time_s": time and time.estimate,
        "time_low_s": time and time.low,
        "time_high_s": time and time.high,
        "samples": time.samples if time else 0,
        **{key: values[key] for key in _COSTS},
    }


def _prediction(result: Result) -> Mapping[str, Any]:
    return {
        "implementation": result.implementation,
        **result.case.to_mapping(),
        "fitted_up_to": result.predicted_peak_from or 0,
        "predicted_bytes": result.predicted_peak_bytes,
        "low_bytes": result.predicted_peak_low_bytes or 0.0,
        "high_bytes": result.predicted_peak_high_bytes or 0.0,
        "peak_bytes": result.peak_bytes,
        "error": prediction_error(result),
    }


def csv_tables(findings: Findings) -> Mapping[str, str]:
    tables: dict[str, Sequence[Any]] = {
        "agreement.csv": agreement_rows(findings.results),
        "pairs.csv": pair_rows(findings.results),
        "cost.csv": [_cost(r) for p in PASSES for r in by_series(findings.results, p)],
        "growth.csv": findings.growth,
        "crossovers.csv": findings.crossovers,
        "frontier.csv": findings.frontier,
        "predictions.csv": [_prediction(r) for r in findings.predictions],
        "axes.csv": [row for axis in COMPARED for row in axis_effect_rows(findings.results, axis)],
        "claims.csv": findings.claims,
    }
    return {name: _csv(rows) for name, rows in tables.items() if rows}
