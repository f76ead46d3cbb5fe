"""Tests in several processes are reported as those of one; a process that dies fails one test."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = """
import os, signal, time
from pathlib import Path
import pytest

@pytest.fixture(scope="session", autouse=True)
def ended():
    yield
    Path(f"ended-{os.getpid()}").touch()

@pytest.mark.parametrize("number", range(8))
def test_passes(number): pass

def test_fails(): assert 1 == 2, "what it said"

def test_dies(): os.kill(os.getpid(), signal.SIGKILL)

def test_exits(): os._exit(7)

def test_waits():
    Path("waiting").touch()
    time.sleep(600)

def wait():
    while not Path("waiting").exists():
        time.sleep(0.01)

def test_fails_meanwhile():
    wait()
    assert False

def test_interrupts_meanwhile():
    wait()
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(600)
"""
CONFTEST = """
import signal
pytest_plugins = ["tests.forked.side_by_side"]
# A shell has what it starts in the background ignore interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
Tests = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Tests:
    """Runs the tests of an expression in two processes: the exit status and what is printed."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def run(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "--processes", "2", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    return run


def test_a_process_that_dies_fails_its_test_and_the_others_are_run(run: Tests) -> None:
    status, printed = run("-k", "(passes or fails or dies or exits) and not meanwhile")
    assert (status, "3 failed, 8 passed, 3 deselected" in printed) == (1, True), printed
    for words in ("what it said", "ended: SIGKILL", "ended: exit status 7"):
        assert words in printed
    status, printed = run("--last-failed", "-k", "fails or dies")
    assert (status, "2 failed," in printed, " passed" in printed) == (1, True, False), printed


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [("fails", 1, "stopping after 1 failures"), ("interrupts", 2, "KeyboardInterrupt")],
)
def test_a_failure_with_x_or_an_interrupt_ends_all_processes_after_their_fixtures(
    run: Tests, tmp_path: Path, name: str, status: int, words: str
) -> None:
    found, printed = run("-x", "-k", f"waits or {name}_meanwhile")
    assert (found, words in printed) == (status, True), printed
    assert len(list(tmp_path.glob("ended-*"))) == 2
