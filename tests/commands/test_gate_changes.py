"""Kinds of changes to a loss in somebody's package, each gated: exit status, figure and cause.

Most are gated in one command, each in a package of its own: those that pass, and those that do not.
Only what is exact is here; times are simulated in ``make gate-simulation``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
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
implementations = ["{name}"]

[[grid]]
batch_size = 12
labels = "tied"
nan_density = 0
embedding_size = 8
timed = false

[budget]
threads = 1
"""
PACKAGE, FILE, OPS_FILE = "src/mylib", "losses.py", "ops.py"


class Package:
    """A package with a loss, in a repository that may have others."""

    def __init__(self, repository: Repository, folder: str) -> None:
        self.repository, self.folder = repository, folder
        for path, text in {FILE: LOSS, OPS_FILE: OPS, "__init__.py": ""}.items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        self.repository.write(f"{self.folder}/{path}", text)

    def name(self, kind: "Kind") -> str:
        """The loss that is gated."""
        return kind.name.format(folder=self.folder, module=Path(self.folder).name)


@dataclass(frozen=True)
class Kind:
    """A change, and what the gate says of it.

    Attributes:
        change: what is done to the package after its commit.
        status: the exit status.
        figure: a figure that got worse; all that did, where ``alone``.
        words: a part of the reason, of a note or of the error.
        name: the loss that is gated.
    """

    change: Callable[[Package], object]
    status: int = 0
    figure: str | None = None
    words: str = ""
    name: str = "{folder}/losses.py:RankLoss"
    alone: bool = False


Change = Callable[[Package], None]


def edit(old: str, new: str, path: str = FILE) -> Change:
    def change(package: Package) -> None:
        text = (package.repository.top / package.folder / path).read_text()
        assert text.count(old) == 1
        package.write(path, text.replace(old, new))

    return change


def moved(old: str, new: str) -> Change:
    def change(package: Package) -> None:
        old_path, new_path = (f"{package.folder}/{path}" for path in (old, new))
        package.repository.git("mv", old_path, new_path)

    return change


def written(path: str, text: str) -> Change:
    return lambda package: package.write(path, text)


def several(*changes: Callable[[Package], object]) -> Change:
    def change(package: Package) -> None:
        for one in changes:
            one(package)

    return change


