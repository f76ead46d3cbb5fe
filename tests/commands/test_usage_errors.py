"""What cannot be carried out is answered in one line, with status 2, before any measurement."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.commands.conftest import Cli

HEAVY = ("torch", "pandas", "matplotlib", "scipy")
_PROBE = """
import sys
sys.argv = ["supcr-bench", *{arguments!r}]
from supcr_bench.commands.app import main
try:
    main()
except SystemExit as end:
    print(end.code, [name for name in {heavy!r} if name in sys.modules])
"""

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
    (["run", "quick", "--labels", "l.csv", "--dims", "2"], 2, "--dims has no meaning"),
    (["run", "--resume", "latest"], 2, "no runs in"),
    (["run", "quick", "--executor", "dask"], 2, "known: local (this machine), ray"),
    (["run", "quick", "--executor", "ray:"], 2, "ray:HOST:PORT"),
    (["run", "quick", "--executor", "local:8"], 2, "known: local"),
    (["run", "--resume", "page.html"], 2, "page.html is a report: name the run's folder"),
    (["report", "nothing"], 2, "no run 'nothing'"),
    (["report", "page.html"], 2, "page.html holds no data of a run"),
    (["report", "one", "--against", "two"], 2, "no run 'one'"),
    (["report", "one", "--markdown", "no/where.md"], 2, "--markdown: no folder 'no'"),
    (["report", "one", "--against", "two", "--markdown", "no/where.md"], 2, "no folder 'no'"),
    (["compare", "--help"], 0, ""),
    (["gate", "--help"], 0, ""),
    (["gate", "cii"], 2, "did you mean 'ci'?"),
    (["gate"], 2, "nothing to hold it against"),
    (["gate", "--baseline", "nowhere.json"], 2, "no baseline 'nowhere.json'"),
    (["gate", "--against", "HEAD", "--record", "b.json"], 2, "not several"),
    (["gate", "--against", "no-such-revision"], 2, "no revision 'no-such-revision'"),
    (["compare", "one"], 2, "Missing argument"),
    (["compare", "one", "two"], 2, "no run 'one'"),
    (["compare", "one", "two", "--margin", "5"], 2, "write it like 5% or 0.05"),
    (["export", "--help"], 0, ""),
    (["export", "one"], 2, "Missing option '--format'"),
    (["export", "one", "--format", "csv"], 2, "no run 'one'"),
    (["export", "one", "--format", "parket"], 2, "did you mean 'parquet'?"),
    (["export", "one", "--format", "parquet"], 2, "name the file to write with --out"),
    (["export", "one", "--format", "csv", "--out", "no/where.csv"], 2, "--out: no folder 'no'"),
]


@pytest.mark.parametrize(("arguments", "status", "words"), WITHOUT_TENSORS)
def test_answers_without_importing_torch_pandas_or_matplotlib(
    arguments: list[str], status: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text("<p>no report")
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(arguments=arguments, heavy=HEAVY)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"{status} []"
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "warp"], "no device 'warp' on this machine; available: cpu"),
        (["-i", "losses.py:Nothing"], "has no 'Nothing'"),
        (["-i", "no.such.module:Loss"], "cannot be imported"),
        (["-i", "losses.py:NoArguments"], "called as (temperature=, weights=, eps=)"),
        (["-i", "losses.py:OneArgument"], "called as (perturbed, intact, labels)"),
        (["-i", "losses.py:LossOnly"], "not the pair (loss, per-dimension losses)"),
        (["-i", "losses.py:WrongShape"], "per-dimension losses of shape (4, 2), not (2,)"),
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
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_a_batch_larger_than_the_labels_file_is_refused(cli: Cli, workplace: Path) -> None:
    (workplace / "few.csv").write_text("a\n1\n2\n3\n")
    done = cli("run", "tiny.toml", "--labels", "few.csv")
    assert done.returncode == 2
    assert "use --batch-size up to 3" in done.stderr
