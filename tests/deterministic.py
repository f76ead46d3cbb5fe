"""What of a run has no noise: the same wherever it is measured."""

import json
from pathlib import Path
from typing import Any

from supcr_bench.values.case import Workload

FIGURES = (
    "status",
    "loss",
    "reference_loss",
    "value_error",
    "gradient_error",
    "peak_bytes",
    "launches",
    "elements",
    "dispatch_peak_bytes",
    "predicted_cuda_peak_bytes",
    "predicted_peak_bytes",
)
"""Fields of a stored result."""
CASE = ("implementation", "pass", *Workload.__dataclass_fields__)

Row = dict[str, Any]


def rows_in(folder: Path) -> list[Row]:
    """Every stored result of the one run in a folder."""
    (file,) = folder.glob("*/measurements.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def case_of(row: Row) -> tuple[Any, ...]:
    """What a run must have one result of."""
    return tuple(row[name] for name in CASE)


def differences(here: list[Row], there: list[Row]) -> list[str]:
    """What two runs of the same suite do not have in common, line by line."""
    one, other = ({case_of(row): row for row in rows} for rows in (here, there))
    found = [f"only one run has {case}" for case in one.keys() ^ other.keys()]
    found += [
        f"twice: {len(rows)} rows"
        for rows, by in ((here, one), (there, other))
        if len(rows) > len(by)
    ]
    return found + [
        f"{case}: {name} {one[case][name]} and {other[case][name]}"
        for case in one.keys() & other.keys()
        for name in FIGURES
        if one[case][name] != other[case][name]
    ]
