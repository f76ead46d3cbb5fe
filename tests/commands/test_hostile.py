"""Losses that spoil or fool a careless harness: each is noticed, and none spoils another.

All of them are measured in one run, beside ``rowsort`` and ``broadcast``, and so are they in one
session of pytest and by one gate. Nothing here depends on a duration.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.subjects.registry import load, locate
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Verdict
from supcr_bench.workers.verification import WorkerVerification
from tests.forked.start import Servers
from tests.hostile import FOLDER, HONEST, HOSTILE, end_processes
from tests.repository import Repository

SUITE = """
purpose = "Small enough for a test."
implementations = ["rowsort", "broadcast"]

[axes]
batch_size = 10
embedding_size = 8
dims = 2
nan_density = 0.2

[[grid]]

[budget]
sampling = "5ms"
precision = 0.9
memory_limit = "1GiB"
"""
EACH = pytest.mark.parametrize("name", HOSTILE)
NAMES = [f"{name}.py:Loss" for name in (*HOSTILE, *HONEST)]
SAME = ("status", "loss", "launches", "elements", "peak_bytes", "process_changes", "own_process")
Rows = Mapping[tuple[str, str], Mapping[str, Any]]


def copied(folder: Path) -> Path:
    for file in FOLDER.glob("[a-z]*.py"):
        shutil.copy(file, folder)
    (folder / "suite.toml").write_text(SUITE)
    return folder


def rows_of(folder: Path, servers: Servers, *names: str) -> tuple[Rows, str]:
    given = [part for name in names for part in ("-i", name)]
    done = servers.run_command(["run", "suite.toml", *given], folder, 600)
    assert done.returncode in (0, 1), done.stderr + done.stdout
    (run,) = (folder / "results").iterdir()
    rows = [json.loads(line) for line in (run / "measurements.jsonl").read_text().splitlines()]
    shutil.rmtree(folder / "results")
    return {(row["implementation"], row["pass"]): row for row in rows}, done.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> tuple[Rows, Rows, str]:
    """The rows of a run with all of them, those of a run without, and what the first printed."""
    folder = copied(tmp_path_factory.mktemp("hostile"))
    alone, _ = rows_of(folder, servers, "rowsort", "broadcast")
    among, said = rows_of(folder, servers, "rowsort", "broadcast", *NAMES)
    return among, alone, " ".join(said.split())


@pytest.mark.slow
@EACH
def test_a_run_notices_each_and_says_so(measured: tuple[Rows, Rows, str], name: str) -> None:
    rows, _, said = measured
    found, expected = rows[f"{name}.py:Loss", "training"], HOSTILE[name]
    changes = " and ".join(found["process_changes"] or ())
    if expected.finding:
        assert found["status"] in ("wrong", "failed")
        assert expected.finding in found["reason"]
    elif expected.lasting:
        assert found["own_process"] is True
        assert expected.lasting in changes
        assert f"{name}.py:Loss {changes}, for the whole process." in said
    else:
        assert found["status"] == "measured"
        assert (found["own_process"], expected.change) == (None, changes)
        assert f"{name}.py:Loss {changes}, for the whole process." in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rowsort", "broadcast", *(f"{name}.py:Loss" for name in HONEST)])
def test_a_run_of_all_leaves_the_honest_as_they_are_alone(
    measured: tuple[Rows, Rows, str], name: str
) -> None:
    rows, alone, _ = measured
    for pass_ in ("forward", "training"):
        found = rows[name, pass_]
        assert found["status"] == "measured"
        assert found["process_changes"] is None
        if name in ("rowsort", "broadcast"):
            assert [found[key] for key in SAME] == [alone[name, pass_][key] for key in SAME]


FIXTURE = """
import warnings
import pytest
from tests.hostile import HOSTILE

SMALL = {"batch_size": 10, "dims": 2, "nan_density": 0.2, "embedding_size": 8}


@pytest.mark.parametrize("name", [n for n, h in HOSTILE.items() if not h.lasting])
def test_each(supcr_benchmark, name):
    expected = HOSTILE[name]
    if expected.change:
        with pytest.warns(UserWarning, match=expected.change):
            supcr_benchmark(f"{name}.py:Loss", **SMALL)
        return
    with pytest.raises(Exception) as raised:
        supcr_benchmark(f"{name}.py:Loss", **SMALL)
    assert expected.finding in str(raised.value)


@pytest.mark.parametrize("name", ["rowsort", "broadcast"])
def test_the_honest(supcr_benchmark, name):
    found = supcr_benchmark(name, **SMALL)
    assert (found.status, found.process_changes) == ("measured", None)


@pytest.mark.parametrize("name", ["spinning_thread.py:Loss", "rowsort"])
def test_what_cannot_be_undone_ends_timing(supcr_benchmark, name):
    with pytest.raises(AssertionError, match="cannot be timed in this .*keeps a core busy"):
        supcr_benchmark(name, **SMALL)
"""


@pytest.mark.slow
def test_the_fixture_notices_each_and_times_no_other_beside_what_cannot_be_undone(
    tmp_path: Path, servers: Servers
) -> None:
    (copied(tmp_path) / "test_it.py").write_text(FIXTURE)
    done = servers.run_pytest(
        ["-q", "-p", "no:cacheprovider", "--benchmark-max-time=0.01"], tmp_path
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_gate_times_no_version_that_spoils_another(tmp_path: Path, servers: Servers) -> None:
    Repository(copied(tmp_path)).commit()
    names = [part for name in (*NAMES, "rowsort") for part in ("-i", name)]
    arguments = ["gate", "suite.toml", "--against", "HEAD", *names, "--time-budget", "1ms"]
    done = servers.run_command([*arguments, "--json", "found.json"], tmp_path, 600)
    assert done.returncode in (1, 3), done.stderr + done.stdout
    found = json.loads((tmp_path / "found.json").read_text())["judgements"]
    assert found


@pytest.mark.parametrize("name", [name for name, own in HOSTILE.items() if own.check])
def test_verify_catches_each_that_a_check_can_see(name: str) -> None:
    subject, expected = locate(f"{FOLDER / name}.py:Loss"), HOSTILE[name]
    try:
        if expected.lasting:
            only = (str(expected.check),)
            worker = WorkerVerification(subject, "torchcell", strict=False, seed=0, only=only)
            outcomes, headline = list(worker.run()), worker.result().headline
        else:
            session = LocalSession(load(subject), "torchcell", only=(str(expected.check),))
            outcomes, headline = list(session.run()), session.result().headline
    finally:
        end_processes()
    failed = [outcome.finding or "" for outcome in outcomes if outcome.verdict is Verdict.FAIL]
    assert failed or "cannot be called" in headline
    said = expected.change or expected.lasting
    assert not said or said in " ".join(failed)
