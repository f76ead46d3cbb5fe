"""A run's results as one table for other tools, CSV or Parquet: plain figures, no formatting.

Samples and differences are lists and mappings in one cell: JSON in CSV; in Parquet, samples are
lists of numbers, and differences, whose keys are names of implementations, JSON.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import UnionType

import pandas as pd

from supcr_bench.analysis.frame import results_frame
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, stored_name

_NUMBERS = {int: "Int64", int | None: "Int64", float: "float64", float | None: "float64"}
"""Whole numbers stay whole where one is missing, and a column without a figure has a type."""


def results_table(results: Sequence[Result], json_cells: type | UnionType) -> pd.DataFrame:
    """One row a result: its own fields, those of its case, and the median time with its interval.

    Columns carry their units in their names. Cells of the type ``json_cells`` are JSON.
    """
    known = (*fields(Case), *fields(Result))
    kinds = {stored_name(f.name): _NUMBERS[f.type] for f in known if f.type in _NUMBERS}  # type: ignore[index]
    frame = results_frame(results).astype(kinds)

    def written(cell: object) -> object:
        return json.dumps(cell) if isinstance(cell, json_cells) else cell

    objects = [name for name in frame.columns if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(written) for name in objects})


def results_csv(results: Sequence[Result]) -> str:
    """The table as CSV; a cell without a figure is empty."""
    return results_table(results, Mapping | tuple).to_csv(index=False, lineterminator="\n")


def results_parquet(results: Sequence[Result]) -> bytes:
    """The table as Parquet.

    Raises:
        ImportError: pyarrow is not installed.
    """
    content = io.BytesIO()
    results_table(results, Mapping).to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()
