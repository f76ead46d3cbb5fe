"""``supcr-bench verify``."""

import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from supcr_bench.commands import self_test as self_test_command
from supcr_bench.verification.bugs.catalogue import BUGS, RIGHT, SelfTestRow
from supcr_bench.verification.local_session import LocalSession
from tests.commands.conftest import Cli, WithChecks
from tests.studies import false_alarms

pytestmark = pytest.mark.slow

OWN = '''
import torch
from torch import nn


class Own(nn.Module):
    """Written by a person, with the rule of the paper."""

    def __init__(self, tau=0.1):
        super().__init__()
        self.tau = tau

    def one(self, view, y):
        unit = nn.functional.normalize(view, dim=1)
        s = unit @ unit.T / self.tau
        off = ~torch.eye(len(y), dtype=torch.bool)
        delta = (y[:, None] - y[None, :]).abs()
        keep = (delta[:, None, :] >= delta[:, :, None]) & off[:, None, :]
        contrast = torch.logsumexp(s[:, None, :].masked_fill(~keep, -torch.inf), dim=2)
        return (contrast - s)[off].mean()

    def forward(self, perturbed, intact, labels):
        losses = []
        for c in range(labels.shape[1]):
            rows = ~torch.isnan(labels[:, c])
            if rows.sum() < 2:
                losses.append((perturbed * 0).nan_to_num().sum())
                continue
            y = labels[rows, c]
            losses.append(self.one(perturbed[rows], y) + self.one(intact[rows], y))
        losses = torch.stack(losses)
        return losses.mean(), losses


class Official(nn.Module):
    """With the official call."""

    def __init__(self, temperature=2.0):
        super().__init__()
        self.t = temperature

    def forward(self, features, labels):
        x = torch.cat(features.unbind(1))
        y = labels.repeat(2, 1)
        n = len(x)
        off = ~torch.eye(n, dtype=torch.bool)
        s = -(x[:, None] - x[None, :]).norm(dim=2) / self.t
        delta = (y[:, None] - y[None, :]).abs().sum(2)
        keep = (delta[:, None, :] >= delta[:, :, None]) & off[:, None, :]
        contrast = torch.logsumexp(s[:, None, :].masked_fill(~keep, -torch.inf), dim=2)
        return (contrast - s)[off].mean()
'''


SUMMED = """
from torch import nn
from supcr_bench.implementations._scan import ScanSupCR


class Own(nn.Module):
    def __init__(self, tau=0.1):
        super().__init__()
        self.loss = ScanSupCR(tau, definition="no-self")

    def forward(self, perturbed, intact, labels):
        return self.loss(perturbed, intact, labels)
"""


def test_a_loss_that_needs_no_wrapper_gets_none(with_checks: WithChecks, workplace: Path) -> None:
    done = with_checks(("random cases",), "-i", "broadcast", "--wrapper", "new.py")
    assert done.exit_code == 0, done.output
    assert "new.py not written: there is nothing to wrap." in done.stdout
    assert not (workplace / "new.py").exists()


def test_the_notes_are_right_by_their_definition_and_not_by_no_self(
    with_checks: WithChecks, workplace: Path
) -> None:
    """All checks are made of them in ``tests/verification/test_local_session.py``."""
    only = ("random cases", "all labels missing", "default weights", "low temperature")
    done = with_checks(only, "broadcast", "rowsort", "--json", "found.json")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(
        "broadcast is right: torchcell; called as (perturbed, intact, labels) with 1 to 3 label"
    )
    assert "\nNot robust: all labels missing, default weights and low temperature" in done.stdout
    found = json.loads((workplace / "found.json").read_text())
    assert [v["implementation"] for v in found] == ["broadcast", "rowsort"]
    outcome = next(o for o in found[0]["outcomes"] if o["check"] == "random cases")
    assert 0 < outcome["tolerances"] < 1
    assert outcome["bound"] > outcome["error"] > 0

    no_self = with_checks(("two rows", "ties"), "broadcast", "--definition", "no-self")
    assert no_self.exit_code == 1
    assert "broadcast is not right: no-self, but 1 of 2 checks failed: ties" in no_self.stdout


def test_a_persons_own_file_is_verified_with_no_preparation(
    with_checks: WithChecks, workplace: Path
) -> None:
    (workplace / "own.py").write_text(OWN)
    only = ("random cases", "ties", "missing labels", "non-finite inputs")
    done = with_checks(only, "own.py:Own")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("own.py:Own is right: no-self")
    assert len(done.stdout.splitlines()) <= 25


def test_what_is_not_robust_fails_where_that_is_asked(with_checks: WithChecks) -> None:
    only = ("low temperature", "two rows")
    assert with_checks(only, "broadcast").exit_code == 0
    strict = with_checks(only, "broadcast", "--strict")
    assert strict.exit_code == 1
    assert "At fault: low temperature: the loss is nan" in strict.stdout


def test_another_call_is_verified_by_a_definition_that_is_named(
    with_checks: WithChecks, workplace: Path
) -> None:
    (workplace / "own.py").write_text(OWN)
    only = ("random cases", "ties", "strides", "gradcheck")
    official = with_checks(only, "own.py:Official", "--definition", "rank-n-contrast")
    assert official.exit_code == 0, official.output
    assert "own.py:Official is right: rank-n-contrast" in official.stdout
    assert "Checks: 4 passed." in official.stdout


