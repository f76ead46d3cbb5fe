"""Stores a run's raw data inside its report page, so that the page can be read like the run.

The page holds an element ``<a id="run-data" href="data:application/gzip;base64,...">``: a gzip of
one JSON object ``{"run", "results", "verification"}``. Results are stored as columns, one list for
each field, which compress to four fifths of the size of rows. Nothing is rounded.
"""

import base64
import gzip
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from supcr_bench.store import loaded_run
from supcr_bench.values.errors import StoreError
from supcr_bench.values.files import read_bytes

PAGE = "index.html"
SUMMARY_FILE = "summary.json"
SUMMARY_KEYS = ("id", "suite", "started_at", "headline")
"""Keys of the summary file, which a list of reports reads instead of large pages: id of the run (or
of the two that are compared), suite, start (ISO 8601), and the first finding. Newer files have
``machine`` (the kind's name) and ``figures`` too (seconds, by what was timed)."""
_START = "data:application/gzip;base64,"
_DATA = re.compile(rf"{re.escape(_START)}([^\s\"'<>]*)")


def embedded(run: loaded_run.Run) -> str:
    """The value of ``href`` for the element; equal runs give equal texts."""
    rows = [result.to_mapping() for result in run.results]
    verified = run.verification
    stored = None if verified is None else {n: v.to_mapping() for n, v in verified.items()}
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    values = {"run": dict(run.info), "results": columns, "verification": stored}
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return _START + base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def load_report(path: Path) -> loaded_run.Run:
    """Read the run that a report was made from; raise a StoreError if its data cannot be read."""
    with loaded_run.damage(f"{path} cannot be read"):
        found = _DATA.findall(read_bytes(path).decode())
    if not found:
        raise StoreError(f"{path} holds no data of a run; give a report that `supcr-bench` wrote")
    with loaded_run.damage(f"{path}: the data of its run are damaged", "make the report again"):
        packed = base64.b64decode(max(found, key=len), validate=True)
        unpacked = read_bytes(path, lambda *_: gzip.GzipFile(fileobj=BytesIO(packed)))
        values = loaded_run.parse_json(unpacked)
        info, columns, verification = (values[k] for k in ("run", "results", "verification"))
        loaded_run.require_known_schema(info["schema_version"], path)
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        loaded_run.require_run_id(info["id"])
    return loaded_run.make_run(
        path, info, rows, verification, (f"{path}: result", f"{path}: the verification")
    )


def reports_in(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The name of each report's folder, and its summary, if any; the latest run comes first."""
    found = [(page.parent.name, _summary(page.parent)) for page in folder.glob(f"*/{PAGE}")]
    return sorted(found, key=lambda r: (r[1]["started_at"], r[1]["id"], r[0]), reverse=True)


def _summary(folder: Path) -> dict[str, Any]:
    try:
        values = loaded_run.parse_json(read_bytes(folder / SUMMARY_FILE))
        found: dict[str, Any] = {key: str(values[key]) for key in SUMMARY_KEYS}
        if "figures" in values:
            figures = {str(k): float(v) for k, v in values["figures"].items()}
            found |= {"machine": str(values["machine"]), "figures": figures}
            found["environment"] = str(values.get("environment", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return dict.fromkeys(SUMMARY_KEYS, "") | {"id": folder.name}
    return found
