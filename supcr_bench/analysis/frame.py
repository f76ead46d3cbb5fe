"""Results as a table: one row each, summaries derived."""

from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from supcr_bench.analysis.statistics import median_interval
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, stored_name

DERIVED = ("time_s", "time_low_s", "time_high_s")


def columns() -> list[str]:
    names: list[str] = []
    for f in fields(Result):
        names += map(stored_name, (c.name for c in fields(Case)) if f.name == "case" else (f.name,))
    return names + list(DERIVED)


def results_frame(results: Sequence[Result]) -> pd.DataFrame:
    rows = []
    for result in results:
        row = result.to_mapping()
        row["status"] = str(result.status)
        row |= dict.fromkeys(DERIVED)
        if result.time_samples_s:
            interval = median_interval(result.time_samples_s)
            row |= {
                "time_s": interval.estimate,
                "time_low_s": interval.low,
                "time_high_s": interval.high,
            }
        rows.append(row)
    frame = pd.DataFrame(rows, columns=columns())
    numeric = [
        "loss",
        "reference_loss",
        "value_error",
        "value_tolerances",
        "gradient_error",
        "gradient_tolerances",
        "peak_bytes",
        "launches",
        "elements",
        "dispatch_peak_bytes",
        "predicted_cuda_peak_bytes",
        "no_self_error",
        "predicted_s",
        "spent_s",
        "nan_density",
        *DERIVED,
    ]
    frame[numeric] = frame[numeric].astype(float)
    return frame
