"""How the command line ends, whatever happens in a command."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

import supcr_bench
from supcr_bench.commands import app as command_line
from supcr_bench.values.errors import UsageError
from tests.patience import HANGS_S

STORED = Path(__file__).parents[2] / "results" / "reference"


def end_with(monkeypatch: pytest.MonkeyPatch, error: BaseException, *arguments: str) -> None:
    """The command line, where a command raises that."""

    def command(*given: Any, **named: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(command_line, "app", command)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["supcr-bench", *arguments])
    command_line.main()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UsageError("no suite of\n that name"), 2, "supcr-bench: error: no suite of that name\n"),
        (
            PermissionError(13, "Permission denied", "a.csv"),
            2,
            "error: Permission denied: 'a.csv'\n",
        ),
        (ZeroDivisionError("by nothing"), 2, "this is a bug in supcr-bench, please report it\n"),
        (KeyboardInterrupt(), 130, "supcr-bench: interrupted\n"),
    ],
)
def test_every_error_has_its_status_and_a_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    words: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        end_with(monkeypatch, error)
    assert ended.value.code == status
    said = capsys.readouterr().err
    assert said.endswith(words)
    assert ("Traceback" in said) is isinstance(error, ZeroDivisionError)


@pytest.mark.parametrize("error", [UsageError("no"), PermissionError("no")])
def test_debug_shows_where_and_keeps_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    with pytest.raises(SystemExit) as ended:
        end_with(monkeypatch, error, "--debug")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("supcr-bench: error: no\n")


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(command_line.app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"{supcr_bench.__version__}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["export", str(STORED), "--format", "csv"]])
def test_a_full_disk_behind_standard_output_is_named(arguments: list[str]) -> None:
    program = "from supcr_bench.commands.app import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=HANGS_S,
            check=False,
        )
    said = "supcr-bench: error: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)