def test_a_definition_of_ones_own_comes_from_a_suite_file(
    with_checks: WithChecks, workplace: Path
) -> None:
    (workplace / "own.py").write_text(SUMMED)
    with (workplace / "tiny.toml").open("a") as file:
        file.write('\n[definitions.averaged]\nbase = "no-self"\nviews = "mean"\n')
    arguments = ["--definition", "averaged", "--suite", "tiny.toml"]
    done = with_checks(("ties",), "own.py:Own", *arguments, diagnosed=True)
    assert done.exit_code == 1
    assert "own.py:Own is not right: averaged, but the views' losses summed" in done.stdout
    assert "labels = torch.tensor(" in done.stdout


def test_over_ranks_those_made_for_it_are_verified_and_a_fault_is_named(
    with_checks: WithChecks, workplace: Path
) -> None:
    """All checks are made in ``tests/workers/test_rank_verification.py``."""
    only = ("step under DDP",)
    right = with_checks(only, "--ranks", "2", "--json", "found.json")
    assert right.exit_code == 0, right.output
    assert "distributed over 2 ranks is right: torchcell; called as" in right.stdout
    (found,) = json.loads((workplace / "found.json").read_text())
    assert (found["implementation"], found["ranks"], found["passed"]) == ("distributed", 2, True)

    bug = "supcr_bench.verification.bugs.across_ranks:PlainAllGather"
    wrong = with_checks(only, bug, "--ranks", "2", "--definition", "torchcell")
    assert wrong.exit_code == 1
    assert "is not right: torchcell, but no gradient reaches the embeddings" in wrong.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ranks", "1"], "greater than or equal to 2"),
        (["lopy"], "did you mean 'loopy'?"),
        (["--ranks", "9999"], "less than or equal to 100"),
        (["loopy", "--device", "cuda:banana"], "--device: 'cuda:banana' is not valid; use names"),
        (["loopy", "--device", "warp"], "no device 'warp' on this machine; available: cpu"),
        (["loopy", "--ranks", "2", "--device", "cuda"], "leave out --device cuda"),
        (["loopy", "--self-test"], "--self-test verifies seeded bugs: leave out implementations"),
        (["loopy", "--definition", "no-slf"], "did you mean 'no-self'?"),
        (["loopy", "--definition", "paper"], "'paper' is now called 'no-self'"),
        (["loopy", "--definition", "mine", "--suite", "nowhere.toml"], "no suite file"),
    ],
)
def test_usage_errors_are_one_line(cli: Cli, arguments: list[str], words: str) -> None:
    done = cli("verify", *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_self_test_counts_what_is_caught_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [
        SelfTestRow(
            bug=f"bug {i}",
            group="definition",
            caught_by=("ties",) if i else (),
            nameable="a fault",
            diagnosed=("a fault",) if i > 1 else (),
            left_out=0,
        )
        for i in range(3)
    ]
    monkeypatch.setattr(self_test_command, "verified_bugs", lambda ranks, seed: iter(rows))
    console = Console(record=True, width=100)
    file = tmp_path / "self-test.json"
    assert self_test_command.run_seeded_bugs(file, console=console) is False
    text = console.export_text()
    assert (
        "2 of 3 seeded bugs caught; 1 of 3 that have a known cause were diagnosed correctly."
        in text
    )
    assert "MISSED" in text
    assert len(json.loads(file.read_text())) == 3
    monkeypatch.setattr(self_test_command, "verified_bugs", lambda ranks, seed: iter(rows[2:]))
    assert self_test_command.run_seeded_bugs(None, console=console) is True
    assert len(BUGS) >= 25

    monkeypatch.setattr(self_test_command, "verified_bugs", lambda ranks, seed: iter(rows[2:]))
    assert self_test_command.run_seeded_bugs(None, ranks=3, console=console) is True
    assert "Seeded bugs over 3 ranks" in console.export_text()


def test_right_implementations_raise_no_alarm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one that is right and of one of the note's; `make false-alarms` takes all of them."""
    monkeypatch.setattr(false_alarms, "RIGHT", RIGHT[:1])
    monkeypatch.setattr(false_alarms, "ROBUST", ())
    monkeypatch.setattr(false_alarms, "NOT_ROBUST", ("broadcast",))
    few = partial(LocalSession, only=("random cases", "low temperature"))
    monkeypatch.setattr(false_alarms, "LocalSession", few)
    assert false_alarms.false_alarms(seed=3) == []
    for name, own in (("RIGHT", ()), ("NOT_ROBUST", ()), ("ROBUST", ("broadcast",))):
        monkeypatch.setattr(false_alarms, name, own)
    (alarm,) = false_alarms.false_alarms(seed=3)
    assert alarm.startswith("broadcast, low temperature: the loss is nan")
    monkeypatch.setattr("sys.argv", ["false_alarms", "2"])
    monkeypatch.setattr(false_alarms, "false_alarms", lambda seed: ["x"] * seed)
    assert false_alarms.main() == 1
    assert "1 false alarms over 2 seeds" in capsys.readouterr().out
