"""A baseline file: the same figures give the same bytes; what cannot be compared is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.analysis.compare import MACHINE, SOFTWARE
from supcr_bench.gate.baseline import (
    SCHEMA_VERSION,
    Baseline,
    held_against,
    kept_of,
    read_baseline,
    to_text,
    write_baseline,
)
from supcr_bench.gate.recorded import Recorded, record
from supcr_bench.values.case import Case
from supcr_bench.values.errors import BaselineError, UsageError
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result
from tests.made_verifications import LATE, OFF, make_verification


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
        make_result("one", n=16, case=own, **fields),
        make_result("one", n=16, status=Status.WRONG, reason='off by "ü"', **fields),
        make_result("one", n=32, status=Status.FAILED, reason="no", memory_limit_bytes=2**30),
    ]


def baseline(recorded: Recorded | None = None, **fields: Any) -> Baseline:
    values: dict[str, Any] = {
        "suite": "ci",
        "seed": 0,
        "version": "1.0",
        "revision": "abc",
        "recorded_on": "2026-11-24",
        "environment": {"torch": "2.13.0", "accelerators": []},
    }
    found = [make_verification("two", OFF, LATE), make_verification("one")]
    return Baseline(recorded=recorded or record(results(), found), **values | fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ci.json"


def test_what_is_written_is_read(path: Path) -> None:
    write_baseline(baseline(), path)
    assert read_baseline(path) == baseline()


def test_a_record_keeps_the_figures_without_noise_and_two_digits_of_the_rest() -> None:
    first = results()[0]
    found = record([first]).cases[first.key]
    assert (found.launches, found.elements, found.peak_bytes) == (9, 12_345, 4096)
    assert found.value_tolerances == 0.012
    assert found.gradient_tolerances is None
    assert found.memory_limit_bytes == 2**30


def test_the_same_figures_give_the_same_bytes_in_whatever_order_they_came(path: Path) -> None:
    found = [make_verification("one"), make_verification("two", LATE, OFF)]
    write_baseline(baseline(), path)
    before = path.read_bytes()
    write_baseline(baseline(record(reversed(results()), found)), path)
    assert path.read_bytes() == before
    write_baseline(read_baseline(path), path)
    assert path.read_bytes() == before


def test_one_line_is_one_record_so_that_a_change_is_one_line() -> None:
    first, *rest = results()
    changed = record([replace(first, dispatched_ops=10), *rest])
    lines, others = (to_text(baseline(r)).splitlines() for r in (record(results()), changed))
    differing = [pair for pair in zip(lines, others, strict=True) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert '"launches": 9' in differing[0][0]
    assert '"launches": 10' in differing[0][1]


def test_sizes_of_a_series_follow_each_other_by_rising_size() -> None:
    sizes = [make_result(n=n) for n in (128, 16, 8)]
    rows = json.loads(to_text(baseline(record(sizes))))["cases"]
    assert [row["batch_size"] for row in rows] == [8, 16, 128]


def test_nothing_recorded_is_a_file_too(path: Path) -> None:
    empty = baseline(Recorded())
    write_baseline(empty, path)
    assert read_baseline(path).recorded == Recorded()


def test_of_the_environment_it_keeps_what_figures_may_depend_on() -> None:
    kept = kept_of({"torch": "2.13.0", "python": "3.11", "memory_bytes": 8, "os": "Linux"})
    assert (kept["torch"], kept["python"], kept["os"]) == ("2.13.0", "3.11", "Linux")
    assert "memory_bytes" not in kept
    assert kept.keys() >= {*MACHINE, *SOFTWARE}


def test_a_file_that_is_not_there_is_named_with_what_makes_it(path: Path) -> None:
    with pytest.raises(
        BaselineError, match=r"no baseline .*`supcr-bench gate --record .*ci\.json`"
    ):
        read_baseline(path)
    assert issubclass(BaselineError, UsageError)


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", '"text"', "\xff"])
def test_a_file_that_is_no_baseline_is_refused(path: Path, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BaselineError, match="is no baseline"):
        read_baseline(path)


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, "1"])
def test_another_schema_is_refused_with_how_to_record_again(path: Path, version: object) -> None:
    path.write_text(json.dumps({"schema_version": version}))
    with pytest.raises(BaselineError, match=rf"has schema {version}.*--record .* records it again"):
        read_baseline(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"pass": "training", ', ""),
        ('"status": "measured"', '"status": "fine"'),
        ('"verdict": "pass"', '"verdict": "good"'),
        ('"suite"', '"suit"'),
        ('"batch_size": 128, ', ""),
    ],
)
def test_a_record_that_is_none_is_refused(path: Path, old: str, new: str) -> None:
    text = to_text(baseline())
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BaselineError, match=r"holds what is no record.*records it again"):
        read_baseline(path)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="cannot be written"):
        write_baseline(baseline(), tmp_path / "nowhere" / "ci.json")
    with pytest.raises(BaselineError, match="cannot be read"):
        read_baseline(tmp_path)


# --- holding against ---

PATH = Path("ci.json")


def test_the_suite_that_was_recorded_is_held_against_without_a_word() -> None:
    own = baseline()
    assert held_against(own, PATH, "ci", 0, own.recorded.cases) == []


def test_another_suite_or_seed_with_cases_in_common_is_compared_where_it_can_be() -> None:
    keys = [("one", Case(batch_size=16)), ("one", Case(batch_size=512))]
    assert held_against(baseline(), PATH, "mine", 5, keys) == [
        "Of the baseline ci.json, it was recorded with suite ci, and this is mine; it was recorded "
        "with seed 0, and this is 5: 1 case is in both."
    ]


def test_nothing_in_common_is_refused_and_says_why() -> None:
    other_seed = [("one", Case(batch_size=16, seed=5))]
    with pytest.raises(
        BaselineError, match=r"no case in common .* seed 0, and this is 5.*--record"
    ):
        held_against(baseline(), PATH, "ci", 5, other_seed)
    with pytest.raises(BaselineError, match="its cases are others"):
        held_against(baseline(), PATH, "ci", 0, [("one", Case(batch_size=512))])


def test_implementations_that_the_baseline_does_not_know_are_named() -> None:
    keys = [(name, Case(batch_size=16)) for name in ("one", "three", "four")]
    assert held_against(baseline(), PATH, "ci", 0, keys) == [
        "The baseline ci.json knows nothing of four, three."
    ]
