"""What cannot be carried out is answered in one line, with status 2, before any measurement."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.commands.conftest import Cli
from tests.patience import HANGS_S

HEAVY = ("torch", "numpy", "pandas", "matplotlib", "scipy", "jinja2")
PROBE = """
import contextlib, functools, io, json, sys
import typer.main
from supcr_bench.commands.app import main

typer.main.get_command = functools.cache(typer.main.get_command)  # takes longer than an answer
for arguments in json.load(sys.stdin):
    before = set(sys.modules)
    sys.argv = ["supcr-bench", *arguments]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            status = end.code
    loaded = [name for name in sys.argv_heavy if name in set(sys.modules) - before]
    print(json.dumps([status, errors.getvalue(), loaded]))
""".replace("sys.argv_heavy", repr(HEAVY))

WITHOUT_TENSORS = [
    (["--help"], 0, ""),
    (["run", "--help"], 0, ""),
    (["frobnicate"], 2, "No such command"),
    (["run", "quik"], 2, "did you mean 'quick'?"),
    (["run", "nowhere.toml"], 2, "no suite file"),
    (["run", "quick", "-i", "lopy"], 2, "did you mean 'loopy'?"),
    (["run", "quick", "-i", "nowhere.py:Loss"], 2, "no file"),
    (["run", "quick", "-i", "losses.py"], 2, "say which attribute"),
    (["run", "quick", "--batch-size", "1"], 2, "--batch-size: '1'"),
    (["run", "quick", "--batch-size", "8,x"], 2, "--batch-size: 'x'"),
    (["run", "quick", "--batch-size", ","], 2, "--batch-size"),
    (["run", "quick", "--nan-density", "1.5"], 2, "from 0 to 1"),
    (["run", "quick", "--nan-density", "-0.1"], 2, "from 0 to 1"),
    (["run", "quick", "--dims", "0"], 2, "1 or more"),
    (["run", "quick", "--pass", "backward"], 2, "forward, training"),
    (["run", "quick", "--time-limit", "soon"], 2, "10s"),
    (["run", "quick", "--memory-limit", "0GiB"], 2, "4GiB"),
    (["run", "quick", "--seed", "-1"], 2, "--seed"),
    (["run", "quick", "--labels", "nowhere.csv"], 2, "no labels file"),
    (["run", "quick", "--labels", "l.csv", "--dims", "2"], 2, "the labels file decides dims"),
    (["run", "quick", "--labels", "l.csv", "--set", "labels=tied"], 2, "decides labels"),
    (["run", "quick", "--labels", ""], 2, "--labels needs a file"),
    (["run", "quick", "--set", "temperature"], 2, "write AXIS=VALUE,VALUE"),
    (["run", "quick", "--set", "temprature=1"], 2, "did you mean 'temperature'?"),
    (["run", "quick", "--set", "temperature=-1"], 2, "use numbers above 0"),
    (["run", "quick", "--dims", "2", "--set", "dims=3"], 2, "dims is set twice"),
    (["run", "--resume", "latest"], 2, "no runs in"),
    (
        ["run", "quick", "--executor", "dask"],
        2,
        "unknown executor 'dask'; choose local, ray or ray:HOST:PORT",
    ),
    (["run", "quick", "--executor", "ray:"], 2, "ray:HOST:PORT"),
    (["run", "quick", "--executor", "local:8"], 2, "unknown executor 'local:8'"),
    (
        ["run", "--resume", "page.html"],
        2,
        "page.html is one file; --resume needs the folder",
    ),
    (["verify", "broadcast", "--labels", "nowhere.csv"], 2, "no labels file"),
    (["verify", "broadcast", "--batch-size", "8"], 2, "belong to --labels"),
    (["verify", "--self-test", "--labels", "l.csv"], 2, "leave out implementations"),
    (["report", "nothing"], 2, "no run 'nothing'"),
    (["report", "page.html"], 2, "page.html holds no data of a run"),
    (["report", "one", "--against", "two"], 2, "no run 'one'"),
    (
        ["report", "one", "--markdown", "no/where.md"],
        2,
        "--markdown no/where.md: there is no folder 'no'",
    ),
    (["report", "one", "--against", "two", "--markdown", "no/where.md"], 2, "no folder 'no'"),
    (["compare", "--help"], 0, ""),
    (["gate", "--help"], 0, ""),
    (["gate", "cii"], 2, "did you mean 'ci'?"),
    (["gate"], 2, "nothing to compare with"),
    (["gate", "--baseline", "nowhere.json"], 2, "no baseline 'nowhere.json'"),
    (["gate", "--against", "HEAD", "--record", "b.json"], 2, "exclude each other"),
    (["gate", "--against", "no-such-revision"], 2, "no revision 'no-such-revision'"),
    (["compare", "one"], 2, "Missing argument"),
    (["compare", "one", "two"], 2, "no run 'one'"),
    (["compare", "one", "two", "--margin", "5"], 2, "write it like 5% or 0.05"),
    (["compare", "one", "two", "--json", "no/where.json"], 2, "there is no folder 'no'"),
    (["recommend", "--batch-size", "8", "--memory", "much"], 2, "--memory: 'much' is not a size"),
    (["recommend", "--batch-size", "8", "--pass", "backward"], 2, "unknown pass 'backward'"),
    (["recommend", "--batch-size", "8"], 2, "no runs in"),
    (["history", "--help"], 0, ""),
    (["history", "nowhere.json"], 2, "no file or folder 'nowhere.json'"),
    (["history", "one", "--format", "gif"], 2, "unknown format 'gif'"),
    (["export", "--help"], 0, ""),
    (["export", "one"], 2, "Missing option '--format'"),
    (["export", "one", "--format", "csv"], 2, "no run 'one'"),
    (["export", "one", "--format", "parket"], 2, "did you mean 'parquet'?"),
    (["export", "one", "--format", "parquet"], 2, "Parquet is binary: give --out FILE"),
    (["export", "one", "--format", "csv", "--out", "no/where.csv"], 2, "no folder 'no'"),
]
NAMES = [" ".join(arguments) for arguments, _, _ in WITHOUT_TENSORS]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, list[str]]]:
    """Status, standard error and heavy modules after each of those, one process for all."""
    folder = tmp_path_factory.mktemp("usage")
    (folder / "page.html").write_text("<p>no report")
    (folder / "losses.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=folder,
        input=json.dumps([arguments for arguments, _, _ in WITHOUT_TENSORS]),
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(len(WITHOUT_TENSORS)), ids=NAMES)
def test_answers_without_importing_torch_pandas_or_matplotlib(
    number: int, answers: list[tuple[int, str, list[str]]]
) -> None:
    _, status, words = WITHOUT_TENSORS[number]
    found, errors, heavy = answers[number]
    asks_git = "no-such-revision" in words  # when all that is known without it has been checked
    assert (found, heavy) == (status, ["numpy"] if asks_git else [])
    assert words in errors
    assert "Traceback" not in errors


def test_a_process_ends_with_the_status_and_one_line(cli: Cli) -> None:
    done = cli("run", "quik")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("supcr-bench: error: unknown suite 'quik' (did you mean 'quick'?)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "warp"], "no device 'warp' on this machine; available: cpu"),
        (["-i", "losses.py:Nothing"], "has no 'Nothing'"),
        (["-i", "no.such.module:Loss"], "cannot be imported"),
        (["-i", "losses.py:NoArguments"], "NoArguments has neither forward nor __call__"),
        (["-i", "losses.py:OneArgument"], "takes one argument, `perturbed`, not embeddings and"),
        (["-i", "losses.py:NoLoss"], "returned a str without a loss tensor"),
    ],
)
def test_what_needs_torch_to_be_known_is_one_line_too(
    cli: Cli, workplace: Path, arguments: list[str], words: str
) -> None:
    done = cli("run", "tiny.toml", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (workplace / "results").exists()


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_gpu_suite_says_that_there_is_no_gpu(cli: Cli, workplace: Path) -> None:
    done = cli("run", "gpu")
    assert done.returncode == 2
    assert "no device 'cuda' on this machine; available: cpu" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (workplace / "results").exists()


def test_debug_shows_the_traceback(cli: Cli) -> None:
    done = cli("run", "quik", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_batch_larger_than_the_labels_file_is_refused(cli: Cli, workplace: Path) -> None:
    (workplace / "few.csv").write_text("a\n1\n2\n3\n")
    done = cli("run", "tiny.toml", "--labels", "few.csv")
    assert done.returncode == 2
    assert "use --batch-size up to 3" in done.stderr
