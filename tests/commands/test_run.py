"""``supcr-bench run`` from end to end, on real tensors and real worker processes."""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import supcr_bench
from supcr_bench.render.terminal import MOST_LINES
from supcr_bench.values.result import Status
from tests.commands.conftest import Cli, FinishedRun
from tests.commands.time_lines import took_holds
from tests.forked.start import Servers
from tests.patience import HANGS_S

pytestmark = pytest.mark.slow


def only_run(folder: Path) -> Path:
    (run,) = folder.iterdir()
    return run


def rows_of(run: Path) -> list[dict[str, Any]]:
    lines = (run / "measurements.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def keys_of(run: Path) -> list[tuple[Any, ...]]:
    columns = ("implementation", "pass", "batch_size", "labels")
    return [tuple(row[c] for c in columns) for row in rows_of(run)]


def test_a_run_measures_shows_and_writes_everything(cli: Cli, tiny_run: FinishedRun) -> None:
    done = tiny_run.done
    assert done.returncode == 0, done.stderr
    for words in (
        "[1/3] N=4 D=2 NaN 25%",
        "Right or not\n  Right: broadcast and rowsort, in all 12 answers (torchcell).",
        "What to use",
        "in measured calls, reference and inputs",
    ):
        assert words in done.stdout

    path = tiny_run.path
    run = supcr_bench.load(path)
    assert len(run.results) == len(run.frame) == 3 * 2 * 2
    assert {r.status for r in run.results} == {Status.MEASURED}
    assert all(r.time_samples_s and r.peak_bytes for r in run.results)
    assert all(r.value_tolerances is not None and r.value_tolerances <= 1 for r in run.results)
    training = [r for r in run.results if r.case.pass_ == "training"]
    assert all(r.gradient_tolerances is not None for r in training)
    assert all(set(r.value_difference or ()) for r in run.results)
    assert run.environment["torch"] and run.environment["threads"] >= 1
    assert run.info["schema_version"] == 1
    assert run.info["finished_at"] is not None
    assert run.info["accounting"]["calls_s"] > 0
    took = done.stdout[done.stdout.index("Took    ") :].split()
    assert took_holds(" ".join(took[1:]), run.info["accounting"])

    cost = pd.read_csv(path / "tables" / "cost.csv")
    assert len(cost) == len(run.results)
    # One chart of five is drawn; tests/render/test_charts.py has all.
    assert {p.name for p in (path / "plots").iterdir()} == {"time-1.svg", "time-1.png"}
    page = (tiny_run.folder / "reports" / path.name / "index.html").read_text()
    assert "<svg" in page and "http://" not in page.replace("http://www.w3.org", "")

    again = cli("report", str(path), "--verbose")
    assert again.returncode == 0
    answer = done.stdout[done.stdout.index("Right or not") : done.stdout.index("Results ")]
    assert len(answer.splitlines()) < MOST_LINES
    assert answer in again.stdout
    for words in (
        "Agreement with the definition torchcell",
        "Time per call, forward",
        "Time per call, training",
        "Peak memory, forward",
        "Crossovers",
    ):
        assert words in again.stdout
        assert words not in done.stdout


def test_axes_and_implementations_of_the_command_line_replace_the_suites(
    cli: Cli, workplace: Path
) -> None:
    done = cli(
        "run",
        "tiny.toml",
        *("-i", "rowsort", "-i", "broadcast"),
        *("--batch-size", "5", "--dims", "1", "--nan-density", "0", "--pass", "forward"),
        *("--set", "temperature=0.2", "--set", "embedding_size=4", "--definition", "no-self"),
        *("--seed", "7", "--out", "elsewhere"),
    )
    assert done.returncode == 1, done.stderr  # tied labels tell the definitions apart
    path = only_run(workplace / "elsewhere")
    rows = rows_of(path)
    assert {(r["temperature"], r["embedding_size"]) for r in rows} == {(0.2, 4)}
    assert {(r["definition"], r["labels"], r["status"]) for r in rows} == {
        ("no-self", "continuous", "measured"),
        ("no-self", "tied", "wrong"),
    }
    assert {r["implementation"] for r in rows} == {"rowsort", "broadcast"}
    assert {(r["batch_size"], r["dims"], r["nan_density"], r["seed"]) for r in rows} == {
        (5, 1, 0.0, 7)
    }
    assert {r["pass"] for r in rows} == {"forward"}
    assert (path / "index.html").exists()
    assert not (workplace / "reports").exists()


def test_what_goes_wrong_while_running_is_a_row_and_the_sweep_goes_on(
    cli: Cli, workplace: Path
) -> None:
    names = ("Wrong", "Raises", "Hangs", "Crashes")
    arguments = [word for name in names for word in ("-i", f"losses.py:{name}")]
    # Nothing is recognised.
    options = ("--time-limit", "2s", "--definition", "torchcell", "--pass", "training")
    done = cli("run", "tiny.toml", *arguments, "-i", "broadcast", *options)
    assert done.returncode == 1
    run = supcr_bench.load(only_run(workplace / "results"))
    assert len({r.key for r in run.results}) == len(run.results) == 5 * 3

    def statuses(name: str) -> set[Status]:
        return {r.status for r in run.results if r.implementation == name}

    assert statuses("losses.py:Wrong") == {Status.WRONG}
    assert statuses("losses.py:Raises") == {Status.FAILED}
    assert statuses("losses.py:Hangs") == {Status.WRONG, Status.TIMED_OUT}
    assert statuses("losses.py:Crashes") == {Status.WRONG, Status.FAILED}
    # On a busy machine, the first calls may foretell that the largest take too long.
    own = [r for r in run.results if r.implementation == "broadcast"]
    assert {r.status for r in own if " predicted (" not in (r.reason or "")} == {Status.MEASURED}
    reasons = " ".join(r.reason or "" for r in run.results)
    assert "SIGSEGV" in reasons
    assert "a call took over 2.00 s" in reasons
    # Text from an implementation is text, on the terminal and on the page.
    assert "[red]broken[/red] <b>here</b>" in done.stdout
    page = (workplace / "reports" / run.id / "index.html").read_text()
    assert "&lt;b&gt;here&lt;/b&gt;" in page
    assert "<b>here</b>" not in page


def test_running_out_of_memory_is_a_row_in_seconds(cli: Cli, workplace: Path) -> None:
    done = cli(
        "run",
        "tiny.toml",
        *("-i", "broadcast", "--batch-size", "2048", "--memory-limit", "1GiB"),
    )
    assert done.returncode == 3, done.stderr
    assert "Nothing was measured within the limits" in done.stdout
    rows = rows_of(only_run(workplace / "results"))
    assert {r["status"] for r in rows} == {"out_of_memory"}
    assert all("allocation of" in r["reason"] for r in rows)


def test_a_run_killed_at_any_moment_goes_on_and_measures_nothing_twice(
    cli: Cli, workplace: Path, servers: Servers, tiny_run: FinishedRun
) -> None:
    names = {"broadcast", "rowsort"}
    chosen = [part for name in sorted(names) for part in ("-i", name)]
    arguments = ["run", "tiny.toml", *chosen, "--pass", "training", "--out", "killed"]
    # Before the first result, after one, with a half-written line left behind, and after more.
    for kill, at_least in enumerate((0, 1, 3)):
        process = servers.start_command(arguments, workplace)
        wait_for_lines(workplace / "killed", at_least, process)
        children = [p.pid for p in psutil.Process(process.pid).children()]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        wait_for_end(children)
        file = only_run(workplace / "killed") / "measurements.jsonl"
        if kill % 2:
            with file.open("ab") as f:
                f.write(b'{"implementation": "loopy", "batch_si')
        if kill == 0:
            arguments += ["--resume", "latest"]
    last = cli(*arguments)
    assert last.returncode == 0, last.stderr
    killed = keys_of(only_run(workplace / "killed"))
    assert len(set(killed)) == len(killed)
    wanted = (key for key in keys_of(tiny_run.path) if key[1] == "training")
    assert set(killed) == {key for key in wanted if key[0] in names}


def wait_for_lines(folder: Path, count: int, process: Any) -> None:
    """Until that many results are stored, or the run has ended by itself."""
    while process.poll() is None:
        for file in folder.glob("*/run.json"):
            if file.with_name("measurements.jsonl").read_bytes().count(b"\n") >= count:
                return
        time.sleep(0.01)


def wait_for_end(pids: list[int]) -> None:
    """A worker whose parent was killed ends by itself."""
    _, alive = psutil.wait_procs([psutil.Process(p) for p in pids if psutil.pid_exists(p)], HANGS_S)
    assert not alive


def test_a_run_over_processes_goes_on_in_the_process_that_it_had_reached(
    cli: Cli, workplace: Path
) -> None:
    options = ("-i", "broadcast", "--batch-size", "4", "--pass", "forward", "--processes", "3")
    alike = ("--dims", "1", "--nan-density", "0", "--set", "labels=tied")  # both grids are one
    done = cli("run", "tiny.toml", *options, *alike, "--out", "r")
    assert done.returncode == 0, done.stderr
    assert ", process 3 (about " in done.stdout
    path = only_run(workplace / "r")
    whole = supcr_bench.load(path)
    assert {len(result.processes) for result in whole.results} == {3}
    assert set(whole.frame["time_s"]) == {result.time_s for result in whole.results}
    assert supcr_bench.load(path / "index.html").results == whole.results
    file = path / "measurements.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    done = cli("run", "--resume", str(path))
    assert done.returncode == 0, done.stderr
    assert ", process 2" not in done.stdout
    assert len(rows_of(path)) == len(lines) == 3 * len(whole.results)
    assert {len(result.processes) for result in supcr_bench.load(path).results} == {3}


def test_a_run_is_not_continued_under_other_options(cli: Cli, run_here: Path) -> None:
    Path(run_here.parents[1] / "own.csv").write_text("y\n" + "".join(f"{i}\n" for i in range(20)))
    for given, options in (
        (("--batch-size", "5"), "--batch-size"),
        (("-i", "scan", "--seed", "3"), "--implementation, --seed"),
        (("--set", "temperature=0.5", "--time-limit", "3s"), "--set temperature, --time-limit"),
        (("--set", "labels=tied"), "--set labels"),
        (("--labels", "own.csv:y"), "--labels"),
    ):
        for suite in ([], ["tiny.toml"]):  # that of the run is meant if none is named
            done = cli("run", *suite, *given, "--resume", "latest")
            assert done.returncode == 2
            said = re.search(r"was begun with other options \((.*?)\)", done.stderr)
            assert said is not None, done.stderr
            assert sorted(said[1].split(", ")) == sorted(options.split(", "))
    done = cli("run", "quick", "--resume", "latest")
    assert "begun with other options (SUITE, " in done.stderr
    file = run_here / "measurements.jsonl"
    whole = keys_of(run_here)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-2]))
    done = cli("run", "--resume", "latest")
    assert done.returncode == 0
    assert f"Continuing results/{run_here.name}: 10 results are already stored" in done.stdout
    assert set(keys_of(run_here)) == set(whole)


