"""Writes a run for other tools: its tables as CSV, its results as CSV or Parquet.

Measured figures are not rounded. What is fitted or interpolated has six digits: later ones depend
on the machine that computes them. In CSV, samples and differences (by name of implementation) are
JSON in one cell. In Parquet, samples are lists of numbers, and differences are JSON.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from supcr_bench.analysis import summary
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.summary import results_frame
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.growth_law import GrowthVerdict
from supcr_bench.values.metrics import Metric
from supcr_bench.values.result import Result, stored_name

if TYPE_CHECKING:
    import pandas as pd

_COUNTS = ("peak_bytes", "dispatch_peak_bytes", "predicted_cuda_peak_bytes", "launches", "elements")


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
            rounded = float(f"{value:.6g}") if isinstance(value, float) else value
            flat[stored_name(f.name)] = rounded
    return flat


def _cost(result: Result) -> dict[str, Any]:
    known = summary.result_row(result) | {"samples": len(result.samples_s)}
    case = result.case.to_mapping()
    names = ("implementation", *case, "status", *summary.DERIVED, "samples", *_COUNTS)
    return {name: known.get(name) for name in names}


def csv_tables(findings: Findings) -> Mapping[str, str]:
    results = findings.results
    tables: dict[str, Sequence[Any]] = {
        "agreement.csv": summary.agreement_rows(results),
        "cost.csv": [_cost(r) for p in PASSES for r in summary.by_series(results, p)],
        "growth.csv": findings.growth,
        "crossovers.csv": findings.crossovers,
        "frontier.csv": findings.frontier,
        "claims.csv": findings.claims,
    }
    written = {}
    for name, rows in tables.items():
        flat, text = [_flat(row) for row in rows], io.StringIO()
        names = dict.fromkeys(key for row in flat for key in row)
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        written[name] = text.getvalue()
    return {name: text for name, text in written.items() if tables[name]}


_TYPES = {stored_name(f.name): f.type for f in (*fields(Case), *fields(Result))}


def _frame(run: Run, as_json: Any) -> "pd.DataFrame":
    """A row for each result with its revision, if known; cells of the types ``as_json`` are text.

    Columns may lack values: whole numbers stay whole, empty columns stay numeric.
    """
    numbers = {int: "Int64", int | None: "Int64", float: "float64", float | None: "float64"}
    kinds = {name: numbers[kind] for name, kind in _TYPES.items() if kind in numbers}  # type: ignore[index]
    frame = results_frame(run.results).astype(kinds)
    code: Mapping[str, Mapping[str, Any]] = run.info.get("code") or {}
    for key in ("repository", "revision", "dirty"):
        frame[key] = [code.get(r.implementation, {}).get(key) for r in run.results]
    for name in frame.columns[frame.dtypes.eq("object")]:
        frame[name] = [json.dumps(v) if isinstance(v, as_json) else v for v in frame[name]]
    return frame


def results_csv(run: Run) -> str:
    return _frame(run, (Mapping, list, tuple)).to_csv(index=False, lineterminator="\n")


def results_parquet(run: Run) -> bytes:
    """The same as Parquet; raises an ImportError if pyarrow is not installed."""
    content = io.BytesIO()
    _frame(run, Mapping).to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()
