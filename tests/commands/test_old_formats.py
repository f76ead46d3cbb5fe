"""Files in the formats of version 0.1.0 still load, resume and compare; `tests/golden/` has them.

`quick` is a run of the suite of that name, with its report `quick-report.html`; `paper` one of a
suite under the definition that was called `paper` then, and `no-self` since, with ranks, float64
and an untimed grid in it; the baselines are of the suite `ci`, and of that one.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import supcr_bench
from supcr_bench.measure.environment import collect_environment
from supcr_bench.store.run import load_run
from supcr_bench.values.result import Status
from tests.commands.conftest import Cli

GOLDEN = Path(__file__).parents[1] / "golden"
LAST_DIGITS = 1e-6
"""The order of a sum in float32 differs by processor, and with the code since."""
COUNTS_SINCE = {("distributed", "forward"): (123, 82941), ("distributed", "training"): (128, 82943)}
"""Operations and elements of what has become cheaper since, on two ranks."""


def stored_rows(run: str) -> list[dict[str, Any]]:
    return stored_rows_of(GOLDEN / run)


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_every_figure_of_a_stored_run_is_read_as_it_was_written(name: str) -> None:
    run = load_run(GOLDEN / name)
    rows = stored_rows(name)
    assert len(run.results) == len(rows)
    for result, row in zip(run.results, rows, strict=True):
        assert (result.implementation, result.case.batch_size, result.case.pass_) == (
            row["implementation"],
            row["batch_size"],
            row["pass"],
        )
        assert result.status is Status(row["status"])
        assert (result.loss, result.reference_loss) == (row["loss"], row["reference_loss"])
        assert result.peak_bytes == row["peak_bytes"]
        assert list(result.time_samples_s or ()) == (row["time_samples_s"] or [])


def test_the_old_name_of_a_definition_is_read_as_the_new_one() -> None:
    assert {r.case.definition for r in load_run(GOLDEN / "paper").results} == {"no-self"}


def test_a_report_is_read_as_the_run_that_it_shows() -> None:
    page, folder = load_run(GOLDEN / "quick-report.html"), load_run(GOLDEN / "quick")
    assert [r.key for r in page.results] == [r.key for r in folder.results]
    assert [r.time_samples_s for r in page.results] == [r.time_samples_s for r in folder.results]


def test_a_frame_of_a_stored_run_has_one_row_a_result() -> None:
    assert len(supcr_bench.load(GOLDEN / "quick").frame) == len(stored_rows("quick"))


def test_the_verification_of_a_stored_run_is_read() -> None:
    found = load_run(GOLDEN / "quick").verification
    assert found is not None
    assert set(found) == {"rowsort", "broadcast"}


@pytest.mark.parametrize("name", ["quick", "paper"])
def test_a_stored_run_compares_with_itself_without_a_change(cli: Cli, name: str) -> None:
    done = cli("compare", str(GOLDEN / name), str(GOLDEN / name))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick", "paper"])
def test_a_stored_run_is_resumed_where_it_stopped(cli: Cli, tmp_path: Path, name: str) -> None:
    stopped = tmp_path / name
    shutil.copytree(GOLDEN / name, stopped)
    lines = (stopped / "measurements.jsonl").read_text().splitlines(keepends=True)
    (stopped / "measurements.jsonl").write_text("".join(lines[:-2]))
    begin_on_this_processor(stopped / "run.json")
    done = cli("run", "--resume", str(stopped), "--no-verify")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    before = [json.loads(line) for line in lines]
    after = stored_rows_of(stopped)
    assert len(after) == len(before)
    found = {case_of(row): row for row in after}
    for old in before:
        new = found[case_of(old)]
        again = old in before[-2:]
        assert new["loss"] == pytest.approx(old["loss"], rel=LAST_DIGITS if again else 0, abs=0)
        if old["ranks"] == 1:  # elsewhere the peak is no count
            assert new["peak_bytes"] == old["peak_bytes"]
        counts = (old["launches"], old["elements"])
        if again:
            counts = COUNTS_SINCE.get((old["implementation"], old["pass"]), counts)
        assert (new["launches"], new["elements"]) == counts


def begin_on_this_processor(file: Path) -> None:
    """A run is only resumed on the processor that it was begun on; here with short samples."""
    then = json.loads(file.read_text())["environment"]["cpu"]
    here = collect_environment()["cpu"]
    text = file.read_text().replace(json.dumps(then), json.dumps(here))
    file.write_text(re.sub(r'("sampling(_s)?"): [\d.]+', r"\1: 0.001", text))


def case_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What tells the rows of these two runs apart."""
    axes = ("pass", "batch_size", "nan_density", "dims", "labels", "dtype", "ranks")
    return (row["implementation"], *(row[axis] for axis in axes))


def stored_rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "measurements.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_stored_baseline_is_held_against(cli: Cli) -> None:
    suite, baseline = GOLDEN / "old.toml", GOLDEN / "paper-baseline.json"
    done = cli("gate", str(suite), "--baseline", str(baseline), "-i", "scan")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_stored_baseline_is_taken_wherever_a_run_is(cli: Cli) -> None:
    stored = str(GOLDEN / "paper-baseline.json")
    for command in (["report"], ["export", "--format", "csv"]):
        done = cli(*command, stored)
        assert done.returncode == 0, done.stdout + done.stderr
    done = cli("compare", stored, str(GOLDEN / "paper"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results in both runs" in done.stdout