def test_a_run_is_not_continued_on_another_machine(cli: Cli, run_here: Path) -> None:
    file = run_here / "run.json"
    info = json.loads(file.read_text())
    for key, then, words in (
        ("torch", "1.0.0", "begun with torch 1.0.0, and this machine has "),
        ("cpus_usable", 99, "begun with cpus usable 99, and this machine has "),
        ("accelerators", [{"name": "A GPU"}], "begun with accelerators A GPU, and this machine"),
    ):
        other = {**info, "environment": {**info["environment"], key: then}}
        file.write_text(json.dumps(other))
        done = cli("run", "--resume", "latest")
        assert done.returncode == 2
        assert words in done.stderr


def test_a_run_says_that_a_definition_does_not_support_the_missing_labels_of_a_file(
    cli: Cli, workplace: Path
) -> None:
    (workplace / "own.csv").write_text("y\n" + "".join(f"{i}\nNaN\n" for i in range(20)))
    options = ("-i", "rnc-loop", "--batch-size", "12", "--pass", "forward")
    done = cli("run", "tiny.toml", "--labels", "own.csv:y", *options)
    assert done.returncode == 3, done.stderr
    why = "Nothing was measured: rank-n-contrast does not say what a missing label means."
    assert why in done.stdout


def test_labels_of_ones_own_keep_their_gaps_and_ties(cli: Cli, workplace: Path) -> None:
    (workplace / "own.csv").write_text(
        "name,growth,fitness\n"
        + "".join(f"g{i},{i % 3},{'' if i % 4 else i / 7}\n" for i in range(20))
    )
    options = ("-i", "broadcast", "-i", "rowsort", "--batch-size", "12", "--pass", "forward")
    done = cli("run", "tiny.toml", "--labels", "own.csv:growth,fitness", *options)
    assert done.returncode == 0, done.stderr
    rows = rows_of(only_run(workplace / "results"))
    assert {r["dims"] for r in rows} == {2}
    assert {r["nan_density"] for r in rows} == {None}
    assert {r["status"] for r in rows} == {"measured"}
    assert len({r["labels"] for r in rows}) == 1
    (workplace / "own.csv").write_text("growth,fitness\n" + "1,2\n" * 20)
    done = cli("run", "--resume", "latest")
    assert done.returncode == 2
    assert "has changed since the run began" in done.stderr
