"""A run's results as one table for other tools, CSV or Parquet: plain figures, no formatting.

Samples and differences are lists and mappings in one cell: JSON in CSV; in Parquet, samples are
lists of numbers, and differences, whose keys are names of implementations, JSON.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from types import UnionType
from typing import get_args, get_type_hints

import pandas as pd

from supcr_bench.analysis.frame import results_frame
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, stored_name

_NUMBERS: Mapping[object, str] = {int: "Int64", float: "float64"}
"""Whole numbers stay whole where one is missing, and a column without a figure has a type."""


def _number_columns() -> Iterator[tuple[str, str]]:
    """Names and types of the columns that hold one number, as the result's own fields say."""
    for kind in (Case, Result):
        hints = get_type_hints(kind)
        for name in (f.name for f in fields(kind)):
            (*held,) = {*(get_args(hints[name]) or [hints[name]])} - {type(None)}
            if len(held) == 1 and held[0] in _NUMBERS:
                yield stored_name(name), _NUMBERS[held[0]]


def results_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a result: its own fields, those of its case, and the median time with its interval.

    Columns carry their units in their names.
    """
    return results_frame(results).astype(dict(_number_columns()))


def results_csv(results: Sequence[Result]) -> str:
    """The table as CSV; a cell without a figure is empty."""
    frame = _in_each_cell(results_table(results), Mapping | tuple, json.dumps)
    return frame.to_csv(index=False, lineterminator="\n")


def results_parquet(results: Sequence[Result]) -> bytes:
    """The table as Parquet.

    Raises:
        ImportError: pyarrow is not installed.
    """
    frame = _in_each_cell(results_table(results), Mapping, json.dumps)
    content = io.BytesIO()
    frame.to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()


def _in_each_cell(
    frame: pd.DataFrame, kind: type | UnionType, change: Callable[[object], str]
) -> pd.DataFrame:
    def changed(cell: object) -> object:
        return change(cell) if isinstance(cell, kind) else cell

    objects = [name for name in frame.columns if frame[name].dtype == object]
    return frame.assign(**{name: frame[name].map(changed) for name in objects})
