"""A run in one file: the same figures give the same bytes, and files of schema 1 are read."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.analysis.compare import compare_results
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import load_run
from supcr_bench.store.run_file import (
    RUN_FILE_SCHEMA,
    load_run_file,
    run_file_text,
    without_noise,
)
from supcr_bench.values.errors import StoreError
from supcr_bench.values.files import write_file
from supcr_bench.values.machine import MACHINE, SOFTWARE
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification
from tests.made_results import make_result
from tests.made_verifications import LATE, NOT_ROBUST, OFF, make_verification

CI = Path(__file__).parents[1] / "golden/ci-schema-1.json"


def results() -> list[Result]:
    own = {"nan_density": None, "labels": "file:0123456789ab"}
    fields: dict[str, Any] = {
        "memory_limit_bytes": 2**30,
        "dispatched_ops": 9,
        "elements_processed": 12_345,
    }
    return [
        make_result("two", n=16, peak_bytes=4096, value_tolerances=0.0123456, **fields),
        make_result("one", n=128, pass_="training", gradient_tolerances=0.5, **fields),
        make_result("one", n=16, case=own, times=[1.0] * 8, session="a", **fields),
        make_result("one", n=16, status=Status.WRONG, reason='off by "ü"', **fields),
        make_result("one", n=32, status=Status.FAILED, reason="no", memory_limit_bytes=2**30),
    ]


def run(
    found: Iterable[Result] | None = None, verifications: Iterable[Verification] = (), **info: Any
) -> Run:
    values: dict[str, Any] = {
        "schema_version": 1,
        "id": "20261124T054501Z-ci",
        "started_at": "2026-11-24T05:45:01+00:00",
        "suite": {"name": "ci", "seed": 0, "definition": "torchcell"},
        "subjects": ["one", "two"],
        "labels": None,
        "implementations": {},
        "version": "1.0",
        "revision": "abc",
        "seed": 0,
        "environment": {"torch": "2.13.0", "accelerators": [], "memory_bytes": 8},
        "command": "supcr-bench run",
    }
    verifications = verifications or [make_verification("two", OFF, LATE), make_verification("one")]
    return Run(
        Path("results/made"),
        values | info,
        tuple(results() if found is None else found),
        {v.implementation: v for v in verifications},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ci.json"


def test_what_is_written_is_read_wherever_a_run_is(path: Path) -> None:
    write_file(path, run_file_text(run()))
    found = load_run(path).require_complete()
    assert {r.key: r for r in found.results} == {r.key: without_noise(r) for r in results()}
    assert found.id == "20261124T054501Z-ci"
    assert found.environment["torch"] == "2.13.0"
    assert "command" not in found.info
    assert found.verification
    two = found.verification["two"]
    assert two.definition == "torchcell"
    assert {(o.check, o.group, o.verdict) for o in two.outcomes} == {
        (o.check, o.group, o.verdict) for o in make_verification("two", OFF, LATE).outcomes
    }
    assert [o.check for o in two.failures] == ["ties"]


def test_it_keeps_the_figures_without_noise_and_two_digits_of_the_errors() -> None:
    found = without_noise(results()[0])
    assert (found.dispatched_ops, found.elements_processed, found.peak_bytes) == (9, 12_345, 4096)
    assert found.value_tolerances == 0.012
    assert found.gradient_tolerances is None
    assert found.memory_limit_bytes == 2**30
    timed = without_noise(results()[2])
    assert (timed.time_samples_s, timed.session) == (None, None)


def test_the_same_figures_give_the_same_bytes_in_whatever_order_they_came(path: Path) -> None:
    write_file(path, run_file_text(run()))
    before = path.read_bytes()
    verifications = [make_verification("one"), make_verification("two", LATE, OFF)]
    write_file(path, run_file_text(run(reversed(results()), verifications)))
    assert path.read_bytes() == before
    write_file(path, run_file_text(load_run_file(path)))
    assert path.read_bytes() == before


def test_one_line_is_one_record_so_that_a_change_is_one_line() -> None:
    first, *rest = results()
    changed = [replace(first, dispatched_ops=10), *rest]
    lines, others = (run_file_text(run(found)).splitlines() for found in (results(), changed))
    differing = [pair for pair in zip(lines, others, strict=True) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert '"launches": 9' in differing[0][0]
    assert '"launches": 10' in differing[0][1]


def test_sizes_of_a_series_follow_each_other_by_rising_size() -> None:
    sizes = [make_result(n=n) for n in (128, 16, 8)]
    rows = json.loads(run_file_text(run(sizes)))["results"]
    assert [row["batch_size"] for row in rows] == [8, 16, 128]


def test_nothing_recorded_is_a_file_too(path: Path) -> None:
    empty = replace(run([]), verification=None)
    write_file(path, run_file_text(empty))
    found = load_run_file(path)
    assert (found.results, found.verification) == ((), None)


def test_of_the_environment_it_keeps_what_figures_may_depend_on() -> None:
    kept = json.loads(run_file_text(run()))["environment"]
    assert kept["torch"] == "2.13.0"
    assert "memory_bytes" not in kept
    assert kept.keys() >= {*MACHINE, *SOFTWARE}


def test_a_baseline_of_schema_1_keeps_its_figures_to_the_last_digit(path: Path) -> None:
    """Written anew, its records are the same."""
    stored = json.loads(CI.read_text())
    found = load_run(CI).require_complete()
    write_file(path, run_file_text(found))
    again = json.loads(path.read_text())
    assert again["schema_version"] == RUN_FILE_SCHEMA
    for row in again["results"]:
        assert row.pop("own_temperature") is True  # a key that schema 1 does not have
    assert again["results"] == stored["cases"]
    assert again["environment"] == stored["environment"]
    assert again["memory_limit_bytes"] == stored["memory_limit_bytes"]
    group = {"group": "definition"}
    assert again["checks"] == [{**row, **group} | row for row in stored["checks"]]
    assert found.info["suite"]["name"] == "ci"


def test_it_is_compared_with_a_run_by_its_counts_alone(path: Path) -> None:
    write_file(path, run_file_text(run()))
    first = replace(results()[0], dispatched_ops=8)
    comparison = compare_results(load_run(path).results, [first, *results()[1:]])
    assert [r.finding for r in comparison.rows if r.implementation == "two"] == [None]
    assert not any(row.time for row in comparison.rows)
    more = compare_results([first], load_run(path).results)
    assert "costs more work" in {row.finding for row in more.rows}


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", '"text"', "\xff"])
def test_a_file_that_is_no_run_is_refused(path: Path, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StoreError, match="is not a run in one file"):
        load_run(path)


@pytest.mark.parametrize("key", ["judgements", "subjects"])  # of gate --json, and of a run.json
def test_a_file_of_another_kind_is_not_to_be_overwritten(path: Path, key: str) -> None:
    path.write_text(json.dumps({"schema_version": 1, key: []}))
    with pytest.raises(StoreError, match="name the folder of a run") as error:
        load_run(path)
    assert "--record" not in str(error.value)


@pytest.mark.parametrize("version", [0, RUN_FILE_SCHEMA + 1, "1"])
def test_another_schema_is_refused_with_how_to_record_again(path: Path, version: object) -> None:
    path.write_text(json.dumps({"schema_version": version}))
    with pytest.raises(StoreError, match=rf"has schema {version!r}.*--record .* writes it again"):
        load_run(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"pass": "training", ', "", r"result \d is not a valid result: key 'pass' is missing"),
        ('"status": "measured"', '"status": "fine"', "'fine' is not a valid Status"),
        (
            '"verdict": "pass"',
            '"verdict": "good"',
            "verification of 'one' is not valid: key .* holds 'good'",
        ),
        ('"suite"', '"suit"', "key 'suite' is missing"),
        ('"batch_size": 128, ', "", "key 'batch_size' is missing"),
    ],
)
def test_a_record_that_is_not_valid_is_named(path: Path, old: str, new: str, words: str) -> None:
    text = run_file_text(run())
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(
        StoreError, match=f"{words}.*; `supcr-bench gate --record .* writes it again"
    ):
        load_run(path)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        write_file(tmp_path / "nowhere" / "ci.json", run_file_text(run()))
    with pytest.raises(StoreError, match="cannot be read"):
        load_run_file(tmp_path)


def test_a_check_of_robustness_that_fails_does_not_make_it_wrong(path: Path) -> None:
    write_file(path, run_file_text(run(verifications=[make_verification("one", NOT_ROBUST)])))
    found = load_run(path).verification
    assert found
    assert found["one"].failures == []
    assert [o.check for o in found["one"].findings] == ["low temperature"]
