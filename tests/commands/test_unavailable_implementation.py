"""An implementation that needs something that is not installed."""

import json
from pathlib import Path

import pytest

from supcr_bench import load
from tests.commands.conftest import Cli

pytestmark = pytest.mark.slow

NEEDY = "import a_package_that_nobody_has\nclass Loss:\n    pass\n"
SUITE = """
purpose = "One that is there and one that is not."
implementations = ["rowsort", "needy.py:Loss"]
[[grid]]
batch_size = 4
pass = "forward"
timed = false
"""
REASON = "needy.py:Loss cannot be imported: ModuleNotFoundError: No module named 'a_package"


@pytest.fixture(autouse=True)
def needy(workplace: Path) -> None:
    (workplace / "needy.py").write_text(NEEDY)
    (workplace / "needy.toml").write_text(SUITE)


def test_a_suite_leaves_it_out_and_says_why(cli: Cli, workplace: Path) -> None:
    done = cli("run", "needy.toml")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert said.count(f"Left out: {REASON}") == 2  # at the start, and among what was found
    run = load(next((workplace / "results").iterdir()))
    assert {r.implementation for r in run.results} == {"rowsort"}
    assert list(run.info["unavailable"]) == ["needy.py:Loss"]
    page = (workplace / "reports" / run.id / "index.html").read_text()
    assert "Left out: needy.py:Loss" in page

    again = cli("run", "needy.toml", "--resume", "latest")
    assert again.returncode == 0, again.stderr
    assert "Nothing was left to measure." in again.stdout
    assert json.loads((run.path / "run.json").read_text())["subjects"] == ["rowsort"]


def test_asked_for_by_name_it_has_to_be_there(cli: Cli, workplace: Path) -> None:
    done = cli("run", "needy.toml", "-i", "rowsort", "-i", "needy.py:Loss")
    assert done.returncode == 2
    assert REASON in done.stderr
    assert not (workplace / "results").exists()


def test_a_suite_of_nothing_else_cannot_be_run(cli: Cli, workplace: Path) -> None:
    (workplace / "needy.toml").write_text(SUITE.replace('"rowsort", ', ""))
    done = cli("run", "needy.toml")
    assert done.returncode == 2
    assert REASON in done.stderr


def test_a_mistake_in_its_own_imports_is_not_excused(cli: Cli, workplace: Path) -> None:
    (workplace / "needy.py").write_text("from supcr_bench.values import no_such_name\n")
    done = cli("run", "needy.toml")
    assert done.returncode == 2
    assert "no_such_name" in done.stderr
