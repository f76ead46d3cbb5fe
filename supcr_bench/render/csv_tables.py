"""The tables of a run as CSV: plain figures in seconds and bytes, no formatting."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from supcr_bench.analysis.axis_effect import AXES, axis_effect_rows
from supcr_bench.analysis.claims import claim_rows
from supcr_bench.analysis.summary import (
    FIGURES,
    Claims,
    agreement_rows,
    cost_rows,
    growth_rows,
    pair_rows,
)
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.result import Result


def _flat(row: Any) -> dict[str, Any]:
    """A row value as columns; a case becomes its own fields."""
    flat: dict[str, Any] = {}
    for f in fields(row):
        value = getattr(row, f.name)
        if isinstance(value, Case):
            flat |= {c.name.rstrip("_"): getattr(value, c.name) for c in fields(Case)}
        elif isinstance(value, tuple):
            flat[f.name] = " ".join(map(str, value))
        else:
            flat[f.name] = value
    return flat


def _csv(rows: Sequence[Any]) -> str:
    text = io.StringIO()
    assert all(is_dataclass(row) for row in rows)
    flat = [_flat(row) for row in rows]
    writer = csv.DictWriter(text, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def csv_tables(results: Sequence[Result], claims: dict[str, Claims]) -> Mapping[str, str]:
    """File name and text of every table that has rows."""
    tables: dict[str, Sequence[Any]] = {
        "agreement.csv": agreement_rows(results),
        "pairs.csv": pair_rows(results),
        "cost.csv": [row for p in PASSES for row in cost_rows(results, p)],
        "growth.csv": [row for figure in FIGURES for row in growth_rows(results, claims, figure)],
        "axes.csv": [row for axis in AXES for row in axis_effect_rows(results, axis)],
        "claims.csv": claim_rows(results),
    }
    return {name: _csv(rows) for name, rows in tables.items() if rows}
