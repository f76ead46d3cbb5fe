"""Runs the command line as a person does: as a process, in a folder of its own."""

import shutil
import subprocess
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from supcr_bench.commands import report_page
from supcr_bench.commands.app import app
from supcr_bench.verification.session import Opened
from supcr_bench.workers import rank_verification
from supcr_bench.workers import verification as workers
from supcr_bench.workers.rank_verification import RankVerification
from supcr_bench.workers.verification import WorkerVerification
from tests.forked.once import made_once
from tests.forked.start import Servers

Cli = Callable[..., subprocess.CompletedProcess[str]]
WithChecks = Callable[..., Result]


class FinishedRun(NamedTuple):
    """A run that has ended: where it was run, its folder, and what the command printed."""

    folder: Path
    path: Path
    done: subprocess.CompletedProcess[str]


TINY = """
purpose = "Small enough for a test."
implementations = ["broadcast", "rowsort"]

[[grid]]
batch_size = [4, 7]
nan_density = 0.25
dims = 2
embedding_size = 8

[[grid]]
batch_size = 6
labels = "tied"
embedding_size = 8

[budget]
time_limit = "5s"
sampling = "1ms"
memory_limit = "1GiB"
"""

LOSSES = '''
"""Losses that go wrong in different ways."""
import os
import signal
import time


class _Loss:
    def __init__(self, temperature, weights, eps):
        self.temperature = temperature

    def answer(self, perturbed, intact, labels):
        loss = (perturbed * intact).sum()
        return loss, loss.detach().expand(labels.shape[1])


class NoArguments:
    def __init__(self):
        pass


class OneArgument(_Loss):
    def __call__(self, perturbed):
        return perturbed.sum()


class NoLoss(_Loss):
    def __call__(self, perturbed, intact, labels):
        return "a loss"


class Wrong(_Loss):
    def __call__(self, perturbed, intact, labels):
        return self.answer(perturbed, intact, labels)


class Raises(_Loss):
    def __call__(self, perturbed, intact, labels):
        raise ValueError("[red]broken[/red] <b>here</b>")


class Hangs(_Loss):
    def __call__(self, perturbed, intact, labels):
        if len(perturbed) > 6:
            time.sleep(600)
        return self.answer(perturbed, intact, labels)


class Crashes(_Loss):
    def __call__(self, perturbed, intact, labels):
        if len(perturbed) > 6:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.answer(perturbed, intact, labels)
'''


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a tiny suite and some broken losses."""
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "losses.py").write_text(LOSSES)
    return tmp_path


@pytest.fixture
def cli(workplace: Path, servers: Servers) -> Cli:
    """Run ``supcr-bench`` with these arguments and wait for it."""
    return lambda *arguments: servers.run_command(arguments, workplace)


class DiagnosedVerification(WorkerVerification):
    """A verification with a diagnosis, as of all checks, whose worker makes some of them."""

    def __init__(self, *given: Any, made: Collection[str], **options: Any) -> None:
        super().__init__(*given, **options)
        self._made = made

    def open(self) -> Opened:
        checks, definition, found = super().open()
        return [(name, group) for name, group in checks if name in self._made], definition, found


@pytest.fixture
def with_checks(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> WithChecks:
    """Run ``verify`` in this process, where workers make the checks of these names alone.

    What fails is diagnosed only where that is asked for.
    """
    monkeypatch.chdir(workplace)

    def run(only: Collection[str], *arguments: str, diagnosed: bool = False) -> Result:
        made = partial(DiagnosedVerification, made=only)
        verification = made if diagnosed else partial(WorkerVerification, only=only)
        monkeypatch.setattr(workers, "WorkerVerification", verification)
        over_ranks = partial(RankVerification, only=tuple(only))
        monkeypatch.setattr(rank_verification, "RankVerification", over_ranks)
        return CliRunner().invoke(app, ["verify", *arguments])

    return run


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process draw none, which takes longer than the rest of a page."""
    monkeypatch.setattr(report_page, "charts_of", lambda *given, **options: [])


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> FinishedRun:
    """The tiny suite, run once for all tests that need a run that has ended."""

    def run(folder: Path) -> FinishedRun:
        (folder / "tiny.toml").write_text(TINY)
        done = servers.run_command(["run", "tiny.toml"], folder, charts=1)
        (path,) = (folder / "results").iterdir()
        return FinishedRun(folder, path, done)

    return made_once(tmp_path_factory, "tiny", run)


@pytest.fixture
def run_here(tiny_run: FinishedRun, workplace: Path) -> Path:
    """A copy of that run in ``results/`` of the workplace."""
    shutil.copytree(tiny_run.folder / "results", workplace / "results")
    return workplace / "results" / tiny_run.path.name
