"""The program that shows a failing case: it imports the subject, and runs as pasted."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from supcr_bench.values.implementation import Implementation
from supcr_bench.verification.diagnosis import WIDTH, snippet
from supcr_bench.verification.local_session import LocalSession
from tests.forked.start import Servers

OWN = """
import neighbour
from supcr_bench.verification.bugs.right import RightNoSelf

class Doubled(RightNoSelf):
    def forward(self, perturbed, intact, labels):
        loss, _ = super().forward(perturbed, intact, labels)
        return neighbour.TWO * loss

class Late(Doubled):
    def forward(self, perturbed, intact, labels):
        loss, parts = RightNoSelf.forward(self, perturbed, intact, labels)
        return {"parts": parts, "loss": loss * (2 if len(labels) > 40 else 1)}

class WithMethod:
    def compute(self, first, second, labels, tau):
        return {"loss": RightNoSelf(tau)(first, second, labels)[0] * 2}

def raises(perturbed, intact, labels, temperature=0.1):
    if len(labels) == 6:
        raise KeyError("epoch")
    return RightNoSelf(temperature)(perturbed, intact, labels)
"""


def written(name: str, definition: Definition = NO_SELF, subject: Any = None, **spec: Any) -> str:
    subject = subject or load(locate(name))
    session = LocalSession(subject, definition, only=())
    session.open()
    problem = session.context.problem(**{"n": 3, "d": 2, "dims": 1, "labels": "tied", **spec})
    return snippet(session.context, problem)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "neighbour.py").write_text("TWO = 2")
    for name in ("src/own_loss.py", "src/own-loss.py"):
        (tmp_path / name).write_text(OWN)
    return tmp_path


@pytest.mark.slow
def test_it_runs_as_pasted_however_the_subject_was_named(folder: Path, servers: Servers) -> None:
    """One process runs all, each from the start."""
    programs = [
        written("src/own_loss.py:Doubled"),
        written("src/own-loss.py:Doubled"),
        written("supcr_bench.verification.bugs.right:RightNoSelf", TORCHCELL),
        written("broadcast"),
        written("scan", TORCHCELL),
        written("src/own_loss.py:Late", n=50),
        written("src/own_loss.py:WithMethod.compute"),
    ]
    for program in programs:
        lines = program.splitlines()
        assert len(lines) <= 14, program
        assert max(map(len, lines)) <= WIDTH, program
    text = "\n".join(f"exec({program!r}, {{}})" for program in programs)
    done = servers.run_code(text, folder)
    assert done.returncode == 0, done.stderr
    shown = [re.fullmatch(r"(.*)=(.*); .* gives (.*)", x) for x in done.stdout.splitlines()]
    losses = [(float(x[2]), float(x[3])) for x in shown if x and x[1] == "loss.item()"]
    assert (len(losses), len(shown)) == (len(programs), 2 * len(programs))
    for i in (0, 1, 5, 6):
        assert losses[i][0] == pytest.approx(2 * losses[i][1])
    for i in (2, 3):
        assert losses[i][0] != pytest.approx(losses[i][1], rel=1e-3)
    assert losses[4][0] == pytest.approx(losses[4][1], rel=1e-3)


def test_of_a_single_view_one_tensor_is_written() -> None:
    single = replace(NO_SELF, name="single", views="single", call="features_single_view")

    def mine(features: Tensor, labels: Tensor) -> Tensor:
        return (features * labels).sum()

    text = written("", single, Implementation(name="mine", title="", source="", factory=mine))
    assert "second" not in text
    assert "the definition gives" in text


def test_on_another_device_the_program_computes_there(folder: Path) -> None:
    session = LocalSession(load(locate("src/own_loss.py:Doubled")), NO_SELF, only=())
    session.open()
    session.context.device = "meta"
    text = snippet(session.context, session.context.problem(n=3, d=2, dims=1))
    assert "first = first.detach().to('meta').requires_grad_()\n" in text
    assert "labels = labels.to('meta')\n" in text
    assert ").to('meta')(first" in text


def test_what_raises_says_so_beside_what_the_definition_gives(folder: Path) -> None:
    text = written("src/own_loss.py:raises", n=6)
    assert "loss = raises(first, second, labels, temperature=0.1)\n# It raises KeyError; " in text


def test_a_class_of_a_notebook_is_used_as_it_is() -> None:
    class Mine(nn.Module):
        def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
            return (perturbed * intact).sum() + 0 * labels.sum()

    subject = Implementation(name="Mine", title="", source="", factory=Mine)
    text = written("", subject=subject, n=2)
    assert text.startswith("import torch  # and Mine, as in your program\n")
    names: dict[str, Any] = {"Mine": Mine}
    exec(text, names)
    assert torch.is_tensor(names["loss"])


def test_special_numbers_and_types_are_written_as_code(folder: Path) -> None:
    session = LocalSession(load(locate("src/own_loss.py:Doubled")), NO_SELF, only=())
    session.open()
    problem = session.context.problem(n=3, d=2, dims=1, dtype="float64")
    problem.labels[0] = torch.nan
    text = snippet(session.context, problem)
    assert "labels = torch.tensor([[torch.nan], [" in text
    assert "dtype=torch.float64" in text
    compile(text, "snippet", "exec")
