"""A run on disk: ``results/<run id>/``.

- ``run.json``: what was asked for, the environment, and when. Written at the start, and again at
  the end with the wall time and where it went.
- ``measurements.jsonl``: one JSON object a line, one line a result, appended and flushed to the
  disk as soon as the result is known.
- ``verification.json``: what verification found of each implementation, where that was asked for;
  written again with each one that is done.

A run that was killed at any moment can be gone on with: a last line that was cut off is removed,
everything before it is kept.

A report holds its run too (:mod:`supcr_bench.store.report_file`), and is taken wherever a run is
read.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supcr_bench.store.loaded_run import (
    SCHEMA_VERSION,
    Run,
    on_machines,
    require_known_schema,
    results_of,
    verification_of,
)
from supcr_bench.store.report_file import PAGE, load_report
from supcr_bench.values.errors import StoreError
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

__all__ = [
    "LATEST",
    "MEASUREMENTS_FILE",
    "RESULTS",
    "RUN_FILE",
    "SCHEMA_VERSION",
    "VERIFICATION_FILE",
    "Run",
    "RunWriter",
    "find_run",
    "iterate_runs",
    "load_run",
    "new_run_id",
]

RESULTS = Path("results")
RUN_FILE = "run.json"
MEASUREMENTS_FILE = "measurements.jsonl"
VERIFICATION_FILE = "verification.json"
LATEST = "latest"


def new_run_id(suite: str, now: datetime | None = None) -> str:
    """An id that sorts by time: ``20261124T054501Z-quick``."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{suite}"


def find_run(name: str, root: Path = RESULTS) -> Path:
    """The folder of a run named by its id, its path, or ``latest``; or the report that holds it.

    Raises:
        StoreError: there is none; says which there are.
    """
    runs = sorted((p.parent for p in root.glob(f"*/{RUN_FILE}")), key=_started_at)
    if name == LATEST:
        if not runs:
            raise StoreError(f"no runs in {root}/ yet; `supcr-bench run` makes one")
        return runs[-1]
    for path in (root / name, Path(name)):
        if (path / RUN_FILE).is_file():
            return path
    named = Path(name)
    for page in (named, named / PAGE):
        if page.suffix == ".html" and page.is_file():
            return page
    known = ", ".join(p.name for p in runs[-5:]) or "none"
    raise StoreError(f"no run {name!r}; the latest in {root}/: {known}")


def _started_at(folder: Path) -> tuple[str, str]:
    try:
        started = json.loads((folder / RUN_FILE).read_text())["started_at"]
    except (OSError, ValueError, KeyError, TypeError):
        started = ""  # a stranger's file is older than any run
    return str(started or ""), folder.name


def load_run(name: str | Path, root: Path = RESULTS) -> Run:
    """Read a run named by its id, its path, the path of its report, or ``latest``.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    path = find_run(str(name), root)
    if path.is_file():
        return load_report(path)
    info = _read_info(path)
    results = results_of(_read_lines(path)[0], path / MEASUREMENTS_FILE)
    return Run(path, info, on_machines(results, info), _read_verification(path) or None)


def _read_info(path: Path) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json.loads((path / RUN_FILE).read_text())
        require_known_schema(info["schema_version"], path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path / RUN_FILE} cannot be read: {error!r}") from None
    return info


def _read_verification(path: Path) -> dict[str, Verification]:
    """What is known of each implementation; empty where none was verified."""
    file = path / VERIFICATION_FILE
    try:
        values = json.loads(file.read_text())
        require_known_schema(values["schema_version"], file)
        found = values["implementations"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{file} cannot be read: {error!r}") from None
    return verification_of(found, file)


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The whole lines, and how many bytes they take. What follows them was cut off."""
    file = path / MEASUREMENTS_FILE
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
            raise StoreError(f"{file}, line {number} is not JSON; remove it and go on") from None
        end += len(line)
    return rows, end


class RunWriter:
    """Writes a run. Use :meth:`create` or :meth:`resume`."""

    def __init__(self, path: Path, info: dict[str, Any], finished: Sequence[Result]) -> None:
        self.path = path
        self.info = info
        self.finished = tuple(finished)
        self.verification = _read_verification(path)
        self._file = (path / MEASUREMENTS_FILE).open("ab")

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunWriter":
        """Begin a run in a folder of its own.

        Raises:
            StoreError: the folder cannot be made.
        """
        path = root / run_id
        suffix = 1
        while path.exists():  # two runs begun in the same second
            suffix += 1
            path = root / f"{run_id}-{suffix}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}") from None
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        whole = {
            "schema_version": SCHEMA_VERSION,
            "id": path.name,
            "started_at": started_at,
            "finished_at": None,
            **info,
        }
        _write_json(path / RUN_FILE, whole)
        return cls(path, whole, ())

    @classmethod
    def resume(cls, path: Path) -> "RunWriter":
        """Go on with a run, after removing a line that was cut off.

        Raises:
            StoreError: it cannot be read.
        """
        info = _read_info(path)
        rows, end = _read_lines(path)
        file = path / MEASUREMENTS_FILE
        if file.exists() and file.stat().st_size > end:
            with file.open("r+b") as f:
                f.truncate(end)
        return cls(path, info, results_of(rows, file))

    def append(self, result: Result) -> None:
        """Store a result; when this returns, it is on the disk."""
        line = json.dumps(result.to_mapping(), allow_nan=False) + "\n"
        self._file.write(line.encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def store_verification(self, found: Verification) -> None:
        """Store what was found of one implementation, all at once or not at all."""
        self.verification[found.implementation] = found
        values = {name: v.to_mapping() for name, v in self.verification.items()}
        whole = {"schema_version": SCHEMA_VERSION, "implementations": values}
        _write_json(self.path / VERIFICATION_FILE, whole)

    def update(self, **fields: Any) -> None:
        """Replace fields of ``run.json``, all at once or not at all."""
        self.info.update(fields)
        _write_json(self.path / RUN_FILE, self.info)

    def finish(self, accounting: Mapping[str, float]) -> None:
        """Note the end, and add this start's wall time to that of earlier ones."""
        before = self.info.get("accounting") or {}
        total = {key: before.get(key, 0.0) + value for key, value in accounting.items()}
        self.update(
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            accounting=total,
        )

    def close(self) -> None:
        """Close the measurements file."""
        self._file.close()

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write whole or not at all: a kill in the middle leaves the old file."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as file:
        json.dump(values, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def iterate_runs(root: Path = RESULTS) -> Iterator[Path]:
    """Folders of all runs, oldest first."""
    return iter(sorted((p.parent for p in root.glob(f"*/{RUN_FILE}")), key=_started_at))
