"""Reads runs, baselines and results of gates from folders, files and git, oldest first."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from supcr_bench.gate.history import Snapshot
from supcr_bench.render.gate_files import FIGURES
from supcr_bench.store.checkout import Checkout, GitError
from supcr_bench.store.loaded_run import damage, make_run, parse_json
from supcr_bench.store.run import RUN_FILE, load_run
from supcr_bench.values.case import Case
from supcr_bench.values.errors import StoreError, UsageError
from supcr_bench.values.files import read_bytes
from supcr_bench.values.metrics import METRICS, TIME
from supcr_bench.values.units import plural

LABEL_LETTERS = 8
"""Letters of a revision."""


def read_snapshots(paths: Sequence[str], revisions: str | None) -> tuple[list[Snapshot], list[str]]:
    """The snapshots at the git ``revisions`` that changed their paths, by time; and notes."""
    found: list[Snapshot] = []
    notes: list[str] = []
    for path in paths:
        if revisions is not None:
            found += _at_revisions(path, revisions)
        elif Path(path).is_dir() and not (Path(path) / RUN_FILE).is_file():
            found += _in_folder(Path(path), notes)
        else:
            found.append(_read(path))
    return sorted(found, key=lambda snapshot: _instant(snapshot.date)), notes


def _in_folder(folder: Path, notes: list[str]) -> Iterator[Snapshot]:
    others = 0
    for file in sorted(folder.rglob("*.json")):
        if file.name != RUN_FILE and (file.parent / RUN_FILE).is_file():
            continue  # another file of a run
        try:
            yield _read(str(file.parent if file.name == RUN_FILE else file))
        except StoreError:
            others += 1
    if others:
        notes.append(f"{folder}: {plural(others, 'JSON file')} without a run or a gate's result.")


def _read(name: str) -> Snapshot:
    path = Path(name)
    if path.suffix == ".json" and path.is_file():
        with damage(f"{path} cannot be read"):
            values = parse_json(read_bytes(path))
        if isinstance(values, dict) and "judgements" in values:
            return _gate_result(path, values)
    run = load_run(name).require_complete()
    return Snapshot(_label(run.info, run.id), str(run.info.get("started_at") or ""), run)


def _gate_result(path: Path, values: Mapping[str, Any]) -> Snapshot:
    metrics = {FIGURES.get(name, name): metric for name, metric in METRICS.items()}
    rows: dict[tuple[str, Case], dict[str, Any]] = {}
    with damage(f"{path} is not a gate's result"):
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        info = {
            "id": path.stem,
            "started_at": values.get("started_at") or changed_at.isoformat(timespec="seconds"),
            "suite": {"name": values["suite"]},
            "code": values.get("code"),
            "environment": values["environment"],
        }
        for own in values["judgements"]:
            metric, after = metrics.get(own["figure"]), own["after"]
            if metric is not None and after is not None:
                key = own["implementation"], Case.from_mapping(own)
                row = rows.setdefault(key, {**own, "status": "measured", "reason": None})
                row[metric.key] = [after] if metric is TIME else after
        run = make_run(path, info, rows.values(), None, (f"{path}: case", ""))
    return Snapshot(_label(info, path.stem), str(info["started_at"]), run, "gate")


def _at_revisions(path: str, revisions: str) -> Iterator[Snapshot]:
    """The file at each commit that changed it, seen from the branch that the revisions name."""
    file = Path(path).absolute()
    checkout = Checkout(Path.cwd())
    within = checkout.within(file)
    if file.suffix != ".json":
        raise UsageError(f"--revisions reads .json files; {path} is not one")
    options = ("--reverse", "--first-parent", "-m", "--format=%H %cI")
    log = checkout.git("log", *options, "--end-of-options", revisions, "--", within).decode()
    for commit, date in (line.split() for line in log.splitlines()):
        try:
            content = checkout.git("show", f"{commit}:{within}")
        except GitError:
            continue  # the commit that deleted it
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / file.name
            copy.write_bytes(content)
            try:
                snapshot = _read(str(copy))
            except StoreError as error:
                said = str(error).replace(str(copy), path)
                raise StoreError(f"at {commit[:LABEL_LETTERS]}: {said}") from None
        yield snapshot._replace(label=commit[:LABEL_LETTERS], date=date)


def _label(info: Mapping[str, Any], run_id: str) -> str:
    """The revision of the code (``+`` if changed), else of supcr-bench, else the run's id."""
    codes = {(c["revision"], c["dirty"]) for c in (info.get("code") or {}).values()}
    revision, dirty = codes.pop() if len(codes) == 1 else (info.get("revision"), False)
    if not revision:
        return run_id
    name, plus, _ = str(revision).partition("+")
    return name[:LABEL_LETTERS] + ("+" if plus or dirty else "")


def _instant(date: str) -> datetime:
    try:
        found = datetime.fromisoformat(date)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def find_anchor(snapshots: Sequence[Snapshot], anchor: str | None) -> int:
    """The position of the first snapshot of a revision or run; 0 if none is named."""
    if anchor is None:
        return 0
    for at, (label, _, run, _) in enumerate(snapshots):
        name = label.removesuffix("+")
        if run.id == anchor or name.startswith(anchor) or anchor.startswith(name):
            return at
    known = ", ".join(dict.fromkeys(snapshot.label for snapshot in snapshots))
    raise UsageError(f"no snapshot of {anchor!r}; the revisions here are: {known}")
