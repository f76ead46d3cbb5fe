"""A run on disk: ``results/<run id>/``.

- ``run.json``: the suite, the implementations, the environment and the time. Written at the start,
  and again at the end with the wall time and its breakdown.
- ``measurements.jsonl``: one JSON object per line and result, appended and flushed to the disk as
  soon as the result is known. A further process of a run adds a line with its samples.
- ``verification.json``: the verification of each implementation, if requested; written again after
  each implementation.

A run that was killed at any moment can be continued: an incomplete last line is removed, and
everything before it is kept. The writer of a run locks ``measurements.jsonl``; the system
unlocks it when the process ends, however it ends.

A report (``report_file``) and a baseline (``run_file``) contain a run too and can be read as one.
"""

import itertools
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from supcr_bench.store.loaded_run import SCHEMA_VERSION as SCHEMA_VERSION
from supcr_bench.store.loaded_run import Run as Run
from supcr_bench.store.loaded_run import damage, make_run, parse_json, require_known_schema
from supcr_bench.store.report_file import PAGE, load_report
from supcr_bench.store.run_file import load_run_file
from supcr_bench.values.errors import StoreError
from supcr_bench.values.files import read_bytes, write_json
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RESULTS, REPORTS = Path("results"), Path("reports")
RUN_FILE = "run.json"
MEASUREMENTS_FILE = "measurements.jsonl"
VERIFICATION_FILE = "verification.json"
LATEST = "latest"


def new_run_id(suite: str, now: datetime | None = None) -> str:
    """An id that begins with the time, such as ``20261124T054501Z-quick``."""
    return f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{suite}"


def find_run(name: str, root: Path = RESULTS) -> Path:
    """The folder or file of a run by its id, path, or ``latest``; raises a StoreError if none."""
    if name != LATEST:
        for path in (root / name, Path(name)):
            if (path / RUN_FILE).is_file():
                return path
        for file in (Path(name), Path(name) / PAGE):
            if file.suffix in (".json", ".html") and file.is_file():
                return file
    found = (p.parent for p in root.glob(f"*/{RUN_FILE}") if p.is_file())
    runs = sorted(found, key=_started_at)
    none = (
        f"no runs in {root}/ yet; `supcr-bench run` makes one; give one made with --out by its path"
    )
    if name == LATEST:
        if not runs:
            raise StoreError(none)
        return runs[-1]
    latest = f"; the latest runs in {root}/ are: {', '.join(p.name for p in runs[-5:])}"
    raise StoreError(f"no run {name!r}{latest if runs else f': {none}'}")


def run_names() -> list[str]:
    return [LATEST, *sorted(file.parent.name for file in RESULTS.glob(f"*/{RUN_FILE}"))]


def _started_at(folder: Path) -> tuple[str, str]:
    try:
        started = parse_json(read_bytes(folder / RUN_FILE))["started_at"]
    except (OSError, ValueError, KeyError, TypeError):
        started = ""  # a file that supcr-bench did not write is never the latest run
    return str(started or ""), folder.name


def load_run(name: str | Path, root: Path = RESULTS) -> Run:
    path = find_run(str(name), root)
    if path.is_file():
        return load_run_file(path) if path.suffix == ".json" else load_report(path)
    return _read_folder(path)[0]


def default_page(folder: Path, run_id: str) -> Path:
    """The path of a run's report: in ``reports/``, or in the run's folder outside ``results/``."""
    if folder.is_file() or folder.parent.resolve() == RESULTS.resolve():
        return REPORTS / run_id / PAGE
    return folder / PAGE


def _read_folder(path: Path) -> tuple[Run, int]:
    """Read a run, and the number of bytes in the complete lines of its results."""
    info, verified, file = (path / f for f in (RUN_FILE, VERIFICATION_FILE, MEASUREMENTS_FILE))
    values, verification = _read_json(info), _read_json(verified) if verified.exists() else None
    with _damage(file):
        content = read_bytes(file)
    rows: list[dict[str, Any]] = []
    end = content.rfind(b"\n") + 1
    for number, line in enumerate(content[:end].split(b"\n")[:-1], start=1):
        try:
            rows.append(parse_json(line))
        except ValueError:
            raise StoreError(
                f"{file} line {number} is not JSON; remove the line to continue without it"
            ) from None
    where = (f"{file} line", f"{verified}: the verification")
    torn = [f"{file}: the last line is incomplete and was left out"] if end < len(content) else []
    return make_run(path, values, rows, verification, where, tuple(torn)), end


