"""What a run holds is neither lost, nor doubled, nor mixed, whatever happens to it."""

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.commands.options import read_run
from supcr_bench.commands.report_page import show_and_write
from supcr_bench.render.terminal import make_console
from supcr_bench.store.run import RunWriter, load_run
from supcr_bench.values.errors import StoreError
from tests.bad_input.stored import SIZES, write_run
from tests.commands.conftest import Cli
from tests.forked.start import Servers
from tests.made_results import make_series
from tests.patience import HANGS_S

LOSS = """
from helper import scale

class Loss:
    def __init__(self, temperature, weights, eps):
        self.temperature = temperature
    def __call__(self, perturbed, intact, labels):
        loss = scale() * (perturbed * intact).sum()
        return loss, loss.detach().expand(labels.shape[1])
"""
SMALL = ("--batch-size", "4", "--pass", "forward", "--no-verify")
UNREAD = ("--definition", "torchcell")
"""Nothing is read from the loss's numbers, which takes the longest where they fit nothing."""


@pytest.fixture
def own(workplace: Path, cli: Cli) -> Path:
    """A run of a loss with a helper, after which a result is taken away."""
    (workplace / "loss.py").write_text(LOSS)
    (workplace / "helper.py").write_text("def scale():\n    return 2.0\n")
    done = cli("run", "tiny.toml", "-i", "loss.py:Loss", *SMALL, *UNREAD)
    assert done.returncode == 1, done.stderr
    (run,) = (workplace / "results").iterdir()
    file = run / "measurements.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    return run


@pytest.mark.slow
def test_a_run_is_not_continued_with_other_code_or_another_suite(
    cli: Cli, workplace: Path, own: Path
) -> None:
    before = (own / "measurements.jsonl").read_bytes()
    files = json.loads((own / "run.json").read_text())["files"]
    assert set(files["loss.py:Loss"]) == {"loss.py", "helper.py"}
    for name, text in (
        ("helper.py", "def scale():\n    return 3.0\n"),
        ("loss.py", LOSS.replace("scale()", "1")),
        ("tiny.toml", (workplace / "tiny.toml").read_text().replace("7]", "9]")),
    ):
        kept = (workplace / name).read_text()
        (workplace / name).write_text(text)
        done = cli("run", "--resume", "latest")
        (workplace / name).write_text(kept)
        assert done.returncode == 2, name
        words = " ".join(done.stderr.split())
        assert f"{name} has changed since the run began" in words
        assert "start a new run: `supcr-bench run tiny.toml -i loss.py:Loss --batch-size 4" in words
        assert (own / "measurements.jsonl").read_bytes() == before
    (workplace / "tiny.toml").write_text("# a remark\n" + (workplace / "tiny.toml").read_text())
    info = json.loads((own / "run.json").read_text())
    del info["files"], info["suite_file"]
    (own / "run.json").write_text(json.dumps(info))  # as an older version wrote it
    done = cli("run", "--resume", "latest")
    assert done.returncode == 1, done.stderr
    assert "does not record its source files" in done.stdout
    assert (
        len((own / "measurements.jsonl").read_bytes().splitlines()) == len(before.splitlines()) + 1
    )


@pytest.mark.slow
def test_a_change_during_the_run_is_a_failure_of_what_is_left(cli: Cli, workplace: Path) -> None:
    changes = "import os, pathlib\n" + LOSS.replace(
        "        loss = scale()",
        "        if len(perturbed) > 5:\n"
        "            with open('helper.py', 'a') as file:\n"
        "                file.write('# changed')\n"
        "            os.kill(os.getpid(), 9)\n"
        "        loss = scale()",
    )
    (workplace / "loss.py").write_text(changes)
    (workplace / "helper.py").write_text("def scale():\n    return 2.0\n")
    arguments = ("--batch-size", "4,6,8", "--pass", "forward", "--set", "labels=continuous")
    done = cli("run", "tiny.toml", "-i", "loss.py:Loss", "--dims", "1", *arguments, *UNREAD)
    assert done.returncode == 1
    (run,) = (workplace / "results").iterdir()
    lines = (run / "measurements.jsonl").read_text().splitlines()
    reasons = [str(json.loads(line)["reason"]) for line in lines]
    assert any("SIGKILL" in reason for reason in reasons)
    assert "helper.py has changed since the run began" in reasons[-1]


def test_a_run_that_is_written_is_not_written_by_another(tmp_path: Path) -> None:
    path = write_run(tmp_path, "run", SIZES[:2])
    with RunWriter.resume(path):
        with pytest.raises(StoreError, match=r"another process measures .*run at this moment"):
            RunWriter.resume(path)
        assert len(load_run(path).results) == 2  # it can be read meanwhile
    with RunWriter.resume(path):
        pass


@pytest.mark.slow
def test_two_at_once_measure_nothing_twice(cli: Cli, run_here: Path) -> None:
    file = run_here / "measurements.jsonl"
    whole = file.read_text().splitlines(keepends=True)
    file.write_text("".join(whole[:-1]))
    with RunWriter.resume(run_here):
        second = cli("run", "--resume", "latest")
        assert second.returncode == 2
        assert "another process measures" in second.stderr
        assert file.read_text() == "".join(whole[:-1])
    assert cli("run", "--resume", "latest").returncode == 0
    assert len(file.read_text().splitlines()) == len(whole)


