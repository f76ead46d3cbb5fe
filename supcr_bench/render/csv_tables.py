"""Writes a run for other tools: its tables as CSV, its results as CSV or Parquet, unrounded.

In CSV, samples and differences (by name of implementation) are JSON in one cell. In Parquet,
samples are lists of numbers, and differences are JSON.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import UnionType
from typing import Any

import pandas as pd

from supcr_bench.analysis import summary
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frame import results_frame
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.growth_law import GrowthVerdict
from supcr_bench.values.metrics import Metric
from supcr_bench.values.result import Result, stored_name

_BYTES = ("peak_bytes", "dispatch_peak_bytes", "predicted_cuda_peak_bytes")


def _flat(row: Any) -> Mapping[str, Any]:
    """The columns of a row; each field of its case and of its verdict is a column."""
    if isinstance(row, Mapping):
        return row
    flat: dict[str, Any] = {}
    for f in fields(row):
        value = getattr(row, f.name)
        if isinstance(value, Case):
            flat |= value.to_mapping()
        elif isinstance(value, Metric):
            flat[f.name] = value.name
        elif isinstance(value, GrowthVerdict):
            flat |= {k: v for k, v in _flat(value).items() if k not in ("curve", "band")}
        elif isinstance(value, tuple):
            flat[f.name] = "; ".join(map(str, value))
        else:
            flat[stored_name(f.name)] = value
    return flat


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def _cost(result: Result) -> dict[str, Any]:
    values, time = result.to_mapping(), summary.time_interval(result)
    return {
        "implementation": result.implementation,
        **result.case.to_mapping(),
        "status": result.status,
        "time_s": time and time.estimate,
        "time_low_s": time and time.low,
        "time_high_s": time and time.high,
        "samples": len(result.samples_s),
        **{key: values[key] for key in (*_BYTES, "launches", "elements")},
    }


def csv_tables(findings: Findings) -> Mapping[str, str]:
    results = findings.results
    tables: dict[str, Sequence[Any]] = {
        "agreement.csv": summary.agreement_rows(results),
        "pairs.csv": summary.pair_rows(results),
        "cost.csv": [_cost(r) for p in PASSES for r in summary.by_series(results, p)],
        "growth.csv": findings.growth,
        "crossovers.csv": findings.crossovers,
        "frontier.csv": findings.frontier,
        "claims.csv": findings.claims,
    }
    return {
        name: _csv(pd.DataFrame([_flat(row) for row in rows], dtype=object))
        for name, rows in tables.items()
        if rows
    }


_NUMBERS = {int: "Int64", int | None: "Int64", float: "float64", float | None: "float64"}
"""Types of columns that may lack values: whole numbers stay whole, empty columns stay numeric."""


def results_table(run: Run, json_cells: type | UnionType) -> pd.DataFrame:
    """Each result with its revision, if known; cells of the type ``json_cells`` become JSON."""
    known = (*fields(Case), *fields(Result))
    kinds = {stored_name(f.name): _NUMBERS[f.type] for f in known if f.type in _NUMBERS}  # type: ignore[index]
    frame = results_frame(run.results).astype(kinds)
    code: Mapping[str, Mapping[str, Any]] = run.info.get("code") or {}
    for key in ("repository", "revision", "dirty"):
        frame[key] = [code.get(r.implementation, {}).get(key) for r in run.results]

    def written(cell: object) -> object:
        return json.dumps(cell) if isinstance(cell, json_cells) else cell

    objects = [name for name in frame.columns if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(written) for name in objects})


def results_csv(run: Run) -> str:
    """The table as CSV; a cell without a figure is empty."""
    return _csv(results_table(run, Mapping | tuple))


def results_parquet(run: Run) -> bytes:
    """The table as Parquet; an ImportError if pyarrow is not installed."""
    content = io.BytesIO()
    results_table(run, Mapping).to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()