def _read_json(file: Path) -> Any:
    with _damage(file):
        values = parse_json(read_bytes(file))
        require_known_schema(values["schema_version"], file)
        return values if file.name == RUN_FILE else values["implementations"]


def _damage(file: Path) -> AbstractContextManager[None]:
    """Within the block, an error of a run's file also names a report with the same data, if any."""
    pages = (default_page(file.parent, file.parent.name), file.parent / PAGE)
    page = next((p for p in pages if p.is_file()), None)
    advice = f"its report holds them too: name {page} instead" if page else "name another run"
    return damage(f"{file} cannot be read", advice)


class RunWriter(AbstractContextManager["RunWriter", None]):
    """Writes the files of a run; made by :meth:`create` or :meth:`resume`."""

    def __init__(self, run: Run, file: IO[bytes]) -> None:
        self.path = run.path
        self.info = dict(run.info)
        self.finished = run.results
        self.verification = dict(run.verification or {})
        self.stored = len(run.results)
        self._file = file

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunWriter":
        for number in itertools.count(1):
            path = root / (run_id if number == 1 else f"{run_id}-{number}")
            try:
                path.mkdir(parents=True)
                file = _locked(path)
                break
            except FileExistsError:
                if not path.is_dir():  # else another run began in the same second
                    raise StoreError(f"{path} cannot be made: it is a file") from None
            except OSError as error:
                raise StoreError(
                    f"the folder {path} cannot be made: {error.strerror}; "
                    "give another with --out DIR"
                ) from None
        head = {"schema_version": SCHEMA_VERSION, "id": path.name, "started_at": _now()}
        whole = {**head, "finished_at": None, **info}
        write_json(path / RUN_FILE, whole)
        return cls(Run(path, whole, ()), file)

    @classmethod
    def resume(cls, path: Path) -> "RunWriter":
        """Continue a run, after removing an incomplete last line."""
        _read_folder(path)
        file = _locked(path)
        try:
            run, end = _read_folder(path)
            file.truncate(end)
        except BaseException:
            file.close()
            raise
        return cls(run, file)

    def append(self, result: Result) -> None:
        """Store a result; when this returns, it is on the disk."""
        line = json.dumps(result.to_mapping(), allow_nan=False) + "\n"
        rest = memoryview(line.encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            file = self.path / MEASUREMENTS_FILE
            raise StoreError(f"{file} cannot be written: {error.strerror}") from None
        self.stored += not result.further_samples_s

    def store_verification(self, found: Verification) -> None:
        self.verification[found.implementation] = found
        values = {name: v.to_mapping() for name, v in self.verification.items()}
        whole = {"schema_version": SCHEMA_VERSION, "implementations": values}
        write_json(self.path / VERIFICATION_FILE, whole)

    def update(self, **fields: Any) -> None:
        self.info.update(fields)
        write_json(self.path / RUN_FILE, self.info)

    def finish(self, accounting: Mapping[str, float], *, interrupted: bool = False) -> None:
        """Add the times of this session to those before; store the end, unless interrupted."""
        before = self.info.get("accounting") or {}
        total = {key: before.get(key, 0.0) + value for key, value in accounting.items()}
        ended = {} if interrupted else {"finished_at": _now()}
        self.update(**ended, accounting={**before, **total})

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _locked(folder: Path) -> IO[bytes]:
    """Open the measurements to append, unbuffered; raise a StoreError if they are locked."""
    file = (folder / MEASUREMENTS_FILE).open("ab", buffering=0)
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(
            f"another process measures {folder} at this moment; wait until it has ended, or leave "
            "out --resume to start a new run"
        ) from None
    return file
