"""A gate's outcome as JSON for other programs, without NaN and infinity.

Schema version 1 is the first one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from math import isfinite
from typing import Any

from supcr_bench.values.case import Case
from supcr_bench.values.gate import CountsAs, GatedChange, GateOutcome

SCHEMA_VERSION = 1
FIGURES: Mapping[str, str] = {
    "dispatched_ops": "launches",
    "elements_processed": "element work",
    "memory": "peak memory",
}
"""Names of metrics in schema 1 that differ from today's. JUnit files say the same."""
UNITS: Mapping[str, str] = {
    "dispatched_ops": "operations",
    "elements_processed": "elements",
    "memory": "bytes",
    "time": "seconds",
}
"""The unit of ``before`` and ``after``; a metric of agreement has none."""
KEYS = {"metric": "figure", "verdict": "ruling"}
"""Keys of schema 1 that are not the names of attributes."""


def gate_json(outcome: GateOutcome, undecided: CountsAs = None) -> str:
    """The outcome as the text of a JSON file; ``undecided`` is what an undecided gate counts as."""
    return json.dumps(to_mapping(outcome, undecided), indent=2, allow_nan=False) + "\n"


def to_mapping(outcome: GateOutcome, undecided: CountsAs = None) -> dict[str, Any]:
    values = {
        "schema_version": SCHEMA_VERSION,
        "ruling": outcome.verdict,
        "exit_status": outcome.exit_status(undecided),
        "undecided_counts_as": undecided,
        "measured_nothing": outcome.measured_nothing,
        "suite": outcome.suite,
        "against": outcome.against,
        "command": outcome.command,
        "spent_s": outcome.spent_s,
        "notes": outcome.notes,
        "time": asdict(outcome.time) if outcome.time else None,
        "environment": outcome.environment,
        "judgements": [_change(change) for change in outcome.changes],
    }
    finite: dict[str, Any] = _finite(values)
    return finite


def _change(change: GatedChange) -> dict[str, Any]:
    own = {KEYS.get(f.name, f.name): getattr(change, f.name) for f in fields(GatedChange)}
    own["figure"] = FIGURES.get(change.metric, change.metric)
    del own["case"]
    own |= {"evidence": change.evidence, "unit": UNITS.get(change.metric)}
    case = {f.name.rstrip("_"): getattr(change.case, f.name, None) for f in fields(Case)}
    return {**own, **case}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not isfinite(value) else value
