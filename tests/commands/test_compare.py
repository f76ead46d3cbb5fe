"""``supcr-bench compare`` on runs that were written down."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from supcr_bench.commands.app import app
from supcr_bench.store.run import RunWriter
from supcr_bench.values.case import Case
from supcr_bench.values.errors import UsageError
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result

ENVIRONMENT: dict[str, Any] = {
    "cpu": "a CPU",
    "cpus_usable": 2,
    "threads": 1,
    "accelerators": [],
    "os": "an OS",
    "python": "3.11",
    "torch": "2.6",
}
RESULTS = [
    make_result(
        name, n=n, times=[1e-3] * 8, dispatched_ops=10, elements_processed=1000, peak_bytes=10_000
    )
    for n in range(8, 20)
    for name in ("loopy", "broadcast", "rowsort")
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, results: Sequence[Result], **environment: Any) -> None:
    """A run of that id in ``results/``."""
    info: dict[str, Any] = {
        "suite": {"name": "made-up"},
        "subjects": [],
        "labels": None,
        "implementations": {},
        "environment": ENVIRONMENT | environment,
        "revision": "0123456789abcdef+dirty",
    }
    with RunWriter.create(Path("results"), name, info) as writer:
        for result in results:
            writer.append(result)


def compare(*options: str) -> tuple[int, str]:
    """Exit status and output of comparing ``one`` with ``two``."""
    done = CliRunner().invoke(app, ["compare", "one", "two", *options])
    if isinstance(done.exception, UsageError):
        raise done.exception
    return done.exit_code, done.output


def test_two_equal_runs_are_fine() -> None:
    write("one", RESULTS)
    write("two", RESULTS)
    status, text = compare()
    assert status == 0
    assert "First  one, suite made-up, revision 0123456789ab with changes" in text
    assert "Nothing got worse" in text


def test_a_run_compared_with_itself_is_said_to_be_one(folder: Path) -> None:
    write("one", [replace(r, session="s") for r in RESULTS])
    write("two", RESULTS)
    same = "Both are the same run, so nothing can differ."
    assert same not in compare()[1]
    itself = str(folder / "results" / "one")
    done = CliRunner().invoke(app, ["compare", "one", itself, "--json", "x.json"])
    assert same in done.output
    assert "Time in 36 cases: 36 same." in done.output
    assert "undecided" not in done.output
    assert {row["time"]["verdict"] for row in json.loads(Path("x.json").read_text())["rows"]} == {
        "same"
    }


def test_a_result_that_became_wrong_is_a_finding_with_or_without_figures() -> None:
    write("one", RESULTS)
    write("two", [replace(RESULTS[0], status=Status.WRONG, reason="off"), *RESULTS[1:]])
    status, text = compare()
    assert status == 1
    assert "became wrong: off" in text


def test_costlier_counts_are_a_finding_on_another_machine_too() -> None:
    write("one", RESULTS)
    write("two", [replace(r, elements_processed=2000) for r in RESULTS], cpu="another", torch="2.7")
    status, text = compare()
    assert status == 1
    lines = text.splitlines()
    assert lines[2].startswith("The machines differ (cpu a CPU, then another)")
    assert lines[3].startswith(
        "The software differs, which may explain what changed: torch 2.6, then"
    )
    assert "Time in 36 cases: 36 undecided (other machine)." in text


def test_a_slower_implementation_is_a_finding_and_a_faster_one_is_not() -> None:
    slow = [
        replace(r, time_samples_s=(3e-3,) * 8) if r.implementation == "loopy" else r
        for r in RESULTS
    ]
    write("one", RESULTS)
    write("two", slow)
    assert compare()[0] == 1
    done = CliRunner().invoke(app, ["compare", "two", "one"])
    assert done.exit_code == 0
    assert "12 faster" in done.output


def test_undecided_times_are_fine_and_nothing_at_all_compared_is_not() -> None:
    write("one", RESULTS[:3])
    write("two", RESULTS[:3])
    assert compare()[0] == 0
    skipped = [make_result(status=Status.SKIPPED)]
    write("one-more", skipped)
    write("two-more", skipped)
    assert CliRunner().invoke(app, ["compare", "one-more", "two-more"]).exit_code == 3


def test_the_margin_may_be_chosen() -> None:
    write("one", RESULTS)
    write("two", [replace(r, time_samples_s=(1.04e-3,) * 8) for r in RESULTS])
    assert "36 undecided" in compare()[1]  # 4 % beside a drift of 4 %
    assert "36 same" in compare("--margin", "10%")[1]
    with pytest.raises(UsageError, match="--margin: '5' is not a share between 0 and 1"):
        compare("--margin", "5")


def test_everything_is_written_for_machines(folder: Path) -> None:
    write("one", RESULTS)
    write("two", [replace(RESULTS[0], elements_processed=2000), *RESULTS[1:-1]])
    assert compare("--json", "found.json")[0] == 1
    found = json.loads((folder / "found.json").read_text())
    assert (found["first"]["id"], found["second"]["id"]) == ("one", "two")
    assert found["finding"] is True
    assert found["slower"] == []
    assert found["log_ratio_drift"]["loopy"] == {"bound": 0.0, "results": 23}
    assert len(found["rows"]) == len(RESULTS)
    changed, *_, last = found["rows"]
    assert (changed["implementation"], changed["batch_size"], changed["pass"]) == (
        *("loopy", 8),
        "forward",
    )
    assert changed["elements"] == {"first": 1000, "second": 2000, "verdict": "more", "ratio": 2.0}
    assert changed["time"]["verdict"] == "same"
    assert changed["finding"] == "costs more work"
    assert (last["first"], last["second"], last["time"]) == ("measured", None, None)
    with pytest.raises(UsageError, match="there is no folder 'nowhere'"):
        compare("--json", "nowhere/found.json")


def test_runs_without_a_case_in_common_say_what_sets_them_apart() -> None:
    def with_case(**fields: Any) -> list[Result]:
        return [replace(r, case=replace(r.case, **fields)) for r in RESULTS]

    write("one", RESULTS)
    write("two", with_case(seed=1, definition="no-self"))
    with pytest.raises(UsageError, match="no case in common: seed 0 and 1; definition torchcell"):
        compare()
    write("one-more", RESULTS[:1])
    write("two-more", [])
    done = CliRunner().invoke(app, ["compare", "one-more", "two-more"])
    assert "one of the runs has no results" in str(done.exception)
    crossed = [
        Result(implementation=name, case=Case(batch_size=n), status=Status.SKIPPED)
        for name, n in (("loopy", 8), ("rowsort", 9))
    ]
    write("one-cross", crossed)
    write("two-cross", [replace(crossed[0], case=crossed[1].case)])
    done = CliRunner().invoke(app, ["compare", "one-cross", "two-cross"])
    assert "no single axis differs in all cases" in str(done.exception)


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(UsageError, match="no run 'one'"):
        compare()
