"""Kinds of changes to a loss in somebody's package, each gated: exit status, figure and cause.

Only what is exact is here; times are simulated in ``make gate-simulation``.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.commands import gate_session
from supcr_bench.commands.app import app
from supcr_bench.gate.time_trial import TimeTrial
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.errors import UsageError
from tests.commands.recordings import MEASURE, PREFLIGHT, Recordings
from tests.gate.fake_sampler import FakeSampler
from tests.repository import Repository

pytestmark = pytest.mark.slow

LOSS = """
import torch
from torch import nn

from .ops import sims


class RankLoss(nn.Module):
    def __init__(self, temperature=0.1):
        super().__init__()
        self.temperature = temperature

    def forward(self, z1, z2, labels):
        y = labels.reshape(len(labels))
        n = len(y)
        d = (y[:, None] - y[None, :]).abs()
        off = ~torch.eye(n, dtype=torch.bool)
        cand = (d[:, None, :] >= d[:, :, None]) & off[:, None, :]
        loss = 0.0
        for z in (z1, z2):
            s = sims(z, self.temperature)
            den = s[:, None, :].masked_fill(~cand, -torch.inf).logsumexp(-1)
            loss = loss + torch.where(off, den - s, 0.0).sum() / (n * (n - 1))
        return loss
"""
OPS = """
import torch


def sims(z, temperature):
    z = torch.nn.functional.normalize(z, dim=1)
    return z @ z.T / temperature
"""
SUITE = """
purpose = "Exact figures of one loss."
definition = "no-self"
implementations = ["src/mylib/losses.py:RankLoss"]

[[grid]]
batch_size = [6, 12]
labels = "tied"
nan_density = 0
embedding_size = 8
timed = false

