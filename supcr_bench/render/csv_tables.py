"""The tables of a run as CSV: plain figures in seconds and bytes, no formatting."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from supcr_bench.analysis.axis_effect import COMPARED, axis_effect_rows
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.growth_verdict import GrowthVerdict
from supcr_bench.analysis.summary import agreement_rows, cost_rows, pair_rows
from supcr_bench.values.axes import Axis
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.metrics import Metric
from supcr_bench.values.result import stored_name


def _flat(row: Any) -> dict[str, Any]:
    """The columns of a row; a case and a verdict give their fields as columns."""
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
    assert all(is_dataclass(row) for row in rows)
    flat = [_flat(row) for row in rows]
    writer = csv.DictWriter(text, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def csv_tables(findings: Findings) -> Mapping[str, str]:
    tables: dict[str, Sequence[Any]] = {
        "agreement.csv": agreement_rows(findings.results),
        "pairs.csv": pair_rows(findings.results),
        "cost.csv": [row for p in PASSES for row in cost_rows(findings.results, p)],
        "growth.csv": findings.growth,
        "crossovers.csv": findings.crossovers,
        "frontier.csv": findings.frontier,
        "predictions.csv": findings.predictions,
        "axes.csv": [row for axis in COMPARED for row in axis_effect_rows(findings.results, axis)],
        "claims.csv": findings.claims,
    }
    return {name: _csv(rows) for name, rows in tables.items() if rows}