LOOP = "torch.stack([row.logsumexp(-1) for row in s[:, None, :].masked_fill(~cand, -torch.inf)])"
DEN = "s[:, None, :].masked_fill(~cand, -torch.inf).logsumexp(-1)"
ALONE = {
    "nothing": Kind(lambda package: None, words="no Python file in src/mylib/ has changed"),
    "nothing, in cases that it does not take": Kind(
        edit(
            "[budget]",
            "[[grid]]\nbatch_size = 6\ndims = 2\ntimed = false\n\n[budget]",
            "../../suite.toml",
        ),
        words="is not judged in 2 cases of the suite: takes labels of one dimension",
    ),
    "the module renamed": Kind(
        moved(FILE, "ranks.py"),
        words="was in src/mylib/losses.py at HEAD",
        name="{folder}/ranks.py:RankLoss",
    ),
    "the module renamed, by its module": Kind(
        moved(FILE, "ranks.py"),
        words="was in src/mylib/losses.py at HEAD",
        name="{module}.ranks:RankLoss",
    ),
    "the package renamed": Kind(moved("", "../ranks"), name="src/ranks/losses.py:RankLoss"),
    "an operation more in what is compiled": Kind(
        several(
            # One size: a function is compiled anew for what it has not seen.
            edit("size = 12", 'size = 6\npass = "training"', "../../suite.toml"),
            edit("def sims", '@torch.compile(backend="eager")\ndef sims', OPS_FILE),
            lambda package: package.repository.commit(),
            edit("/ temperature", "/ temperature + 0.0", OPS_FILE),
        ),
        1,
        "launches",
        "by ",
    ),
    "the loss deleted": Kind(
        lambda package: package.repository.git("rm", "--quiet", f"{package.folder}/{FILE}"),
        2,
        words="no file",
    ),
    "a file that git ignores": Kind(
        several(
            written("../../.gitignore", "own.py\n"),
            written("../../own.py", LOSS.replace("from .", "from ")),
        ),
        2,
        words="git ignores own.py",
        name="own.py:RankLoss",
    ),
}
"""Changes that are found in the history of all files, or of what else a command asks for."""
TOGETHER = {
    "a comment": Kind(edit("loss = 0.0", "loss = 0.0  # of both views"), words="uncommitted"),
    "a helper in another module": Kind(
        several(moved(OPS_FILE, "parts.py"), edit(".ops", ".parts"))
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
        written("more.py", LOSS), 0, words="is new since HEAD", name="{module}.more:RankLoss"
    ),
    "a loss that is new and wrong": Kind(
        written("more.py", LOSS.replace(" >= ", " > ")),
        1,
        "agreement",
        "new, and",
        name="{module}.more:RankLoss",
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


def gate(folder: Path, kinds: Sequence[Kind]) -> tuple[int, dict[str, Any], list[str]]:
    """Gate a loss of each kind: the exit status, what the JSON file says, and their names.

    Several are gated in training alone.
    """
    sampler = FakeSampler()
    (folder / "project").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "project")
        patch.setattr(
            gate_session,
            "TimeTrial",
            lambda cells, rule, _, budget_s: TimeTrial(
                cells, rule, sampler, budget_s, sampler.clock
            ),
        )
        repository = Repository(folder / "project")
        suite = SUITE.replace("{name}", f"{PACKAGE}/{FILE}:RankLoss")
        if len(kinds) > 1:
            suite = suite.replace("timed = false", 'timed = false\npass = "training"')
        repository.write("suite.toml", suite)
        folders = [f"{PACKAGE}_{number}" for number in range(1, len(kinds))]
        packages = [Package(repository, own) for own in (PACKAGE, *folders)]
        repository.commit()
        for package, kind in zip(packages, kinds, strict=True):
            kind.change(package)
        report = folder / "gate.json"
        names = [package.name(kind) for package, kind in zip(packages, kinds, strict=True)]
        arguments = [part for name in names for part in ("-i", name)]
        command = ["gate", "suite.toml", "--against", "HEAD", *arguments, "--json", str(report)]
        status = app(command, standalone_mode=False) or 0
    return status, json.loads(report.read_text()), names


def require(kind: Kind, judgements: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> None:
    """What the gate says of a loss is what it says of a change of that kind."""
    assert not any("takes labels of one" in str(j["reason"]) for j in judgements)
    worse = [j for j in judgements if j["ruling"] == "regression"]
    figures = {j["figure"] for j in worse}
    assert (
        (figures == {kind.figure})
        if kind.alone
        else (kind.figure is None or kind.figure in figures)
    )
    assert bool(figures) is (kind.figure is not None)
    texts = [*notes, *(str(j["reason"]) for j in worse if j["figure"] == kind.figure)]
    assert any(kind.words in text for text in texts) or not kind.words, texts


@pytest.mark.usefixtures("version_before_is_recalled")
@pytest.mark.parametrize("kind", ALONE.values(), ids=ALONE)
def test_a_kind_of_change_has_its_status_its_figure_and_its_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Kind
) -> None:
    try:
        status, found, _ = gate(tmp_path, [kind])
    except UsageError as error:
        assert (error.exit_status, kind.words in str(error)) == (kind.status, True), error
        return
    assert status == kind.status, capsys.readouterr().out
    require(kind, found["judgements"], found["notes"])


@pytest.fixture(scope="module")
def gated_together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the gate says of each kind: those of one exit status are gated in one command."""
    said = {}
    for expected in (0, 1):
        kinds = {words: kind for words, kind in TOGETHER.items() if kind.status == expected}
        status, found, names = gate(tmp_path_factory.mktemp("together"), list(kinds.values()))
        assert status == expected
        for words, name in zip(kinds, names, strict=True):
            own = [j for j in found["judgements"] if j["implementation"] == name]
            said[words] = {"judgements": own, "notes": found["notes"]}
    return said


@pytest.mark.parametrize("words", TOGETHER)
def test_a_kind_of_change_beside_others_has_its_figure_and_its_cause(
    gated_together: dict[str, dict[str, Any]], words: str
) -> None:
    assert gated_together[words]["judgements"]
    require(TOGETHER[words], **gated_together[words])