def test_a_case_that_is_stored_twice_counts_once_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_run(tmp_path, "run")
    file = path / "measurements.jsonl"
    file.write_text(file.read_text() + file.read_text() + '{"implementation": "cut')
    run = read_run(str(path))
    assert len(run.results) == len(SIZES)
    said = capsys.readouterr().err
    assert f"holds {len(SIZES)} further results of cases that it has" in said
    assert "the last line is incomplete and was left out" in said


@pytest.mark.usefixtures("without_charts")
def test_a_page_that_holds_more_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_run(Path("results"), "run")
    console = make_console()
    show_and_write(load_run(path), console)
    page = Path("reports/run/index.html")
    whole = page.read_bytes()
    file = path / "measurements.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(StoreError, match=r"index\.html was left as it is: it holds 4 results"):
        show_and_write(load_run(path), console)
    file.unlink()
    with pytest.raises(
        StoreError, match=r"its report holds them too: name reports/run/index\.html"
    ):
        load_run(path)
    assert page.read_bytes() == whole
    assert len(load_run(page).results) == len(SIZES)


@pytest.fixture
def full_disk() -> Iterator[Any]:
    """No file can be longer than so many bytes: to a writer, like a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing_that_was_stored(tmp_path: Path, full_disk: Any) -> None:
    path = write_run(tmp_path, "run", SIZES[:2])
    file = path / "measurements.jsonl"
    size, info = file.stat().st_size, (path / "run.json").read_bytes()
    (result,) = make_series("broadcast", [256], lambda n: 1.0)
    with RunWriter.resume(path) as writer:
        full_disk(size + 100)
        with pytest.raises(StoreError, match=r"measurements\.jsonl cannot be written: File too"):
            writer.append(result)
        full_disk(10)
        with pytest.raises(StoreError, match=r"run\.json cannot be written"):
            writer.update(note="x" * 1000)
        full_disk(resource.RLIM_INFINITY)
    assert (path / "run.json").read_bytes() == info
    assert sorted(p.name for p in path.iterdir()) == ["measurements.jsonl", "run.json"]
    assert len(load_run(path).results) == 2
    with RunWriter.resume(path) as writer:
        writer.append(result)
    assert len(load_run(path).results) == 3


def test_where_reports_cannot_be_written_nothing_is_measured(cli: Cli, workplace: Path) -> None:
    (workplace / "reports").write_text("a file")
    done = cli("run", "tiny.toml")
    assert done.returncode == 2
    assert "reports is a file; name another folder" in done.stderr
    assert not (workplace / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_run_with_what_is_kept_and_how_to_go_on(
    servers: Servers, workplace: Path, number: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = workplace / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    errors = (workplace / "errors").open("w")
    command = ["run", "tiny.toml", "-i", "broadcast"]
    process = servers.start_command(command, workplace, errors.fileno())
    lines: list[Path] = []
    while process.poll() is None and not any(p.stat().st_size for p in lines):
        time.sleep(0.01)
        lines = list((workplace / "results").glob("*/measurements.jsonl"))
    os.kill(process.pid, number)
    assert process.wait(HANGS_S) == status
    process.stdout.close()
    errors.close()
    (run,) = (workplace / "results").iterdir()
    said = (workplace / "errors").read_text()
    assert f"results are kept in results/{run.name}; go on with `supcr-bench run --resume" in said
    assert list(scratch.glob("supcr-bench-*")) == []


@pytest.mark.slow
def test_a_worker_whose_parent_is_killed_leaves_no_folder(
    servers: Servers, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = workplace / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    process = servers.start_command(["run", "tiny.toml"], workplace)
    while process.poll() is None and not list((workplace / "results").glob("*/run.json")):
        time.sleep(0.01)
    assert list(scratch.glob("supcr-bench-*"))
    process.kill()
    process.wait(HANGS_S)
    process.stdout.close()
    deadline = time.monotonic() + HANGS_S
    while list(scratch.glob("supcr-bench-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(scratch.glob("supcr-bench-*")) == []


@pytest.mark.parametrize("command", ["report --verbose run", "verify no_loss.py:Loss"])
def test_a_reader_may_end_early(servers: Servers, tmp_path: Path, command: str) -> None:
    """As ``head -1`` does: the pipe is closed while more is written."""
    write_run(tmp_path, "run")
    (tmp_path / "no_loss.py").write_text("class Loss: ...\n")
    with (tmp_path / "errors").open("w") as errors:
        process = servers.start_command(command.split(), tmp_path, errors.fileno())
    process.stdout.close()
    assert process.wait(HANGS_S) == 141
    assert (tmp_path / "errors").read_text() == ""


def test_a_terminal_without_unicode_gets_plain_text(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(tmp_path, "run")  # its times are some microseconds
    for name, value in (("PYTHONIOENCODING", "ascii"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    plain = servers.run_command(["report", "--verbose", str(path)], tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert " us " in plain.stdout
    assert plain.stdout.isascii()


def test_a_folder_that_leads_out_of_the_run_is_not_written_to(tmp_path: Path) -> None:
    path = write_run(tmp_path / "results", "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (path / "tables").symlink_to(outside)
    with pytest.raises(StoreError, match="tables leads out of the run's folder"):
        show_and_write(load_run(path), make_console(), tmp_path / "page.html")
    assert list(outside.iterdir()) == []
    shutil.rmtree(outside)
