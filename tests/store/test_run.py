import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import supcr_bench
from supcr_bench.store.loaded_run import SCHEMA_VERSION, make_run
from supcr_bench.store.run import (
    MEASUREMENTS_FILE,
    RUN_FILE,
    VERIFICATION_FILE,
    RunWriter,
    find_run,
    load_run,
    new_run_id,
)
from supcr_bench.values.errors import StoreError
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Status
from tests.examples import measured
from tests.made_verifications import make_verification

RESULTS = [measured(n, n * 1e-3) for n in (16, 32, 64)]


def write(root: Path, run_id: str = "run", count: int = 3, **info: Any) -> Path:
    """A run with some results."""
    with RunWriter.create(root, run_id, {"environment": {"cpu": "some"}, **info}) as writer:
        for result in RESULTS[:count]:
            writer.append(result)
    return writer.path


def started(path: Path, at: str) -> Path:
    """The same run, begun at another time."""
    info = json.loads((path / RUN_FILE).read_text())
    (path / RUN_FILE).write_text(json.dumps({**info, "started_at": at}))
    return path


def test_what_was_appended_is_loaded_in_order(tmp_path: Path) -> None:
    run = load_run(write(tmp_path, suite="quick"), tmp_path)
    assert run.results == tuple(RESULTS)
    assert run.id == "run"
    assert run.info["suite"] == "quick"
    assert run.info["schema_version"] == SCHEMA_VERSION
    assert run.environment == {"cpu": "some"}


def test_samples_of_further_processes_belong_to_the_first_result(tmp_path: Path) -> None:
    first = replace(RESULTS[0], session="one")
    again = replace(first, session="two", time_samples_s=(2.0,) * 6).as_further()
    with RunWriter.create(tmp_path, "run", {"environment": {}}) as writer:
        for result in (first, RESULTS[1], again):
            writer.append(result)
        assert writer.stored == 2
    run = load_run("run", tmp_path)
    assert run.notes == ()
    assert [r.key for r in run.results] == [first.key, RESULTS[1].key]
    assert run.results[0].processes == {"one": first.time_samples_s, "two": (2.0,) * 6}
    rows = [result.to_mapping() for result in run.results]
    page = make_run(tmp_path, run.info, rows, None, ("result", "verification"))
    assert page.results == run.results
    for name, value in (("other_work_s", {"two": -1.0}), ("further_samples_s", {"two": [0.0]})):
        rows[0][name] = value
        with pytest.raises(StoreError, match=f"'{name}' holds a number out of range"):
            make_run(tmp_path, run.info, rows, None, ("result", "verification"))
        rows[0][name] = None


def test_a_run_whose_losses_are_huge_is_read_again(tmp_path: Path) -> None:
    """A wrong loss may return any number, and the reference has any value at a low temperature."""
    huge: dict[str, Any] = {"loss": -1e300, "reference_loss": 1e300, "value_error": 1e300}
    huge |= {"gradient_error": 1e99, "value_tolerances": 1e306, "gradient_tolerances": 1e306}
    case = replace(RESULTS[0].case, temperature=1e-300, embedding_norm=1e300)
    result = replace(RESULTS[0], case=case, status=Status.WRONG, **huge)
    with RunWriter.create(tmp_path, "run", {"environment": {}}) as writer:
        writer.append(result)
    assert load_run("run", tmp_path).results == (result,)


def test_a_result_is_on_the_disk_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, "run", {"environment": {}}) as writer:
        for count, result in enumerate(RESULTS, start=1):
            writer.append(result)
            assert load_run("run", tmp_path).results == tuple(RESULTS[:count])


def test_a_run_without_results_is_loaded_too(tmp_path: Path) -> None:
    path = write(tmp_path, count=0)
    assert load_run("run", tmp_path).results == ()
    (path / MEASUREMENTS_FILE).unlink()  # it may have held results
    for read in (lambda: load_run("run", tmp_path), lambda: RunWriter.resume(path)):
        with pytest.raises(StoreError, match=r"measurements\.jsonl cannot be read: No such file"):
            read()
    (path / "index.html").write_text("")
    with pytest.raises(StoreError, match=r"its report holds them too: name .*index\.html instead"):
        load_run("run", tmp_path)


def test_the_frame_has_one_row_a_result_with_its_median(tmp_path: Path) -> None:
    frame = load_run(write(tmp_path), tmp_path).frame
    assert frame["batch_size"].tolist() == [16, 32, 64]
    assert frame["time_s"].tolist() == pytest.approx([0.016, 0.032, 0.064])


