"""Every bad input of the tables is answered in one line, with the right status."""

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supcr_bench.commands.app import main
from tests.bad_input.label_files import FILES, LABEL_ROWS
from tests.bad_input.stored import (
    BASELINE_ROWS,
    PAGE_ROWS,
    RUN_ROWS,
    info,
    page,
    write_run,
)
from tests.bad_input.suites import SUITE_ROWS
from tests.bad_input.usage import USAGE_ROWS
from tests.commands.conftest import LOSSES, TINY

LIMIT_S = 2.0
"""CPU time in which a command has to refuse; where the machine is idle, that is its wall time."""
Refuse = Callable[[str, int, str], None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good and bad files and runs."""
    folder = tmp_path_factory.mktemp("bad")
    for name, content in FILES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "tiny.toml").write_text(TINY)
    (folder / "losses.py").write_text(LOSSES)
    (folder / "folder.toml").mkdir()
    (folder / "page.html").write_text(page("data:,x"))
    (folder / "base.json").write_text("{}")
    write_run(folder / "results", "good")
    write_run(folder / "results", "other", dims=3)
    write_run(folder / "results", "empty", sizes=[])
    return folder


def found_in(folder: Path) -> list[tuple[str, list[str], list[str]]]:
    """Each folder below one, with the names in it."""
    return [(at, sorted(folders), sorted(files)) for at, folders, files in sorted(os.walk(folder))]


@pytest.fixture
def refuse(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refuse:
    """Run a command line, and look at how it ends."""

    def run(command: str, status: int, words: str) -> None:
        before = found_in(place)
        monkeypatch.setattr(sys, "argv", ["supcr-bench", *shlex.split(command)])
        started = time.process_time()
        with pytest.raises(SystemExit) as ended:
            main()
        spent_s = time.process_time() - started
        printed = capsys.readouterr()
        said = " ".join((printed.err + printed.out).split())
        assert ended.value.code == status, said
        assert words in said
        assert "Traceback" not in said
        assert " object at 0x" not in said
        if status == 2:
            assert spent_s < LIMIT_S
            assert len(printed.err.splitlines()) <= 8
            assert found_in(place) == before, "a refused command leaves files"

    monkeypatch.chdir(place)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return run


@pytest.mark.parametrize(("command", "status", "words"), USAGE_ROWS, ids=[r[0] for r in USAGE_ROWS])
def test_a_command_line(refuse: Refuse, command: str, status: int, words: str) -> None:
    refuse(command, status, words)


@pytest.mark.parametrize(("labels", "words"), LABEL_ROWS, ids=[row[0] for row in LABEL_ROWS])
def test_a_labels_file(refuse: Refuse, place: Path, labels: str, words: str) -> None:
    refuse(f"run tiny.toml --labels {shlex.quote(labels)}", 2, words)


@pytest.mark.parametrize(("name", "content", "words"), SUITE_ROWS, ids=[r[0] for r in SUITE_ROWS])
def test_a_suite(refuse: Refuse, name: str, content: str | bytes, words: str) -> None:
    file = Path("bad.toml")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refuse(f"run {file}", 2, words)
    file.unlink()


COMMANDS = (
    "report {}",
    "run --resume {}",
    "recommend --batch-size 64 --from {}",
    "compare good {}",
    "export {} --format csv",
    "gate tiny.toml --baseline {}",
)
"""Commands that read a run; each row goes to the next of them."""


@pytest.mark.parametrize("row", range(len(RUN_ROWS)), ids=[r[0] for r in RUN_ROWS])
def test_a_run(refuse: Refuse, place: Path, row: int) -> None:
    name, change, words = RUN_ROWS[row]
    run = place / "results" / f"bad-{name}"
    shutil.copytree(place / "results" / "good", run)
    info(id=run.name)(run)
    change(run)
    refuse(COMMANDS[row % len(COMMANDS)].format(run), 2, words)
    shutil.rmtree(run)


@pytest.mark.parametrize("row", range(len(PAGE_ROWS)), ids=[r[0] for r in PAGE_ROWS])
def test_a_page(refuse: Refuse, place: Path, row: int) -> None:
    name, content, words = PAGE_ROWS[row]
    file = place / f"bad-{name}.html"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    commands = [command for command in COMMANDS if "--resume" not in command]
    refuse(commands[row % len(commands)].format(file), 2, words)
    file.unlink()


@pytest.mark.parametrize("row", range(len(BASELINE_ROWS)), ids=[r[0] for r in BASELINE_ROWS])
def test_a_baseline(refuse: Refuse, place: Path, row: int) -> None:
    name, content, words = BASELINE_ROWS[row]
    file = place / f"bad-{name}.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refuse(f"gate tiny.toml --baseline {file}", 2, words)
    file.unlink()


def test_there_are_as_many_rows_as_promised() -> None:
    runs = len(RUN_ROWS) + len(PAGE_ROWS) + len(BASELINE_ROWS)
    assert len(USAGE_ROWS) + len(LABEL_ROWS) + len(SUITE_ROWS) + runs >= 400
