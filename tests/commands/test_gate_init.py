"""``gate --init`` in the repository of somebody who has never heard of this package."""

import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from supcr_bench.commands import gate_init, gate_session
from supcr_bench.commands.app import app
from supcr_bench.store.checkout import Checkout
from supcr_bench.values.errors import UsageError
from tests.repository import Repository

LOSSES = """
import torch


class MyRankLoss(torch.nn.Module):
    pass


def contrast_loss(z, y):
    return z


def _hidden_loss(z, y):
    return z


def train(model):
    pass
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(tmp_path)
    own = Repository(tmp_path)
    own.write("src/mine/losses.py", LOSSES)
    own.write("tests/test_losses.py", "class TestLoss:\n    pass\n")
    own.write("broken.py", "def loss(:\n")
    own.commit()
    return own


def test_candidates_are_public_and_outside_of_tests(repository):
    found = list(gate_init.candidates(Checkout(repository.top / "file")))
    names = [name.rpartition(":")[2] for name in found]
    assert names == ["MyRankLoss", "contrast_loss"]
    assert all(name.startswith("src/mine/losses.py:") for name in found)


def test_it_writes_what_it_will_check_once(repository, monkeypatch, capsys):
    name = "src/mine/losses.py:MyRankLoss"
    other = {"src/mine/losses.py:contrast_loss": "returned no scalar"}
    monkeypatch.setattr(gate_init, "find_losses", lambda names: ({name: "no-self"}, other))
    gate_init.set_up(Console())
    said = " ".join(capsys.readouterr().out.split())
    suite = tomllib.loads(Path("supcr-gate.toml").read_text())
    assert suite["implementations"] == [name]
    assert [grid["nan_density"] for grid in suite["grid"]] == [0, 0.2, 0]
    assert "gate supcr-gate.toml --against HEAD^1" in gate_init.WORKFLOW.read_text()
    assert "values and gradients by no-self" in said
    assert "Left out: src/mine/losses.py:contrast_loss: returned no scalar" in said
    with pytest.raises(UsageError, match=r"supcr-gate\.toml exists"):
        gate_init.set_up(Console())


def test_it_says_that_it_wrote_only_what_it_wrote(repository, monkeypatch, capsys):
    monkeypatch.setattr(gate_init, "find_losses", lambda names: ({"src/mine/a.py:A": "x"}, {}))
    repository.write(str(gate_init.WORKFLOW), "on: push\n")
    gate_init.set_up(Console())
    assert "Wrote supcr-gate.toml. In each" in " ".join(capsys.readouterr().out.split())
    assert gate_init.WORKFLOW.read_text() == "on: push\n"


def test_the_baseline_of_that_suite_is_recorded_then(repository, monkeypatch):
    name = "src/mine/losses.py:MyRankLoss"
    recorded = []

    class Session:
        def __init__(self, console, work, terms):
            recorded.append((terms.suite, terms.implementations))

        def record(self, path):
            recorded.append(path)

        def close(self): ...

    monkeypatch.setattr(gate_init, "find_losses", lambda names: ({name: "no-self"}, {}))
    monkeypatch.setattr(gate_session, "GateSession", Session)
    app(["gate", "--init"], standalone_mode=False)
    assert recorded == [
        ("supcr-gate.toml", (name,)),
        Path("results/baselines/supcr-gate.json"),
    ]
    assert Path("results/baselines").is_dir()


def test_of_a_loss_that_knows_no_missing_labels_none_are_missing(repository, monkeypatch):
    losses = {"a.py:Loss": "rank-n-contrast"}
    monkeypatch.setattr(gate_init, "find_losses", lambda names: (losses, {}))
    gate_init.set_up(Console())
    suite = tomllib.loads(Path("supcr-gate.toml").read_text())
    assert [grid["nan_density"] for grid in suite["grid"]] == [0, 0, 0]


def test_without_a_loss_it_says_how_to_name_one(repository, monkeypatch):
    monkeypatch.setattr(gate_init, "find_losses", lambda names: ({}, {}))
    with pytest.raises(UsageError, match=r"no loss of the family among 2 .*-i path/to/file"):
        gate_init.set_up(Console())


def test_outside_of_a_checkout_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"is not a git checkout.*begin with `git init`"):
        gate_init.set_up(Console())
