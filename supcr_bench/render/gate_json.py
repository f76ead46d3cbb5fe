"""A gate's outcome for machines: JSON that any reader takes, without NaN and infinity.

Schema version 1: first.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from math import isfinite
from typing import Any, Literal

from supcr_bench.values.case import Case
from supcr_bench.values.gate import Figure, GateOutcome, Judgement

SCHEMA_VERSION = 1
UNITS: Mapping[Figure, str] = {
    "launches": "operations",
    "element work": "elements",
    "peak memory": "bytes",
    "time": "seconds",
}
"""Of ``before`` and ``after``; a figure of agreement has none."""


def gate_json(outcome: GateOutcome, undecided: Literal["pass", "fail"] | None = None) -> str:
    """The outcome as the text of a JSON file.

    Args:
        outcome: of the gate.
        undecided: what an undecided outcome is to count as, if anything.
    """
    return json.dumps(to_mapping(outcome, undecided), indent=2, allow_nan=False) + "\n"


def to_mapping(
    outcome: GateOutcome, undecided: Literal["pass", "fail"] | None = None
) -> dict[str, Any]:
    """Everything found. Judgements are flat: the fields of their case stand among their own."""
    values = {
        "schema_version": SCHEMA_VERSION,
        "ruling": outcome.ruling,
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
        "judgements": [_judgement(j) for j in outcome.judgements],
    }
    finite: dict[str, Any] = _finite(values)
    return finite


def _judgement(judgement: Judgement) -> dict[str, Any]:
    own = {f.name: getattr(judgement, f.name) for f in fields(Judgement) if f.name != "case"}
    case = {f.name.rstrip("_"): getattr(judgement.case, f.name, None) for f in fields(Case)}
    kind = {"evidence": judgement.evidence, "unit": UNITS.get(judgement.figure)}
    return {**own, **kind, **case}


def _finite(value: Any) -> Any:
    """The same with ``None`` in the place of each number that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not isfinite(value) else value