def test_the_package_itself_loads_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    run = supcr_bench.load("latest")
    assert isinstance(run, supcr_bench.Run)
    assert run.results == tuple(RESULTS)


def test_resuming_keeps_what_is_there_and_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, count=2)
    with RunWriter.resume(path) as writer:
        assert writer.finished == tuple(RESULTS[:2])
        writer.append(RESULTS[2])
    assert load_run("run", tmp_path).results == tuple(RESULTS)


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_last_line_that_was_cut_off_is_removed_on_resuming(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path)
    file = path / MEASUREMENTS_FILE
    whole = file.read_bytes()
    *lines, last = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines) + last[:kept])
    assert load_run("run", tmp_path).results == tuple(RESULTS[:2])
    with RunWriter.resume(path) as writer:
        assert writer.finished == tuple(RESULTS[:2])
        writer.append(RESULTS[2])
    assert file.read_bytes() == whole


def test_loading_changes_nothing_even_where_a_line_was_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path)
    file = path / MEASUREMENTS_FILE
    os.truncate(file, file.stat().st_size - 5)
    before = file.read_bytes()
    load_run("run", tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("line", [1, 2])
def test_a_corrupt_line_in_the_middle_is_refused_with_its_number(tmp_path: Path, line: int) -> None:
    path = write(tmp_path)
    file = path / MEASUREMENTS_FILE
    lines = file.read_text().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1][:30] + "\n"
    file.write_text("".join(lines))
    for read in (lambda: load_run("run", tmp_path), lambda: RunWriter.resume(path)):
        with pytest.raises(StoreError, match=rf"{MEASUREMENTS_FILE} line {line} is not JSON"):
            read()
    assert file.read_text() == "".join(lines)


def test_a_schema_that_is_newer_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    info = json.loads((path / RUN_FILE).read_text())
    (path / RUN_FILE).write_text(json.dumps({**info, "schema_version": SCHEMA_VERSION + 1}))
    for read in (lambda: load_run("run", tmp_path), lambda: RunWriter.resume(path)):
        with pytest.raises(StoreError, match=f"has schema {SCHEMA_VERSION + 1}.*install a newer"):
            read()


@pytest.mark.parametrize("content", ["", "{", "{}", '{"schema_version": "x"}'])
def test_a_run_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    path = write(tmp_path)
    (path / RUN_FILE).write_text(content)
    with pytest.raises(StoreError, match=r"run\.json cannot be read"):
        load_run("run", tmp_path)


def test_the_latest_run_is_the_one_begun_last(tmp_path: Path) -> None:
    """By the time in run.json, whatever the folders are called."""
    started(write(tmp_path, "c"), "2026-01-01T00:00:00+00:00")
    started(write(tmp_path, "a"), "2026-01-03T00:00:00+00:00")
    started(write(tmp_path, "b"), "2026-01-02T00:00:00+00:00")
    assert find_run("latest", tmp_path).name == "a"


def test_a_run_is_found_by_its_id_and_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path / "results", "mine")
    assert find_run("mine", tmp_path / "results") == path
    assert find_run(str(path), tmp_path / "elsewhere") == path


def test_an_unknown_run_is_refused_with_the_latest_known(tmp_path: Path) -> None:
    for day in range(1, 8):
        started(write(tmp_path, f"run{day}"), f"2026-01-0{day}T00:00:00+00:00")
    with pytest.raises(StoreError, match=r"no run 'other'.*: run3, run4, run5, run6, run7$"):
        find_run("other", tmp_path)


def test_without_any_run_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no runs in .* yet; `supcr-bench run` makes one"):
        find_run("latest", tmp_path)
    with pytest.raises(StoreError, match=r"no run 'x': no runs in .* yet"):
        find_run("x", tmp_path)


def test_folders_that_are_no_runs_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.md").write_text("hello")
    assert find_run("latest", tmp_path) == path


def test_two_runs_begun_in_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    paths = [write(tmp_path, "same") for _ in range(3)]
    assert [p.name for p in paths] == ["same", "same-2", "same-3"]
    assert [load_run(p, tmp_path).id for p in paths] == ["same", "same-2", "same-3"]


