"""A run on disk: ``results/<run id>/``.

- ``run.json``: the suite, the implementations, the environment and the time. Written at the start,
  and again at the end with the wall time and its breakdown.
- ``measurements.jsonl``: one JSON object per line and result, appended and flushed to the disk as
  soon as the result is known.
- ``verification.json``: the verification of each implementation, if requested; written again after
  each implementation.

A run that was killed at any moment can be continued: an incomplete last line is removed, and
everything before it is kept.

A report (``report_file``) and a baseline (``run_file``) contain a run too and can be read as one.
"""

import itertools
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supcr_bench.store.loaded_run import SCHEMA_VERSION as SCHEMA_VERSION
from supcr_bench.store.loaded_run import Run as Run
from supcr_bench.store.loaded_run import explain, make_run, require_known_schema
from supcr_bench.store.report_file import PAGE, load_report
from supcr_bench.store.run_file import load_run_file
from supcr_bench.values.errors import StoreError
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

RESULTS = Path("results")
RUN_FILE = "run.json"
MEASUREMENTS_FILE = "measurements.jsonl"
VERIFICATION_FILE = "verification.json"
LATEST = "latest"


def new_run_id(suite: str, now: datetime | None = None) -> str:
    """An id that begins with the time, such as ``20261124T054501Z-quick``."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{suite}"


def find_run(name: str, root: Path = RESULTS) -> Path:
    """The folder or file of a run by its id, its path, or ``latest``; a StoreError if none."""
    runs = sorted((p.parent for p in root.glob(f"*/{RUN_FILE}")), key=_started_at)
    if name == LATEST:
        if not runs:
            raise StoreError(f"no runs in {root}/ yet; `supcr-bench run` makes one")
        return runs[-1]
    for path in (root / name, Path(name)):
        if (path / RUN_FILE).is_file():
            return path
    named = Path(name)
    if named.suffix == ".json" and named.is_file():
        return named
    for page in (named, named / PAGE):
        if page.suffix == ".html" and page.is_file():
            return page
    if not runs:
        none = f"no run {name!r}, and no runs in {root}/ yet"
        raise StoreError(f"{none}; `supcr-bench run` makes one")
    latest = ", ".join(p.name for p in runs[-5:])
    raise StoreError(f"no run {name!r}; the latest runs in {root}/ are: {latest}")


def _started_at(folder: Path) -> tuple[str, str]:
    try:
        started = json.loads((folder / RUN_FILE).read_text())["started_at"]
    except (OSError, ValueError, KeyError, TypeError):
        started = ""  # a file that supcr-bench did not write is never the latest run
    return str(started or ""), folder.name


def load_run(name: str | Path, root: Path = RESULTS) -> Run:
    """Read a run by its id, the path of its folder or report, or ``latest``."""
    path = find_run(str(name), root)
    if path.is_file():
        return load_run_file(path) if path.suffix == ".json" else load_report(path)
    return _read_folder(path)[0]


def _read_folder(path: Path) -> tuple[Run, int]:
    """Read a run, and the number of bytes in the complete lines of its results."""
    info = _read_json(path / RUN_FILE)
    rows, end = _read_lines(path / MEASUREMENTS_FILE)
    file = path / VERIFICATION_FILE
    verification = _read_json(file, "implementations") if file.exists() else None
    where = (f"{path / MEASUREMENTS_FILE} line", f"{file}: the verification")
    return make_run(path, info, rows, verification, where), end


def _read_json(file: Path, key: str | None = None) -> Any:
    try:
        values = json.loads(file.read_text())
        require_known_schema(values["schema_version"], file)
        return values if key is None else values[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{file} cannot be read: {explain(error)}") from None


def _read_lines(file: Path) -> tuple[list[dict[str, Any]], int]:
    """The complete lines, and their bytes. A last line without a newline is incomplete."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return [], 0
    rows: list[dict[str, Any]] = []
    end = 0
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise StoreError(
                f"{file} line {number} is not JSON; remove the line to continue without it"
            ) from None
        end += len(line)
    return rows, end


class RunWriter(AbstractContextManager["RunWriter", None]):
    """Writes the files of a run; made by :meth:`create` or :meth:`resume`."""

    def __init__(self, run: Run) -> None:
        self.path = run.path
        self.info = dict(run.info)
        self.finished = run.results
        self.verification = dict(run.verification or {})
        self._file = (run.path / MEASUREMENTS_FILE).open("ab")

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunWriter":
        """Begin a run in a new folder."""
        path = root / run_id
        for suffix in itertools.count(2):
            if not path.exists():
                break
            path = root / f"{run_id}-{suffix}"  # another run began in the same second
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise StoreError(
                f"the folder {path} cannot be made: {error.strerror}; give another with --out DIR"
            ) from None
        head = {"schema_version": SCHEMA_VERSION, "id": path.name}
        whole = {**head, "started_at": _now(), "finished_at": None, **info}
        _write_json(path / RUN_FILE, whole)
        return cls(Run(path, whole, ()))

    @classmethod
    def resume(cls, path: Path) -> "RunWriter":
        """Continue a run, after removing an incomplete last line."""
        run, end = _read_folder(path)
        file = path / MEASUREMENTS_FILE
        if file.exists() and file.stat().st_size > end:
            os.truncate(file, end)
        return cls(run)

    def append(self, result: Result) -> None:
        """Store a result; when this returns, it is on the disk."""
        line = json.dumps(result.to_mapping(), allow_nan=False) + "\n"
        self._file.write(line.encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def store_verification(self, found: Verification) -> None:
        self.verification[found.implementation] = found
        values = {name: v.to_mapping() for name, v in self.verification.items()}
        whole = {"schema_version": SCHEMA_VERSION, "implementations": values}
        _write_json(self.path / VERIFICATION_FILE, whole)

    def update(self, **fields: Any) -> None:
        """Replace fields of ``run.json``."""
        self.info.update(fields)
        _write_json(self.path / RUN_FILE, self.info)

    def finish(self, accounting: Mapping[str, float]) -> None:
        """Store the end time, and add this session's times to those of earlier sessions."""
        before = self.info.get("accounting") or {}
        total = {key: before.get(key, 0.0) + value for key, value in accounting.items()}
        self.update(finished_at=_now(), accounting=total)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file; if the process is killed meanwhile, the old file stays."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as file:
        json.dump(values, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
