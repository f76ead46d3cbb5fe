"""``supcr-bench recommend`` on a stored run."""

from pathlib import Path

import pytest

from supcr_bench.store.run import RunWriter
from tests.commands.conftest import Cli
from tests.made_results import make_series

SIZES = [64, 128, 256]
INFO = {
    "suite": {"name": "made", "definition": "torchcell"},
    "subjects": ["cubic", "square"],
    "labels": None,
    "implementations": {},
    "environment": {
        "cpu": "a processor",
        "cpus_usable": 2,
        "threads": 1,
        "memory_bytes": 2**30,
        "accelerators": [],
        "torch": "2",
        "python": "3",
        "os": "an os",
    },
}


def stored(workplace: Path) -> str:
    with RunWriter.create(workplace / "results", "20260101T000000Z-made", INFO) as writer:
        results = make_series("cubic", SIZES, lambda n: 1e-9 * n**3, pass_="training")
        results += make_series("square", SIZES, lambda n: 1e-7 * n**2, pass_="training")
        for result in results:
            writer.append(result)
    return writer.path.name


def test_says_which_to_use_and_from_which_run(cli: Cli, workplace: Path) -> None:
    run = stored(workplace)
    done = cli("recommend", "--batch-size", "256")
    assert done.returncode == 0, done.stderr
    assert "use square: about 6.55 ms a call (measured)" in done.stdout
    assert f"From run {run}: a processor, 2 CPUs" in done.stdout


def test_where_the_run_does_not_tell_the_status_is_3(cli: Cli, workplace: Path) -> None:
    stored(workplace)
    done = cli("recommend", "--batch-size", "256", "--device", "cuda")
    assert done.returncode == 3
    assert "has no results for training on cuda" in done.stdout


def test_without_them_it_asks_for_the_dimensions_and_labels_that_reach_the_batch(
    cli: Cli, workplace: Path
) -> None:
    with RunWriter.create(workplace / "results", "20260101T000000Z-made", INFO) as writer:
        main = {"dims": 2, "nan_density": 0.2}
        for result in make_series("one", SIZES, lambda n: 1e-9 * n**3, pass_="training", case=main):
            writer.append(result)
        for result in make_series("one", SIZES[:1], lambda n: 1e-9 * n**3, pass_="training"):
            writer.append(result)
    for arguments, place in (
        (("256",), "N=256, D=2, 20% NaN"),
        (("64",), "N=64, D=1, 0% NaN"),
        (("64", "--dims", "2"), "N=64, D=2, 20% NaN"),
    ):
        done = cli("recommend", "--batch-size", *arguments)
        assert done.returncode == 0, done.stdout
        assert place in done.stdout


def test_the_axis_that_is_off_is_named(cli: Cli, workplace: Path) -> None:
    stored(workplace)
    for option, words in (
        (
            ("--nan-density", "0.5"),
            "timed at NaN 0%, too far from 50%; choose --nan-density in that range",
        ),
        (("--dims", "3"), "timed at D 1, too far from 3; choose --dims in that range"),
    ):
        done = cli("recommend", "--batch-size", "128", *option)
        assert done.returncode == 3
        assert f"recommended. cubic and square: {words}." in " ".join(done.stdout.split())


@pytest.mark.parametrize(("measured", "asked"), [("cuda", "cuda:0"), ("cuda:0", "cuda")])
def test_both_names_of_the_first_gpu_find_its_results(
    cli: Cli, workplace: Path, measured: str, asked: str
) -> None:
    own = {"device": measured}
    with RunWriter.create(workplace / "results", "20260101T000000Z-made", INFO) as writer:
        for result in make_series("one", SIZES, lambda n: 1e-7 * n**2, pass_="training", case=own):
            writer.append(result)
    done = cli("recommend", "--batch-size", "256", "--device", asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert "training on cuda (" in done.stdout
    other = cli("recommend", "--batch-size", "256", "--device", "cuda:1")
    assert other.returncode == 3
    assert "has no results for training on cuda:1" in other.stdout


def test_a_device_or_definition_that_does_not_exist_is_a_usage_error(
    cli: Cli, workplace: Path
) -> None:
    run = stored(workplace)
    for option, words in (
        (("--device", "gpu"), f"unknown device 'gpu'; run {run} has results on cpu"),
        (("--device", "cuda:banana"), "unknown device 'cuda:banana'"),
        (("--device", "cpu:1"), "unknown device 'cpu:1'"),
        (("--definition", ""), "unknown definition ''; known: torchcell, no-self, rank-n-contrast"),
        (("--definition", "torchcel"), "unknown definition 'torchcel' (did you mean 'torchcell'?)"),
    ):
        done = cli("recommend", "--batch-size", "128", *option)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
    done = cli("recommend", "--batch-size", "128", "--definition", "no-self")
    assert done.returncode == 3  # it exists, and the run has no results of it
