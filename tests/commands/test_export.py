"""``supcr-bench export`` on runs that were written down, read by the tools it is for."""

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pytest_benchmark.cli import main
from typer.testing import CliRunner

from supcr_bench.commands.app import app
from supcr_bench.render.benchmark_json import benchmark_file
from supcr_bench.store.run import RunWriter
from supcr_bench.values.errors import UsageError
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result
from tests.made_runs import make_run

ENVIRONMENT: dict[str, Any] = {
    "cpu": "a CPU",
    "cpus_usable": 2,
    "os": "an OS",
    "python": "3.11",
    "torch": "2.6",
}
TIMES = (1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3)
RESULTS = [
    make_result("loopy", n=8, times=TIMES, dispatched_ops=10, peak_bytes=10_000, repetitions=4),
    make_result(
        "losses.py:Mine",
        n=8,
        times=[2 * t for t in TIMES],
        status=Status.WRONG,
        reason="the loss is 2 where the definition gives 1",
        value_tolerances=5e3,
        value_difference={"loopy": 1.0},
        repetitions=1,
    ),
    make_result("loopy", n=512, status=Status.SKIPPED, reason="about 9 s a call"),
    make_result("loopy", n=1024, status=Status.OUT_OF_MEMORY, reason="4 GB failed"),
    make_result("loopy", n=2048, status=Status.OUT_OF_MEMORY, reason="8 GB failed"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, results: Sequence[Result] = RESULTS, **info: Any) -> None:
    """A run of that id in ``results/``."""
    whole: dict[str, Any] = {
        "suite": {"name": "made-up"},
        "subjects": [],
        "labels": None,
        "implementations": {},
        "environment": ENVIRONMENT,
        "revision": "0123456789abcdef+dirty",
        "budget": {"sampling_s": 0.5, "shortest_sample_s": 0.002},
    }
    with RunWriter.create(Path("results"), name, whole | info) as writer:
        for result in results:
            writer.append(result)


def export(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error."""
    done = CliRunner().invoke(app, ["export", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0
    return done.stdout, done.stderr


@pytest.fixture
def pytest_benchmark(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """What the command of that name prints."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["pytest-benchmark", *arguments])
        capsys.readouterr()
        main()  # type: ignore[no-untyped-call]
        return capsys.readouterr().out

    return run


def test_times_become_benchmarks_and_what_has_none_is_counted() -> None:
    write("one")
    text, notes = export("one", "--format", "pytest-benchmark")
    assert notes == (
        "2 benchmarks of run one; 3 results without times left out: 1 skipped, 2 out of memory\n"
    )
    stored = json.loads(text)
    first, second = stored["benchmarks"]
    assert first["name"] == "loopy[forward-N8-D1-nan0]"
    assert second["fullname"] == "suites/made-up.toml::losses.py:Mine[forward-N8-D1-nan0]"
    assert first["group"] == second["group"] == first["param"] == "forward-N8-D1-nan0"
    assert first["params"]["batch_size"] == 8
    assert first["stats"]["data"] == list(TIMES)
    assert first["stats"]["median"] == first["stats"]["mean"] == pytest.approx(4e-3)
    assert (first["stats"]["rounds"], first["stats"]["iterations"]) == (7, 4)
    assert (first["stats"]["min"], first["stats"]["max"]) == (1e-3, 7e-3)
    assert first["extra_info"]["launches"] == 10
    assert first["extra_info"]["peak_bytes"] == 10_000
    assert second["extra_info"]["status"] == "wrong"
    assert second["extra_info"]["value_tolerances"] == 5e3
    assert stored["machine_info"]["cpu"]["brand_raw"] == "a CPU"
    assert stored["machine_info"]["supcr_bench"] == ENVIRONMENT
    assert stored["commit_info"]["id"] == "0123456789abcdef"
    assert stored["commit_info"]["dirty"] is True


def test_a_benchmark_has_the_fields_that_pytest_benchmark_writes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("one")
    exported = json.loads(export("one", "--format", "pytest-benchmark")[0])
    pytester.makepyfile("def test_it(benchmark): benchmark.pedantic(int, rounds=7)")
    monkeypatch.chdir(pytester.path)
    pytester.runpytest_inprocess("--benchmark-json=own.json")
    own = json.loads(Path("own.json").read_text())
    assert exported.keys() == own.keys()
    assert exported["commit_info"].keys() == own["commit_info"].keys()
    mine, theirs = exported["benchmarks"][0], own["benchmarks"][0]
    assert mine.keys() == theirs.keys()
    assert mine["stats"].keys() == theirs["stats"].keys()


def test_pytest_benchmark_compares_and_lists_what_was_exported(
    pytest_benchmark: Callable[..., str],
) -> None:
    faster = [make_result("loopy", n=8, times=[t / 2 for t in TIMES], repetitions=4)]
    write("one")
    write("two", faster, revision=None)
    storage = Path("stored") / "Machine"
    storage.mkdir(parents=True)
    for number, name in enumerate(("one", "two"), start=1):
        out = f"{storage}/000{number}_{name}.json"
        printed, _ = export(name, "--format", "pytest-benchmark", "--out", out)
        assert printed.startswith(f"{out}: ")
    listed = pytest_benchmark("--storage=stored", "list")
    assert [Path(line).name for line in listed.split()] == ["0001_one.json", "0002_two.json"]
    files = [str(path) for path in sorted(storage.iterdir())]
    compared = pytest_benchmark("compare", *files, "--columns=median,rounds", "--sort=name")
    (header,) = [line for line in compared.splitlines() if "benchmark 'forward-N8-" in line]
    assert "'forward-N8-D1-nan0': 3 tests" in header
    for name, median in (("0001_one", "4.0000"), ("0002_two", "2.0000")):
        (row,) = [
            line for line in compared.splitlines() if line.startswith("loopy[") and name in line
        ]
        assert median in row
    by_size = pytest_benchmark("compare", files[0], "--group-by=param:batch_size")
    assert "benchmark 'batch_size=8': 2 tests" in by_size


def test_csv_has_a_row_a_result_with_whole_numbers_and_medians() -> None:
    write("one")
    text, notes = export("one", "--format", "csv")
    assert notes == "5 results of run one\n"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["status"] for row in rows] == [str(r.status) for r in RESULTS]
    first, second, third = rows[:3]
    assert (first["batch_size"], first["pass"], first["launches"]) == ("8", "forward", "10")
    assert float(first["time_s"]) == pytest.approx(4e-3)
    assert json.loads(first["time_samples_s"]) == list(TIMES)
    assert json.loads(second["value_difference"]) == {"loopy": 1.0}
    assert third["time_s"] == third["time_samples_s"] == third["launches"] == third["loss"] == ""
    assert third["reason"] == "about 9 s a call"


def test_csv_has_the_samples_of_further_processes_as_json() -> None:
    write("one", [replace(RESULTS[0], further_samples_s={"second": (1e-3, 2e-3), "third": ()})])
    (row,) = csv.DictReader(io.StringIO(export("one", "--format", "csv")[0]))
    assert json.loads(row["further_samples_s"]) == [[1e-3, 2e-3], []]


def test_rows_name_the_repository_and_revision_of_what_was_measured() -> None:
    code = {"loopy": {"repository": "losses", "revision": "abc", "dirty": False}}
    write("one", code=code)
    rows = list(csv.DictReader(io.StringIO(export("one", "--format", "csv")[0])))
    named = [(row["repository"], row["revision"], row["dirty"]) for row in rows[:2]]
    assert named == [("losses", "abc", "False"), ("", "", "")]
    export("one", "--format", "parquet", "--out", "one.parquet")
    assert pd.read_parquet("one.parquet")["revision"].fillna("").to_list() == [
        "abc",
        "",
        *["abc"] * 3,
    ]


def test_github_action_benchmark_gets_a_list_of_what_is_better_smaller() -> None:
    write("one")
    text, notes = export("one", "--format", "github-action-benchmark")
    entries = json.loads(text)
    assert notes == f"{len(entries)} entries of run one\n"
    assert all(isinstance(e["value"], int | float) for e in entries)
    assert all(isinstance(e[key], str) for e in entries for key in e.keys() - {"value"})
    assert {"name", "unit", "value"} <= set.intersection(*(set(e) for e in entries))
    named = {e["name"]: e for e in entries}
    assert len(named) == len(entries)
    assert named["loopy[forward-N8-D1-nan0] time"] == {
        "name": "loopy[forward-N8-D1-nan0] time",
        "unit": "ms",
        "value": pytest.approx(4.0),
        "range": "1 to 7",
        "extra": "7 samples",
    }
    assert named["loopy[forward-N8-D1-nan0] dispatched operations"]["value"] == 10
    assert named["loopy[forward-N8-D1-nan0] peak memory"]["unit"] == "B"


def test_bencher_gets_values_by_benchmark_and_measure() -> None:
    write("one")
    metrics = json.loads(export("one", "--format", "bencher")[0])
    assert metrics["loopy[forward-N8-D1-nan0]"] == {
        "latency": {
            "value": pytest.approx(4e6),
            "lower_value": pytest.approx(1e6),
            "upper_value": pytest.approx(7e6),
        },
        "dispatched-operations": {"value": 10},
        "peak-memory": {"value": 10_000},
    }
    assert not any("N512" in name for name in metrics)


def test_parquet_holds_the_same_with_types() -> None:
    write("one")
    export("one", "--format", "parquet", "--out", "one.parquet")
    frame = pd.read_parquet("one.parquet")
    assert len(frame) == len(RESULTS)
    assert str(frame["launches"].dtype) == str(frame["batch_size"].dtype) == "Int64"
    assert str(frame["loss"].dtype) == str(frame["time_s"].dtype) == "float64"
    assert list(frame["time_samples_s"][0]) == list(TIMES)
    assert frame["time_s"][1] == pytest.approx(8e-3)
    assert json.loads(frame["value_difference"][1]) == {"loopy": 1.0}
    assert frame["launches"].isna().tolist() == [False, True, True, True, True]


def test_a_run_without_results_is_a_header_alone() -> None:
    write("one", [])
    text, _ = export("one", "--format", "csv")
    assert len(text.splitlines()) == 1
    assert text.startswith("implementation,batch_size,")
    stored, notes = export("one", "--format", "pytest-benchmark")
    assert json.loads(stored)["benchmarks"] == []
    assert notes == "0 benchmarks of run one\n"


def test_parquet_without_pyarrow_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    write("one")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="needs pyarrow; pip install pyarrow"):
        export("one", "--format", "parquet", "--out", "one.parquet")
    assert not Path("one.parquet").exists()


def test_a_run_of_one_repository_is_exported_under_its_revision() -> None:
    code = {"repository": "https://example.org/a/b.git", "revision": "abc", "dirty": True}
    run = make_run(RESULTS, code={"mine": code}, revision="own")
    commit = benchmark_file(run)[0]["commit_info"]
    wanted = {"id": "abc", "dirty": True, "project": code["repository"], "supcr_bench": "own"}
    assert wanted.items() <= commit.items()
