"""A baseline file: what was recorded of a suite, to be committed and held against later.

It is JSON, with one record a line, so that the difference of two of them reads as what changed. The
same figures give the same bytes, whatever the order in which they were found.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from supcr_bench.gate.recorded import CaseRecord, Recorded, VerificationRecord
from supcr_bench.values.case import Case
from supcr_bench.values.definition import current_name
from supcr_bench.values.errors import BaselineError
from supcr_bench.values.result import Key, Status
from supcr_bench.verification.outcome import Verdict

SCHEMA_VERSION = 1
# 1: the first one. A field that is new in a case, or means something else, is a new schema.
ENVIRONMENT = (
    "accelerators",
    "cpu",
    "cpu_capability",
    "cpus_usable",
    "numpy",
    "os",
    "python",
    "threads",
    "torch",
)
"""What a baseline keeps of the environment."""
_SHARED = "memory_limit_bytes"
"""Of a case, and the same in every case of a sweep: written once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A baseline.

    Attributes:
        suite: the name of the suite that was run.
        seed: of everything random in it.
        version: of supcr-bench.
        revision: of the code that was measured, where that is known.
        recorded_on: the day, as ``2026-11-24``.
        environment: the machine and the software, as far as they are kept.
        recorded: the figures and verdicts.
    """

    suite: str
    seed: int
    version: str
    revision: str | None
    recorded_on: str
    environment: Mapping[str, Any]
    recorded: Recorded


def kept_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What a baseline keeps of a worker's environment."""
    return {key: environment.get(key) for key in ENVIRONMENT}


# --- writing ---


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write the file, over the one that is there.

    Raises:
        BaselineError: it cannot be written.
    """
    try:
        path.write_text(to_text(baseline), encoding="utf-8", newline="\n")
    except OSError as error:
        raise BaselineError(f"{path} cannot be written: {error.strerror}") from None


def to_text(baseline: Baseline) -> str:
    """The file's content."""
    recorded = baseline.recorded
    limits = [c.memory_limit_bytes for c in recorded.cases.values() if c.memory_limit_bytes]
    head = {
        "schema_version": SCHEMA_VERSION,
        "suite": baseline.suite,
        "seed": baseline.seed,
        "version": baseline.version,
        "revision": baseline.revision,
        "recorded_on": baseline.recorded_on,
        "environment": dict(sorted(baseline.environment.items())),
        _SHARED: min(limits, default=None),
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    lines += _array("cases", [_case_mapping(k, recorded.cases[k]) for k in _in_order(recorded)])
    lines[-1] += ","
    lines += _array("checks", list(_check_mappings(recorded)))
    return "\n".join(["{", *lines, "}"]) + "\n"


def _array(name: str, rows: list[dict[str, Any]]) -> list[str]:
    """One line a row."""
    texts = [f"    {json.dumps(row, allow_nan=False)}" for row in rows]
    return [f"  {json.dumps(name)}: [", *([",\n".join(texts)] if texts else []), "  ]"]


def _in_order(recorded: Recorded) -> list[Key]:
    def place(key: Key) -> tuple[str, str, str, int]:
        name, case = key
        return name, str(case.series()), case.pass_, case.batch_size

    return sorted(recorded.cases, key=place)


def _case_mapping(key: Key, found: CaseRecord) -> dict[str, Any]:
    """The implementation and its case, then what is known: what is not is left out."""
    name, case = key
    values: dict[str, Any] = {"implementation": name}
    values |= {f.name.rstrip("_"): getattr(case, f.name) for f in fields(Case)}
    known = {f.name: getattr(found, f.name) for f in fields(CaseRecord) if f.name != _SHARED}
    return values | {name: value for name, value in known.items() if value is not None}


def _check_mappings(recorded: Recorded) -> Iterator[dict[str, Any]]:
    for name, found in sorted(recorded.verifications.items()):
        for check, verdict in sorted(found.verdicts.items()):
            yield {
                "implementation": name,
                "definition": found.definition,
                "check": check,
                "verdict": verdict,
            }


# --- reading ---


def read_baseline(path: Path) -> Baseline:
    """Read a file that :func:`write_baseline` wrote.

    Raises:
        BaselineError: it is not there, is no baseline, or has another schema.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["schema_version"]
    except FileNotFoundError:
        raise BaselineError(f"no baseline {str(path)!r}; {_again(path)} makes it") from None
    except OSError as error:
        raise BaselineError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BaselineError(f"{path} is no baseline: {error!r}; {_again(path)} makes one") from None
    if version != SCHEMA_VERSION:
        raise BaselineError(
            f"{path} has schema {version}, and this supcr-bench reads {SCHEMA_VERSION} alone; "
            f"{_again(path)} records it again"
        )
    try:
        return _from_mapping(values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BaselineError(
            f"{path} holds what is no record: {error!r}; {_again(path)} records it again"
        ) from None


def _again(path: Path) -> str:
    return f"`supcr-bench gate --record {path}`"


def _from_mapping(values: Mapping[str, Any]) -> Baseline:
    limit = values[_SHARED]
    verdicts: dict[tuple[str, str], dict[str, Verdict]] = {}
    for row in values["checks"]:
        own = verdicts.setdefault((row["implementation"], current_name(row["definition"])), {})
        own[row["check"]] = Verdict(row["verdict"])
    return Baseline(
        suite=values["suite"],
        seed=values["seed"],
        version=values["version"],
        revision=values["revision"],
        recorded_on=values["recorded_on"],
        environment=dict(values["environment"]),
        recorded=Recorded(
            cases=dict(_case_record(row, limit) for row in values["cases"]),
            verifications={
                name: VerificationRecord(definition=definition, verdicts=own)
                for (name, definition), own in verdicts.items()
            },
        ),
    )


def _case_record(row: Mapping[str, Any], limit: int | None) -> tuple[Key, CaseRecord]:
    case = Case.from_mapping(row)
    own = {f.name: row[f.name] for f in fields(CaseRecord) if f.name in row}
    own |= {"status": Status(row["status"]), _SHARED: limit}
    return (row["implementation"], case), CaseRecord(**own)


# --- holding against ---


def held_against(
    baseline: Baseline, path: Path, suite: str, seed: int, keys: Collection[Key]
) -> list[str]:
    """What has to be said before a suite is held against a baseline.

    Args:
        baseline: what was recorded.
        path: where it lies.
        suite: the name of the suite that is run.
        seed: of that suite.
        keys: what it runs.

    Raises:
        BaselineError: the two have no case in common.
    """
    names = {name for name, _ in keys}
    cases = {case for _, case in keys}
    common = {case for _, case in baseline.recorded.cases} & cases
    notes = []
    if baseline.suite != suite:
        notes.append(f"it was recorded with suite {baseline.suite}, and this is {suite}")
    if baseline.seed != seed:
        notes.append(f"it was recorded with seed {baseline.seed}, and this is {seed}")
    if not common:
        apart = "; ".join(notes) or "its cases are others"
        raise BaselineError(
            f"{path} has no case in common with this gate: {apart}; {_again(path)} records it again"
        )
    if notes:
        both = "1 case is" if len(common) == 1 else f"{len(common)} cases are"
        notes = [f"Of the baseline {path}, {'; '.join(notes)}: {both} in both."]
    strangers = sorted(names - set(baseline.recorded.implementations))
    if strangers:
        notes.append(f"The baseline {path} knows nothing of {', '.join(strangers)}.")
    return notes
