"""``supcr-bench run --executor ray`` on a cluster of two simulated machines."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.commands.conftest import Cli
from tests.deterministic import case_of, differences, rows_in
from tests.forked.start import Servers, use_servers
from tests.simulated_cluster import LOOPBACK, SimulatedCluster, simulated_cluster

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = pytest.mark.slow

SUITE = """
purpose = "Small enough for a test, with series enough for two machines."
implementations = ["broadcast", "rowsort"]

[axes]
embedding_size = 8

[[grid]]
batch_size = [4, 8]
nan_density = [0, 0.25]
dims = 1

[[grid]]
batch_size = 8
labels = "tied"

[budget]
time_limit = "60s"
sampling = "10ms"
memory_limit = "1GiB"
"""
ROWS = (2 * 2 + 1) * 2 * 2


AT_START = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"
"""Names a function that every process of Ray in which tasks run calls when it starts."""


@pytest.fixture(scope="module")
def two_machines(servers: Servers) -> Iterator[SimulatedCluster]:
    """A cluster whose machines fork their workers; Ray on this machine alone really starts them."""
    environment = {
        AT_START: f"{use_servers.__module__}.{use_servers.__name__}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **servers.environment(),
    }
    with simulated_cluster(2, environment) as made:
        yield made


@pytest.fixture
def suite(workplace: Path) -> str:
    (workplace / "spread.toml").write_text(SUITE)
    return "spread.toml"


@pytest.fixture(scope="module")
def run_here(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Path:
    """The suite as this machine alone runs it, but for the times, which are not compared."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "spread.toml").write_text(SUITE.replace("[[grid]]", "[[grid]]\ntimed = false"))
    done = servers.run_command(["run", "spread.toml", "--out", "r"], folder)
    assert done.returncode == 0, done.stderr
    return folder / "r"


OF_RAY = ("raylet", "gcs_server", "ray::", "site-packages/ray/", "simulated_cluster")
"""In the command of every process that takes part, but for the one that was typed."""


def listening_elsewhere(typed: int) -> list[str]:
    """Processes of Ray that other machines could reach, and the command of that number."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if process.pid != typed and not any(part in command for part in OF_RAY):
            continue
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue
        found += [
            f"{command[:80]} on {c.laddr.ip}"
            for c in connections
            if c.status == psutil.CONN_LISTEN and not c.laddr.ip.endswith(LOOPBACK)
        ]
    return found


def test_a_cluster_that_loses_a_machine_gives_the_cells_and_figures_of_this_machine(
    workplace: Path,
    suite: str,
    run_here: Path,
    two_machines: SimulatedCluster,
    servers: Servers,
) -> None:
    """Nothing is lost or doubled, and what has no noise is the same."""
    command = ["run", suite, "--out", "there", "--executor", f"ray:{two_machines.address}"]
    run = servers.start_command(command, workplace)
    before = 0
    with run.stdout:
        while run.poll() is None and before < 6:
            if list((workplace / "there").glob("*/measurements.jsonl")):
                before = len(rows_in(workplace / "there"))
            time.sleep(0.02)
        reachable = listening_elsewhere(run.pid)
        two_machines.kill_a_machine()
        said = run.stdout.read().decode()
    assert run.wait() == 0, said
    assert "2 cells at once" in " ".join(said.split())
    assert 6 <= before < ROWS
    assert not reachable
    here, there = rows_in(run_here), rows_in(workplace / "there")
    assert max(Counter(map(case_of, there)).values()) == 1
    assert len(here) == len(there) == ROWS
    assert {r["status"] for r in there} == {"measured"}
    assert differences(here, there) == []
    assert {r["machine"] for r in there} == {r["machine"] for r in here}


def test_a_run_with_labels_of_ones_own_is_gone_on_with_on_ray_and_back_here(
    cli: Cli, workplace: Path
) -> None:
    (workplace / "own.csv").write_text("y\n" + "\n".join(str(i * i % 7) for i in range(20)))
    options = ("-i", "rowsort", "--batch-size", "4,8", "--labels", "own.csv:y", "--out", "r")
    ran = cli("run", "tiny.toml", *options, "--time-limit", "60s")
    assert ran.returncode == 0, ran.stderr
    (file,) = (workplace / "r").glob("*/measurements.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    for executor in ("ray", "local"):
        file.write_text("".join(lines[:-3]))
        ran = cli("run", "--resume", "latest", "--out", "r", "--executor", executor)
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == "supcr-bench: note: labels are 20 rows of own.csv: y\n"
        assert "(raylet)" not in ran.stdout
        assert f"{len(lines) - 3} results are already stored" in ran.stdout
        rows = rows_in(workplace / "r")
        assert sorted(map(str, map(case_of, rows))) == sorted(
            str(case_of(json.loads(line))) for line in lines
        )
        assert [r["status"] for r in rows] == ["measured"] * 4
        assert {r["labels"].split(":")[0] for r in rows} == {"file"}
        assert len({r["machine"] for r in rows}) == 1