def test_the_id_sorts_by_time_and_names_the_suite() -> None:
    moment = datetime(2026, 11, 24, 5, 45, 1, tzinfo=UTC)
    assert new_run_id("quick", moment) == "20261124T054501Z-quick"
    later = moment.replace(hour=15)
    assert new_run_id("a", later) > new_run_id("z", moment)
    assert new_run_id("quick").endswith("Z-quick")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        RunWriter.create(tmp_path / "file", "run", {})


def test_finishing_notes_the_end_and_adds_up_the_starts(tmp_path: Path) -> None:
    path = write(tmp_path, count=1)
    assert load_run("run", tmp_path).info["finished_at"] is None
    with RunWriter.resume(path) as writer:
        writer.finish({"wall_s": 10.0, "calls_s": 2.0}, interrupted=True)
    assert load_run("run", tmp_path).info["finished_at"] is None
    with RunWriter.resume(path) as writer:
        writer.finish({"wall_s": 10.0, "calls_s": 2.0})
        writer.finish({"verification_s": 2.0})
    info = load_run("run", tmp_path).info
    assert info["finished_at"] is not None
    assert info["accounting"] == {"wall_s": 20.0, "calls_s": 4.0, "verification_s": 2.0}
    assert info["environment"] == {"cpu": "some"}


def test_updating_replaces_run_json_whole(tmp_path: Path) -> None:
    path = write(tmp_path)
    with RunWriter.resume(path) as writer:
        writer.update(note="checked")
    assert load_run("run", tmp_path).info["note"] == "checked"
    assert sorted(p.name for p in path.iterdir()) == [MEASUREMENTS_FILE, RUN_FILE]


def test_a_figure_that_is_not_a_number_is_not_stored(tmp_path: Path) -> None:
    """Strict JSON: a stored line can be read by anything."""
    with RunWriter.create(tmp_path, "run", {"environment": {}}) as writer:
        with pytest.raises(ValueError, match="JSON"):
            writer.append(replace(RESULTS[0], loss=float("nan")))
        writer.append(RESULTS[0])
    assert load_run("run", tmp_path).results == (RESULTS[0],)


def test_verification_is_kept_as_it_comes_and_is_there_on_resuming(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert load_run(path).verification is None
    with RunWriter.resume(path) as writer:
        writer.store_verification(make_verification("one"))
        assert load_run(path).verification == {"one": make_verification("one")}
    with RunWriter.resume(path) as writer:
        assert writer.verification == {"one": make_verification("one")}
        writer.store_verification(make_verification("two"))
    assert load_run(path).verification == {name: make_verification(name) for name in ("one", "two")}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"schema_version": 99, "implementations": {}}', "has schema 99"),
        (
            '{"schema_version": 1, "implementations": {"one": {}}}',
            "verification of 'one' is not valid: key",
        ),
    ],
)
def test_a_verification_that_cannot_be_read_is_named(
    tmp_path: Path, content: str, words: str
) -> None:
    path = write(tmp_path)
    (path / VERIFICATION_FILE).write_text(content)
    with pytest.raises(StoreError, match=rf"verification\.json.*{words}"):
        load_run(path)


def test_a_run_of_one_machine_has_its_environment_alone(tmp_path: Path) -> None:
    run = load_run(write(tmp_path), tmp_path)
    assert list(run.environments.values()) == [{"cpu": "some"}]
    assert run.measured_on == run.environments
    assert run.environment_of(run.results[0]) == {"cpu": "some"}
    assert [r.machine for r in run.results] == [None] * 3


def test_results_name_the_environment_that_they_were_taken_in(tmp_path: Path) -> None:
    home, other, unused = ({"cpu": name} for name in ("some", "another", "unused"))
    known = {machine_of(e): e for e in (home, other, unused)}
    path = write(tmp_path, count=2, environments=known)
    with RunWriter.resume(path) as writer:
        writer.append(replace(RESULTS[2], machine=machine_of(other)))
    run = load_run(path, tmp_path)
    # What was stored before machines were is of the run's own.
    assert [run.environment_of(r)["cpu"] for r in run.results] == ["some", "some", "another"]
    assert [r.machine for r in run.results] == [machine_of(e) for e in (home, home, other)]
    assert run.measured_on == {machine_of(e): e for e in (home, other)}


def test_a_line_that_is_not_a_result_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    path = write(tmp_path)
    with (path / MEASUREMENTS_FILE).open("a") as file:
        file.write('{"implementation": "loopy"}\n')
    words = rf"{MEASUREMENTS_FILE} line 4 is not a valid result: key 'batch_size' is missing"
    with pytest.raises(StoreError, match=words):
        load_run(path)
