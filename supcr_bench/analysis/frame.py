"""Results as a data frame: one row for each, with summaries of the samples."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from supcr_bench.analysis.summary import time_interval
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, stored_name

if TYPE_CHECKING:
    import pandas as pd

DERIVED = ("time_s", "time_low_s", "time_high_s")


def columns() -> list[str]:
    names: list[str] = []
    for f in fields(Result):
        names += map(stored_name, (c.name for c in fields(Case)) if f.name == "case" else (f.name,))
    return names + list(DERIVED)


def result_row(result: Result) -> dict[str, Any]:
    """The values of :func:`columns`, without ``DERIVED`` for a result that was not timed."""
    row = result.to_mapping()
    row["status"] = str(result.status)
    if result.further_samples_s is not None:
        row["further_samples_s"] = list(result.further_samples_s.values())
    if interval := time_interval(result):
        row |= zip(DERIVED, (interval.estimate, interval.low, interval.high), strict=True)
    return row


def results_frame(results: Sequence[Result]) -> "pd.DataFrame":
    import pandas as pd  # slow to import

    frame = pd.DataFrame(list(map(result_row, results)), columns=columns())
    optional = (float | None, int | None)
    numeric = [stored_name(f.name) for f in (*fields(Case), *fields(Result)) if f.type in optional]
    frame[[*numeric, *DERIVED]] = frame[[*numeric, *DERIVED]].astype(float)
    return frame
