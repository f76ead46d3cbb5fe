"""Verification at the end of a run. Workers measure; what they would verify is made up."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

import supcr_bench
from supcr_bench.commands.app import app
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep import runner
from supcr_bench.values.definition import get_definition
from supcr_bench.verification.outcome import Outcome
from supcr_bench.verification.verification import Verification
from tests.commands.conftest import TINY, Cli
from tests.forked.start import Servers
from tests.made_verifications import NOT_ROBUST, OFF, make_verification

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_charts")]

ONE_CELL = ("--batch-size", "4", "--dims", "1", "--nan-density", "0", "--set", "labels=tied")
SMALL = (*ONE_CELL, "--pass", "forward", "-i", "broadcast", "-i", "rowsort")
CONTINUED = ("--resume", "latest")


class Verifier:
    """Stands in for the workers: what is asked of it, and what it finds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.found: dict[str, Verification] = {}
        self.stops_before: str | None = None

    def __call__(self, subject: Subject, *, seed: int, **_: Any) -> "Session":
        if subject.name == self.stops_before:
            raise KeyboardInterrupt
        assert subject.definition is None  # none was asked for: what each computes
        assert subject.resolution is not None
        held = subject.resolution.definition
        assert held == get_definition(held.name)
        self.asked.append((subject.name, held.name, seed))
        return Session(self.found.get(subject.name, make_verification(subject.name)))


class Session(NamedTuple):
    """A verification that has ended."""

    found: Verification

    def run(self) -> Sequence[Outcome]:
        return self.found.outcomes

    def spent_s(self) -> float:
        return 1.0

    def result(self) -> Verification:
        return self.found


@pytest.fixture
def verifier(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Verifier:
    monkeypatch.chdir(workplace)
    verifier = Verifier()
    monkeypatch.setattr(runner, "WorkerVerification", verifier)
    monkeypatch.setattr(runner, "usable_cpus", lambda: 1)  # one after the other
    return verifier


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", *arguments])


def test_each_implementation_is_verified_by_the_runs_definition_and_seed(
    verifier: Verifier, workplace: Path
) -> None:
    verifier.found["broadcast"] = make_verification("broadcast", NOT_ROBUST)
    done = run("tiny.toml", *SMALL, "--verify", "--seed", "7", "--verbose")
    assert done.exit_code == 0, done.output
    assert verifier.asked == [("broadcast", "torchcell", 7), ("rowsort", "torchcell", 7)]
    assert "\nVerification\n" in done.output
    assert "broadcast is right: torchcell.\nNot robust: low temperature.\n" in done.output
    stored = supcr_bench.load("latest")
    assert stored.verification == {
        "broadcast": verifier.found["broadcast"],
        "rowsort": make_verification("rowsort"),
    }
    assert stored.info["accounting"]["verification_s"] >= 0
    kept = json.loads((stored.path / "verification.json").read_text())
    assert kept["schema_version"] == 1
    assert kept["implementations"]["rowsort"]["passed"] is True
    page = workplace / "reports" / stored.id / "index.html"
    assert "Not robust: low temperature" in page.read_text()
    assert supcr_bench.load(page).verification == stored.verification


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Path:
    """The results of a run without verification."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "tiny.toml").write_text(TINY)
    done = servers.run_command(["run", "tiny.toml", *SMALL], folder)
    assert done.returncode == 0, done.stderr
    return folder / "results"


@pytest.fixture
def unverified(small_run: Path, workplace: Path) -> None:
    """A copy of it in the workplace."""
    shutil.copytree(small_run, workplace / "results")


@pytest.mark.usefixtures("unverified")
def test_a_finding_of_verification_is_a_finding_of_the_run(verifier: Verifier) -> None:
    verifier.found["rowsort"] = make_verification("rowsort", OFF)
    done = run(*CONTINUED, "--verify")
    assert done.exit_code == 1
    assert "WRONG: rowsort is not right: torchcell, but 1 of 2 checks failed: ties." in done.output


@pytest.mark.usefixtures("unverified")
def test_the_command_line_goes_before_the_suite(verifier: Verifier, workplace: Path) -> None:
    assert supcr_bench.load("latest").verification is None
    suite = workplace / "tiny.toml"
    suite.write_text("verify = true\n" + suite.read_text())
    assert run("tiny.toml", *SMALL, "--no-verify").exit_code == 0
    assert verifier.asked == []
    assert supcr_bench.load("latest").verification is None
    assert run("tiny.toml", *SMALL).exit_code == 0
    assert len(verifier.asked) == 2


@pytest.mark.usefixtures("unverified")
def test_what_is_verified_is_not_verified_again_on_resuming(verifier: Verifier) -> None:
    verifier.stops_before = "rowsort"
    assert run(*CONTINUED, "--verify").exit_code == 130
    assert set(supcr_bench.load("latest").verification or ()) == {"broadcast"}
    verifier.stops_before = None
    verifier.found["rowsort"] = make_verification("rowsort", OFF)
    assert run(*CONTINUED).exit_code == 1
    assert [name for name, *_ in verifier.asked] == ["broadcast", "rowsort"]
    assert run(*CONTINUED).exit_code == 1
    assert len(verifier.asked) == 2
    assert set(supcr_bench.load("latest").verification or ()) == {"broadcast", "rowsort"}


@pytest.mark.usefixtures("unverified")
def test_a_run_may_be_verified_after_all(verifier: Verifier) -> None:
    assert run("tiny.toml", *SMALL, *CONTINUED, "--verify").exit_code == 0
    assert len(verifier.asked) == 2
    assert supcr_bench.load("latest").info["suite"]["verify"] is True


def test_real_workers_verify_and_what_they_find_is_stored(cli: Cli, workplace: Path) -> None:
    raises = ("-i", "losses.py:Raises", "--definition", "torchcell")
    done = cli("run", "tiny.toml", *raises, "--batch-size", "4", "--verify")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "losses.py:Raises cannot be called as (perturbed, intact, labels): V" in said
    (path,) = (workplace / "results").iterdir()
    found = supcr_bench.load(path)
    assert found.verification is not None
    assert "[red]broken[/red]" in found.verification["losses.py:Raises"].headline
