"""``supcr-bench history`` on runs, gate results and baselines that were written down."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from typer.testing import Result as Invoked

from supcr_bench.commands.app import app
from supcr_bench.render.gate_files import gate_json
from supcr_bench.store.run import RunWriter
from supcr_bench.store.run_file import run_file_text
from supcr_bench.values.errors import UsageError
from supcr_bench.values.files import write_file
from supcr_bench.values.gate import GateVerdict
from supcr_bench.values.result import Result, Status
from tests.made_gate_outcomes import judge, outcome
from tests.made_results import make_result
from tests.made_runs import ENVIRONMENT, make_run

NAMES = ("loopy", "rowsort", "scan", "tiled")
BARE: dict[str, Any] = {"subjects": [*NAMES], "labels": None, "implementations": {}}
DAY = "2026-01-{:02}T12:00:00+00:00"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def write(day: int, results: Sequence[Result], **info: Any) -> None:
    """A run of that day and of revision ``0<day>``, in ``results/``."""
    revision = f"{day:02}aaaaaaaaaaaa"
    code = {name: {"repository": "losses", "revision": revision, "dirty": False} for name in NAMES}
    whole: dict[str, Any] = {
        "suite": {"name": "made-up"},
        **BARE,
        "environment": ENVIRONMENT,
        "code": code,
    }
    with RunWriter.create(Path("results"), f"run-{day:02}", whole | info) as writer:
        for result in results:
            writer.append(result)
        writer.update(started_at=DAY.format(day))


def history(*arguments: str) -> Invoked:
    done = CliRunner().invoke(app, ["history", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    return done


def counted(ops: float, peak: int = 1000, **fields: Any) -> Result:
    fields = {"dispatched_ops": round(ops), "elements_processed": 100, "peak_bytes": peak, **fields}
    return make_result("rowsort", n=8, **fields)


def sessions(days: int, seconds: Callable[[str, int], float]) -> None:
    """Runs of all implementations whose time is that function of the name and the day."""
    rng = np.random.default_rng(0)
    for day in range(days):
        shared = rng.normal(0, 0.2)
        own = [
            make_result(
                name,
                n=8,
                times=[seconds(name, day) * float(np.exp(shared + rng.normal(0, 0.02)))] * 7,
                dispatched_ops=10,
                elements_processed=100,
            )
            for name in NAMES
        ]
        write(day + 1, own)


def test_counts_that_creep_are_worse_than_the_anchor_though_each_step_is_small() -> None:
    for day in range(11):
        write(day + 1, [counted(1000 * 1.04**day, peak=round(1000 * 1.005**day))])
    done = history("results", "--json", "h.json")
    assert done.exit_code == 1
    text = " ".join(done.stdout.split())
    assert text.startswith(
        "regression: 2 figures got worse against 01aaaaaa of 2026-01-01: rowsort"
    )
    assert "rowsort dispatched operations 1 x1.48 10 steps, largest at" in text
    assert "rowsort peak memory 1 x1.05 10 steps" in text
    stored = json.loads(Path("h.json").read_text())
    assert [s["revision"] for s in stored["snapshots"]][:2] == ["01aaaaaa", "02aaaaaa"]
    series = {s["figure"]: s for s in stored["series"]}
    assert series["launches"]["steps"] == [*range(1, 11)]
    assert series["peak memory"]["steps"] == []
    assert series["peak memory"]["ruling"] == "regression"
    assert series["element work"]["ruling"] == "pass"


def test_a_single_step_is_named_by_its_revision_and_drawn() -> None:
    for day in range(4):
        write(day + 1, [counted(1000 + 100 * (day >= 2))])
    done = history("results", "--out", "charts")
    assert done.exit_code == 1
    assert "at 03aaaaaa" in done.stdout
    (chart,) = Path("charts").iterdir()
    assert chart.name == "dispatched_ops-N8-D1-nan0.svg"
    assert "03aaaaa" in chart.read_text()


def test_a_later_anchor_accepts_what_came_before_it_and_an_unknown_one_is_refused() -> None:
    for day in range(4):
        write(day + 1, [counted(1000 + 100 * (day >= 2))])
    assert history("results", "--anchor", "03aaaaaaaaaaaa").exit_code == 0
    assert history("results", "--anchor", "run-03").exit_code == 0
    with pytest.raises(UsageError, match="revisions here are: 01aaaaaa, 02aaaaaa"):
        history("results", "--anchor", "feed")
    with pytest.raises(UsageError, match="two or more runs"):
        history("results", "--anchor", "04aa")


def test_a_time_that_creeps_is_found_beyond_what_sessions_do_to_all() -> None:
    sessions(11, lambda name, day: 1e-3 * (1.04**day if name == "rowsort" else 1.0))
    done = history("results", "--json", "h.json")
    assert done.exit_code == 1
    text = " ".join(done.stdout.split())
    assert "1 figure got worse against 01aaaaaa of 2026-01-01: rowsort (time)" in text
    assert "crept over 11 sessions up to 11aaaaaa" in text
    ratios = {
        s["implementation"]: s["ratio"]
        for s in json.loads(Path("h.json").read_text())["series"]
        if s["figure"] == "time"
    }
    assert ratios["rowsort"] == pytest.approx(1.04**10, rel=0.1)
    assert list(Path("reports/history").glob("time-N8-D1-nan0-*-run.svg"))


def test_times_without_a_change_are_no_finding_and_too_few_are_not_judged() -> None:
    sessions(5, lambda name, day: 1e-3 * 2**day)
    done = history("results")
    assert done.exit_code == 0
    assert "4 times are not judged: a change shows from 7 sessions of one machine on" in (
        " ".join(done.stdout.split())
    )
    for day in range(5, 12):
        write(day + 1, [make_result("loopy", n=8, times=[1e-3] * 7, dispatched_ops=10)])
    assert history("results").exit_code == 0


def test_times_of_other_machines_and_counts_of_another_torch_are_not_held_against_it() -> None:
    other = {**ENVIRONMENT, "cpu": "another", "torch": "2.7"}
    for day in range(10):
        own = counted(1000 + 10 * (day > 4), times=[1e-3 * (1 + (day > 4))] * 7)
        write(day + 1, [own], environment=other if day > 4 else ENVIRONMENT)
    assert history("results").exit_code == 0
    write(11, [counted(1030)], environment=other)
    assert history("results").exit_code == 1


def test_gate_results_and_baselines_are_read_from_a_folder_and_other_files_are_counted() -> None:
    artifacts = Path("artifacts")
    artifacts.mkdir()
    change = judge("dispatched_ops", GateVerdict.REGRESSION, name="rowsort")
    gated = outcome(change, judge("time", name="rowsort"), judge("agreement", name="rowsort"))
    for number, day in enumerate((2, 3)):
        values = json.loads(gate_json(gated)) | {"started_at": DAY.format(day)}
        values |= {"environment": ENVIRONMENT}
        values["judgements"][0]["after"] = 6086 + number
        (artifacts / f"gate-{number}.json").write_text(json.dumps(values))
    assert change.case is not None
    first = Result(
        implementation="rowsort",
        case=change.case,
        status=Status.MEASURED,
        dispatched_ops=6086,
    )
    baseline = make_run([first], started_at=DAY.format(1), revision="feedfeedfeed", **BARE)
    write_file(artifacts / "ci.json", run_file_text(baseline))
    (artifacts / "package.json").write_text("{}")
    (artifacts / "torn.json").write_text("{")
    done = history("artifacts", "--json", "h.json")
    assert done.exit_code == 1
    assert "artifacts: 2 JSON files without a run or a gate's result" in done.stderr
    stored = json.loads(Path("h.json").read_text())
    assert [s["timed_by"] for s in stored["snapshots"]] == ["run", "gate", "gate"]
    (ops,) = [s for s in stored["series"] if s["figure"] == "launches"]
    assert ops["values"] == [6086, 6086, 6087]


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def test_a_baseline_is_read_at_each_commit_that_changed_it() -> None:
    git("init", "-q", "-b", "main")
    git("config", "user.email", "a@b")
    git("config", "user.name", "a")
    for ops in (100, 100, 104, 108):
        run = make_run([counted(ops)], revision=f"{ops}abc", **BARE)
        write_file(Path("ci.json"), run_file_text(run))
        Path("other.txt").write_text(str(Path("ci.json").stat().st_mtime_ns))
        git("add", ".")
        git("commit", "-q", "-m", str(ops))
    Path("ci.json").unlink()
    done = history("ci.json", "--revisions", "main", "--json", "h.json")
    assert done.exit_code == 1
    stored = json.loads(Path("h.json").read_text())
    log = subprocess.run(
        ["git", "log", "--reverse", "--format=%h", "--abbrev=8", "--", "ci.json"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert [s["revision"] for s in stored["snapshots"]] == log.stdout.split()
    (ops_series,) = [s for s in stored["series"] if s["figure"] == "launches"]
    assert ops_series["values"] == [100, 104, 108]


def test_what_cannot_be_read_is_a_usage_error_and_nothing_in_common_is_no_pass() -> None:
    with pytest.raises(UsageError, match=r"no file or folder 'nowhere\.json'"):
        history("nowhere.json")
    write(1, [counted(10)])
    with pytest.raises(UsageError, match="and 1 was found"):
        history("results")
    write(2, [make_result("loopy", n=16, dispatched_ops=10)])
    assert history("results").exit_code == 3
