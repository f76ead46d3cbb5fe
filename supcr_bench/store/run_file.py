"""A run without its timings in one text file to commit, which the gate calls a baseline.

The file is JSON with one record on each line, so that a diff of two files shows the changes. Equal
results give equal bytes, whatever the order of measurement. The file keeps only metrics without
noise, and the verdicts of checks without their texts, which quote numbers of one machine.

Schema 2 holds keys of ``run.json``, then ``results`` and ``checks``. Schema 1, which stored fewer
keys of ``run.json`` and called the results ``cases``, can still be read.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from supcr_bench.store.loaded_run import Run, damage, make_run, parse_json
from supcr_bench.values.axes import AXES
from supcr_bench.values.errors import StoreError
from supcr_bench.values.files import read_bytes
from supcr_bench.values.machine import SAME_MACHINE
from supcr_bench.values.metrics import MEMORY
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

RUN_FILE_SCHEMA = 2
HEAD = (
    "id",
    "started_at",
    "suite",
    "subjects",
    "labels",
    "implementations",
    "version",
    "revision",
    "seed",
)
"""Keys of ``run.json`` that the file keeps."""
ENVIRONMENT = sorted((*SAME_MACHINE, "cpu_capability", "numpy", "os", "python"))
"""Keys of the environment that the file keeps, because results may depend on them."""
SHARED = "memory_limit_bytes"
"""A key that has the same value in all results, so the file has it once."""
COUNTS = ("dispatched_ops", "elements_processed", "python_instructions")
ROUNDED = ("value_tolerances", "gradient_tolerances")
"""Fields rounded to two digits, because further digits depend on the machine."""


def without_noise(result: Result) -> Result:
    """The result with only its status and the values that repeat exactly."""
    names = ("implementation", "case", "status", "reason", *COUNTS, *ROUNDED, SHARED)
    kept = {name: getattr(result, name) for name in names}
    kept |= {name: kept[name] and float(f"{kept[name]:.1e}") for name in ROUNDED}
    return Result(**kept, peak_bytes=cast("int | None", MEMORY.compared(result)))


def run_file_text(run: Run) -> str:
    results = [without_noise(result) for result in run.results]
    limits = [r.memory_limit_bytes for r in results if r.memory_limit_bytes]
    head: dict[str, Any] = {"schema_version": RUN_FILE_SCHEMA}
    head |= {key: run.info[key] for key in HEAD if key in run.info}
    head["environment"] = {key: run.environment.get(key) for key in ENVIRONMENT}
    head[SHARED] = min(limits, default=None)
    entries = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    entries.append(_list("results", map(_row, sorted(results, key=_place))))
    entries.append(_list("checks", _checks(run.verification or {})))
    return "\n".join(["{", ",\n".join(entries), "}"]) + "\n"


def _list(name: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """A JSON list with each row on a line of its own."""
    texts = [f"    {json.dumps(row, allow_nan=False)}" for row in rows]
    return "\n".join([f"  {json.dumps(name)}: [", *([",\n".join(texts)] if texts else []), "  ]"])


def _place(result: Result) -> tuple[str, str, str, int]:
    case = result.case
    return result.implementation, str(case.series()), case.pass_, case.batch_size


def _row(result: Result) -> dict[str, Any]:
    """The keys that have a value, and the axes that a reader needs."""
    axes = {axis.name for axis in AXES if not axis.added}
    values = result.to_mapping().items()
    return {k: v for k, v in values if k != SHARED and (k in axes or v is not None)}


def _checks(verification: Mapping[str, Verification]) -> Iterable[dict[str, Any]]:
    for name, found in sorted(verification.items()):
        for outcome in sorted(found.outcomes, key=lambda o: o.check):
            kept = {key: getattr(outcome, key) for key in ("check", "group", "verdict")}
            yield {"implementation": name, "definition": found.definition, **kept}


def load_run_file(path: Path) -> Run:
    """Read a run in a file of :func:`run_file_text`; raise a StoreError if the file holds none."""
    again = f"`supcr-bench gate --record {path}` writes it again"
    another = "name the folder of a run, a report or a baseline"
    with damage(f"{path} cannot be read", another):
        content = read_bytes(path)
    with damage(f"{path} is not a run in one file", another):
        values = parse_json(content)
        version = values["schema_version"]
    if version not in (1, RUN_FILE_SCHEMA):
        raise StoreError(
            f"{path} has schema {version!r}, and this supcr-bench reads 1 to {RUN_FILE_SCHEMA}; "
            f"install a newer supcr-bench, or {again}"
        )
    recorded = not values.keys().isdisjoint(("cases", "results"))
    with damage(f"{path} is not a run in one file", again if recorded else another):
        values = _from_schema_1(values, path) if version == 1 else values
        info = {"schema_version": 1} | {key: values[key] for key in (*HEAD, "environment")}
        rows = [{**row, SHARED: values[SHARED]} for row in values["results"]]
        verification = _verification(values["checks"], values["seed"])
        where = (f"{path}: result", f"{path}: the verification")
    try:
        return make_run(path, info, rows, verification, where)
    except StoreError as error:
        raise StoreError(f"{error}; {again}") from None


def _from_schema_1(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    rows = values["cases"]
    definition = rows[0]["definition"] if rows else "torchcell"
    return {
        **values,
        "id": path.stem,
        "started_at": values["recorded_on"],
        "suite": {"name": values["suite"], "seed": values["seed"], "definition": definition},
        "subjects": list(dict.fromkeys(row["implementation"] for row in rows)),
        "labels": None,
        "implementations": {},
        "results": rows,
    }


def _verification(checks: Iterable[Mapping[str, Any]], seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in checks:
        # Schema 1 did not store the group.
        outcome = {"group": "definition", **row}
        whole = {"strict": False, "seed": seed, "recognised": None, "diagnosis": None}
        own = found.setdefault(row["implementation"], {**row, **whole, "outcomes": []})
        own["outcomes"].append(outcome)
    return found