[budget]
threads = 1
"""
NAME, FILE, OPS_FILE = "src/mylib/losses.py:RankLoss", "src/mylib/losses.py", "src/mylib/ops.py"


@dataclass(frozen=True)
class Kind:
    """A change, and what the gate says of it.

    Attributes:
        change: what is done to the repository after its commit.
        status: the exit status.
        figure: a figure that got worse; all that did, where ``alone``.
        words: a part of the reason, of a note or of the error.
        name: the loss that is gated.
    """

    change: Callable[[Repository], object]
    status: int = 0
    figure: str | None = None
    words: str = ""
    name: str = NAME
    alone: bool = False


def edit(old: str, new: str, path: str = FILE) -> Callable[[Repository], None]:
    def change(repository: Repository) -> None:
        text = (repository.top / path).read_text()
        assert text.count(old) == 1
        repository.write(path, text.replace(old, new))

    return change


def moved(old: str, new: str) -> Callable[[Repository], None]:
    def change(repository: Repository) -> None:
        (repository.top / new).parent.mkdir(parents=True, exist_ok=True)
        repository.git("mv", old, new)

    return change


def written(path: str, text: str) -> Callable[[Repository], None]:
    return lambda repository: repository.write(path, text)


def several(*changes: Callable[[Repository], object]) -> Callable[[Repository], None]:
    def change(repository: Repository) -> None:
        for one in changes:
            one(repository)

    return change


LOOP = "torch.stack([row.logsumexp(-1) for row in s[:, None, :].masked_fill(~cand, -torch.inf)])"
DEN = "s[:, None, :].masked_fill(~cand, -torch.inf).logsumexp(-1)"
KINDS = {
    "nothing": Kind(lambda repository: None, words="no Python file in src/mylib/ has changed"),
    "nothing, in cases that it does not take": Kind(
        edit(
            "[budget]",
            "[[grid]]\nbatch_size = 6\ndims = 2\ntimed = false\n\n[budget]",
            "suite.toml",
        ),
        words="is not judged in 2 cases of the suite: takes labels of one dimension",
    ),
    "a comment": Kind(edit("loss = 0.0", "loss = 0.0  # of both views"), words="uncommitted"),
    "the module renamed": Kind(
        moved(FILE, "src/mylib/ranks.py"),
        words="was in src/mylib/losses.py at HEAD",
        name="src/mylib/ranks.py:RankLoss",
    ),
    "the module renamed, by its module": Kind(
        moved(FILE, "src/mylib/ranks.py"),
        words="was in src/mylib/losses.py at HEAD",
        name="mylib.ranks:RankLoss",
    ),
    "the package renamed": Kind(
        moved("src/mylib", "src/ranks"), name="src/ranks/losses.py:RankLoss"
    ),
    "a helper in another module": Kind(
        several(moved(OPS_FILE, "src/mylib/parts.py"), edit(".ops", ".parts"))
    ),
    "an import in the call": Kind(
        several(
            edit("from .ops import sims\n", ""),
            edit("loss = 0.0", "loss = 0.0\n        from .ops import sims"),
        )
    ),
    "a strict inequality": Kind(edit(" >= ", " > "), 1, "agreement", "became wrong"),
    "a detached denominator": Kind(edit("den - s", "den.detach() - s"), 1, "agreement", "gradient"),
    "another temperature within": Kind(
        edit("/ temperature", "/ temperature**2", OPS_FILE), 1, "agreement", "became wrong"
    ),
    "another default": Kind(
        edit("temperature=0.1", "temperature=0.07"),
        1,
        "default call",
        "the default of temperature was 0.1 and is 0.07",
        alone=True,
    ),
    "an argument renamed": Kind(
        several(edit("temperature=0.1", "tau=0.1"), edit("= temperature", "= tau")),
        1,
        "default call",
        "the argument temperature is gone",
        alone=True,
    ),
    "an argument more": Kind(edit("temperature=0.1", "temperature=0.1, verbose=False")),
    "an operation more": Kind(edit("den - s", "den + 0.0 - s"), 1, "launches", "by "),
    "an operation more in what is compiled": Kind(
        several(
            # One size: a function is compiled anew for what it has not seen.
            edit("[6, 12]", '6\npass = "training"', "suite.toml"),
            edit("def sims", '@torch.compile(backend="eager")\ndef sims', OPS_FILE),
            lambda repository: repository.commit(),
            edit("/ temperature", "/ temperature + 0.0", OPS_FILE),
        ),
        1,
        "launches",
        "by ",
    ),
    "a loop of Python": Kind(edit(DEN, LOOP), 1, "launches", "dispatched operations grew"),
    "a loop that no operation shows": Kind(
        edit("loss = 0.0", "loss = 0.0\n        self.seen = sum(i * i for i in range(200))"),
        1,
        "python_instructions",
        "Python instructions grew from",
        alone=True,
    ),
    "a check of the inputs": Kind(edit("n = len(y)", "n = len(y)\n        assert n > 1")),
    "a copy kept": Kind(
        edit("loss = 0.0", "loss = 0.0\n        self.kept = cand.double()"),
        1,
        "peak memory",
        "grew",
    ),
    "an operation less": Kind(
        edit("y = labels.reshape(len(labels))", "y = labels[:, 0]"),
    ),
    "inputs changed in place": Kind(
        edit("loss = 0.0", "loss = 0.0\n        labels.mul_(2)"),
        1,
        "agreement",
        "changed its inputs",
    ),
    "an error for larger batches": Kind(
        edit("n = len(y)", "n = len(y)\n        assert n < 10, 'too large'"),
        1,
        "agreement",
        "too large",
    ),
    "an import that fails": Kind(
        edit(".ops", ".nowhere"), 1, "agreement", "cannot be imported", alone=True
    ),
    "a loss that is new": Kind(
        written("src/mylib/more.py", LOSS), 0, words="is new since HEAD", name="mylib.more:RankLoss"
    ),
    "a loss that is new and wrong": Kind(
        written("src/mylib/more.py", LOSS.replace(" >= ", " > ")),
        1,
        "agreement",
        "new, and",
        name="mylib.more:RankLoss",
    ),
    "the loss deleted": Kind(
        lambda repository: repository.git("rm", "--quiet", FILE), 2, words="no file"
    ),
    "a file that git ignores": Kind(
        several(
            written(".gitignore", "own.py\n"), written("own.py", LOSS.replace("from .", "from "))
        ),
        2,
        words="git ignores own.py",
        name="own.py:RankLoss",
    ),
}


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings()


@pytest.fixture
def version_before_is_recalled(recordings: Recordings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version before is measured once where it is the same; that after a change always is."""

    def recalled(subjects: Sequence[Subject]) -> bool:
        return all("before" in Path(str(subject.root)).parts for subject in subjects)

    def preflight(executor: LocalExecutor, subjects: Sequence[Subject], device: str) -> Any:
        once = recordings.preflight if recalled(subjects) else PREFLIGHT
        return once(executor, subjects, device)

    def measure(plan: Any, executor: LocalExecutor, subjects: Any, *rest: Any, **how: Any) -> Any:
        once = recordings.measure if recalled(subjects) else MEASURE
        return once(plan, executor, subjects, *rest, **how)

    monkeypatch.setattr(LocalExecutor, "preflight", preflight)
    monkeypatch.setattr(gate_session, "run_verified", measure)


@pytest.mark.usefixtures("version_before_is_recalled")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_of_change_has_its_status_its_figure_and_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: Kind
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    sampler = FakeSampler()
    monkeypatch.setattr(
        gate_session,
        "TimeTrial",
        lambda cells, rule, _, budget_s: TimeTrial(cells, rule, sampler, budget_s, sampler.clock),
    )
    repository = Repository(tmp_path / "project")
    files = {FILE: LOSS, OPS_FILE: OPS, "src/mylib/__init__.py": "", "suite.toml": SUITE}
    for path, text in files.items():
        repository.write(path, text)
    repository.commit()
    kind.change(repository)
    report = tmp_path / "gate.json"
    arguments = ["gate", "suite.toml", "--against", "HEAD", "-i", kind.name, "--json", str(report)]
    try:
        status = app(arguments, standalone_mode=False) or 0
    except UsageError as error:
        assert (error.exit_status, kind.words in str(error)) == (kind.status, True), error
        return
    found = json.loads(report.read_text())
    assert not any("takes labels of one" in str(j["reason"]) for j in found["judgements"])
    worse = [j for j in found["judgements"] if j["ruling"] == "regression"]
    assert status == kind.status, capsys.readouterr().out
    figures = {j["figure"] for j in worse}
    assert (
        (figures == {kind.figure})
        if kind.alone
        else (kind.figure is None or kind.figure in figures)
    )
    assert bool(figures) is (kind.figure is not None)
    texts = [*found["notes"], *(str(j["reason"]) for j in worse if j["figure"] == kind.figure)]
    assert any(kind.words in text for text in texts) or not kind.words, texts
