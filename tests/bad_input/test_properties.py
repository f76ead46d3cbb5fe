"""Whatever is in a file, it is read or refused: never another error."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supcr_bench.analysis.findings import find
from supcr_bench.commands.run_work import stored_work
from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.render.csv_tables import results_csv
from supcr_bench.render.run_tables import run_tables
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import load_run
from supcr_bench.sweep.plan import make_plan, require_room
from supcr_bench.sweep.suite import load_suite
from supcr_bench.values.errors import UsageError
from tests.bad_input.label_files import FILES, GOOD
from tests.bad_input.stored import BASE, WHOLE, packed, page, write_run

OFTEN = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [0, -1, 1, 2, 10**12, 10**400, 2**63, 1e300, 0.5, "cpu", "../x", "", "x" * 300]
    )
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@contextmanager
def file_of(content: str | bytes, name: str) -> Iterator[Path]:
    """A file that is there within the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        data = content.encode(errors="surrogatepass") if isinstance(content, str) else content
        path.write_bytes(data)
        yield path


def refused(read: Callable[[], object]) -> bool:
    """Whether what is read is refused, by an error whose message says something."""
    try:
        read()
    except UsageError as error:
        assert len(str(error)) > 10
        assert error.exit_status == 2
        return True
    return False


# --- suites ---

HEAD = 'purpose = "x"\nimplementations = ["broadcast"]\n'
KEYS = st.sampled_from(
    ["seed", "verify", "definition", "axes", "budget", "grid", "definitions", "purpose", "other"]
)
INNER = st.sampled_from(
    [
        *("batch_size", "dims", "nan_density", "labels", "dtype", "temperature", "device", "ranks"),
        *("pass", "timed", "without", "time_limit", "memory_limit", "threads", "embedding_size"),
    ]
)


def toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return '""'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
        case float() | int():
            return repr(value)
    return json.dumps(value)


def plan(path: Path) -> None:
    suite = load_suite(str(path))
    require_room(make_plan(suite, suite.implementations))


@OFTEN
@given(st.dictionaries(KEYS, ANY | st.dictionaries(INNER, ANY, max_size=3), max_size=3))
def test_a_suite_of_any_values(values: dict[str, Any]) -> None:
    given_keys = {"purpose": "x"} | values
    lines = [f"{key} = {toml(value)}" for key, value in given_keys.items()]
    with file_of('implementations = ["broadcast"]\n' + "\n".join(lines), "any.toml") as path:
        refused(lambda: plan(path))


@OFTEN
@given(st.dictionaries(INNER, ANY, max_size=4))
def test_a_grid_of_any_values(grid: dict[str, Any]) -> None:
    lines = [f"{key} = {toml(value)}" for key, value in grid.items()]
    with file_of(HEAD + "[[grid]]\n" + "\n".join(lines), "any.toml") as path:
        refused(lambda: plan(path))


@OFTEN
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_a_suite_of_any_bytes(content: bytes | str) -> None:
    with file_of(content, "any.toml") as path:
        assert refused(lambda: plan(path))


# --- labels ---


def labels(spec: str) -> None:
    file = read_label_file(spec)
    table = file.table
    assert table.shape == (file.rows, len(file.columns))
    assert file.rows >= 2
    assert table.dtype == np.float64
    assert not np.isinf(table.astype(np.float32)).any()
    assert read_label_file(file.spec).digest == file.digest


@OFTEN
@given(
    st.text("0123456789.,;\t -+eEinfab\"'\n\r#", max_size=60)
    | st.lists(
        st.lists(
            st.sampled_from(["y", "z", "1", "2.5", "1,5", "", "nan", "1e39", "x y"]),
            min_size=1,
            max_size=3,
        ).map(",".join),
        max_size=6,
    ).map("\n".join)
    | st.binary(max_size=60)
)
def test_a_text_file_of_any_content(content: bytes | str) -> None:
    with file_of(content, "any.csv") as path:
        refused(lambda: labels(str(path)))


BINARY = [
    name for name in FILES if name.rpartition(".")[2] in ("npz", "npy", "pt", "gz", "xz", "xlsx")
]


@OFTEN
@given(st.sampled_from(BINARY), st.integers(0, 2000), st.binary(max_size=4))
def test_a_binary_file_that_was_changed_anywhere(name: str, at: int, new: bytes) -> None:
    whole = FILES[name]
    data = whole.encode() if isinstance(whole, str) else whole
    at %= len(data) + 1
    with file_of(data[:at] + new + data[at + len(new) :], name) as path:
        refused(lambda: labels(str(path)))
        assert not Path("unpickled").exists()


@OFTEN
@given(st.text(max_size=20))
def test_columns_of_any_name(columns: str) -> None:
    with file_of(GOOD, "good.csv") as path:
        refused(lambda: labels(f"{path}:{columns}"))


# --- runs ---


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("stored"), "run")


def use(run: Run) -> None:
    """What commands do with a run, but for what is drawn."""
    run.require_complete()
    findings = find(run.results, {})
    for table in run_tables(findings):
        assert table.title
    results_csv(run)


def changed(stored: Path, name: str, content: str | bytes) -> None:
    file = stored / name
    whole = file.read_bytes() if file.exists() else None
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        refused(lambda: use(load_run(stored)))
    finally:
        if whole is None:
            file.unlink()
        else:
            file.write_bytes(whole)


LINE_KEYS = st.sampled_from(
    [
        *("implementation", "batch_size", "nan_density", "dims", "dtype", "temperature", "labels"),
        *("device", "pass", "definition", "status", "reason", "session", "machine", "loss"),
        *("value_tolerances", "value_difference", "time_samples_s", "peak_bytes", "ranks", "seed"),
        *("launches", "elements", "predicted_peak_bytes", "memory_limit_bytes", "new key"),
    ]
)


@OFTEN
@given(values=st.dictionaries(LINE_KEYS, ANY, min_size=1, max_size=3), number=st.integers(0, 3))
def test_a_line_with_any_values(stored: Path, values: dict[str, Any], number: int) -> None:
    lines = (stored / "measurements.jsonl").read_text().splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | values)
    changed(stored, "measurements.jsonl", "\n".join(lines) + "\n")


@OFTEN
@given(at=st.integers(0, 4000), new=st.binary(max_size=3), cut=st.integers(0, 3))
@pytest.mark.parametrize("name", ["measurements.jsonl", "run.json"])
def test_a_file_of_a_run_that_was_changed_anywhere(
    stored: Path, name: str, at: int, new: bytes, cut: int
) -> None:
    whole = (stored / name).read_bytes()
    at %= len(whole)
    changed(stored, name, whole[:at] + new + whole[at + cut :])


@OFTEN
@given(
    values=st.dictionaries(
        st.sampled_from(
            [
                *("id", "suite", "subjects", "labels", "implementations", "environment", "seed"),
                *("environments", "schema_version", "started_at", "suite_file", "files", "budget"),
            ]
        ),
        ANY,
        min_size=1,
        max_size=2,
    )
)
def test_a_run_json_with_any_values(stored: Path, values: dict[str, Any]) -> None:
    info = json.loads((stored / "run.json").read_text()) | values
    changed(stored, "run.json", json.dumps(info))
    if not refused(lambda: Run(stored, info, ()).require_complete()):
        refused(lambda: stored_work(info))


@OFTEN
@given(values=ANY)
def test_a_verification_of_any_values(stored: Path, values: Any) -> None:
    content = {"schema_version": 1, "implementations": values}
    changed(stored, "verification.json", json.dumps(content))
    content["implementations"] = {"broadcast": values}
    changed(stored, "verification.json", json.dumps(content))


@OFTEN
@given(key=st.sampled_from(["run", "results", "verification"]), value=ANY)
def test_a_page_of_any_data(key: str, value: Any) -> None:
    with file_of(page(packed({**WHOLE, key: value})), "any.html") as path:
        refused(lambda: use(load_run(path)))


@OFTEN
@given(key=st.sampled_from([*BASE]), value=ANY)
def test_a_baseline_of_any_data(key: str, value: Any) -> None:
    with file_of(json.dumps({**BASE, key: value}), "any.json") as path:
        refused(lambda: use(load_run(path)))
