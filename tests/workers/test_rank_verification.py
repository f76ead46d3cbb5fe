"""Verification over several ranks: what is wrong is found, named, and never a hang."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.verification.bugs.catalogue import RANK_BUGS, SelfTestRow
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.verification import Verification
from supcr_bench.workers import rank_verification
from supcr_bench.workers.messages import RECOGNITION
from supcr_bench.workers.rank_group import RankGroupWorker
from supcr_bench.workers.rank_verification import RankVerification, bug_subject
from tests.hanging import end_ranks_in
from tests.patience import HANGS_S
from tests.workers.test_rank_group import LOSSES

pytestmark = pytest.mark.slow

BUGS_MODULE = "supcr_bench.verification.bugs.across_ranks"
STATEFUL = f"""
import torch
from {BUGS_MODULE} import RightAcrossRanks, gathered

class LabelsKept(RightAcrossRanks):
    kept = None
    def read_labels(self, labels):
        labels = super().read_labels(labels)
        if self.kept is None or self.kept.shape != labels.shape:
            self.kept = labels
        return self.kept

class Flattened(RightAcrossRanks):
    def forward(self, perturbed, intact, labels):
        return super().forward(*(x.view(-1).view(x.shape) for x in (perturbed, intact)), labels)

class Stacked(RightAcrossRanks):
    def forward(self, features, labels):
        return super().forward(features[:, 0], features[:, 1], labels)

class SeveralRanksOnly(RightAcrossRanks):
    def forward(self, *views_and_labels):
        if torch.distributed.get_world_size() < 2:
            raise RuntimeError("start several ranks first")
        return super().forward(*views_and_labels)

class AThird(RightAcrossRanks):
    def gather(self, own):
        rows = super().gather(own)
        return rows.detach() + (rows - rows.detach()) / 3
"""

ONE_VIEW = """
from dataclasses import replace
from supcr_bench.implementations.distributed import DistributedSupCR
from supcr_bench.values.definition import RANK_N_CONTRAST

class OneView(DistributedSupCR):
    def __init__(self, temperature=2.0):
        super().__init__(temperature, definition=replace(RANK_N_CONTRAST, views="single"))

    def forward(self, features, labels):
        return super().forward(features, labels)
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[RankGroupWorker]:
    with closing(RankGroupWorker(2, limit_s=HANGS_S)) as group:
        yield group


@pytest.fixture
def same_ranks(pair: RankGroupWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ranks for all whose checks keep no module on them, and end none."""
    kept = SimpleNamespace(ask=pair.ask, join=pair.join, close=lambda: None)
    monkeypatch.setattr(rank_verification, "RankGroupWorker", lambda *_, **__: kept)


def verified(
    subject: Subject, definition: str | None = None, *, only: tuple[str, ...]
) -> Verification:
    session = RankVerification(
        replace(subject, definition=definition),
        ranks=2,
        strict=False,
        seed=0,
        limit_s=HANGS_S,
        only=only or None,
    )
    outcomes = tuple(session.run())
    assert session.result().outcomes == outcomes
    return session.result()


def of_file(folder: Path, text: str, name: str) -> Subject:
    path = folder / "losses.py"
    path.write_text(text)
    return replace(locate(f"{path}:{name}"), name=name)


def test_distributed_passes_every_check() -> None:
    found = verified(locate("distributed"), only=())
    assert found
    assert found.headline.startswith("distributed over 2 ranks is right: torchcell; called as (per")
    assert {o.verdict for o in found.outcomes} == {Verdict.PASS}
    assert Verification.from_mapping(found.to_mapping()) == found


@pytest.mark.usefixtures("same_ranks")
def test_an_undeclared_definition_is_recognised_by_its_numbers() -> None:
    right = Subject("right", "module", BUGS_MODULE, "RightAcrossRanks")
    found = verified(right, only=("step under DDP",))
    assert found
    assert found.headline.startswith("right over 2 ranks is right: torchcell; ")


@pytest.mark.usefixtures("same_ranks")
def test_an_undeclared_member_that_is_not_shipped_is_recognised_in_one_process(
    tmp_path: Path,
) -> None:
    found = verified(of_file(tmp_path, ONE_VIEW, "OneView"), only=("step under DDP",))
    assert found
    assert found.headline.startswith(
        "OneView over 2 ranks is right: rank-n-contrast with a single view and "
    )


@pytest.mark.usefixtures("same_ranks")
def test_a_loss_that_refuses_to_run_on_one_rank_alone_is_verified(tmp_path: Path) -> None:
    subject = of_file(tmp_path, STATEFUL, "SeveralRanksOnly")
    found = verified(subject, only=("step under DDP",))
    assert [o.verdict for o in found.outcomes] == [Verdict.PASS]


@pytest.mark.usefixtures("same_ranks")
def test_the_rows_of_a_rank_lie_one_after_the_other_in_memory(tmp_path: Path) -> None:
    assert verified(of_file(tmp_path, STATEFUL, "Flattened"), only=("step under DDP",))


@pytest.mark.usefixtures("same_ranks")
@pytest.mark.parametrize("definition", ["auto", "torchcell"])
def test_a_loss_with_another_call_is_verified_over_ranks_too(
    tmp_path: Path, definition: str
) -> None:
    stacked = of_file(tmp_path, STATEFUL, "Stacked")
    found = verified(stacked, definition, only=("step under DDP",))
    assert found, found
    assert found.definition == "torchcell"


@pytest.mark.usefixtures("same_ranks")
@pytest.mark.parametrize("bug", RANK_BUGS, ids=lambda b: b.name)
def test_a_seeded_bug_is_caught_and_named(bug: SeededBug) -> None:
    found = verified(bug_subject(bug), bug.definition, only=("step under DDP",))
    row = SelfTestRow.of(bug, found)
    assert "step under DDP" in row.caught_by
    assert row.diagnosed == (bug.named,)


@pytest.mark.usefixtures("same_ranks")
def test_an_implementation_for_one_process_is_said_to_gather_nothing() -> None:
    found = verified(locate("broadcast"), only=("step under DDP",))
    assert not found
    assert found.diagnosis is not None
    assert found.diagnosis.causes == (
        "nothing is gathered: each rank's loss is that of its own rows",
    )


@pytest.mark.parametrize(
    ("name", "check"), [("LabelsKept", "repeatability"), ("AThird", "step under DDP")]
)
def test_what_is_wrong_in_another_way_is_found_and_not_named(
    tmp_path: Path, name: str, check: str
) -> None:
    subject = of_file(tmp_path, STATEFUL, name)
    found = verified(subject, "torchcell", only=("step under DDP", check))
    assert check in {o.check for o in found.failures}
    assert found.diagnosis is not None
    assert not found.diagnosis.causes


def test_a_rank_that_dies_twice_is_not_asked_again(tmp_path: Path) -> None:
    found = verified(of_file(tmp_path, LOSSES, "Exits"), "no-self", only=())
    first, second, *others = found.outcomes
    assert "rank 1 ended: exited with status 9 (rows 5+5" in str(first.finding).replace(":  ", ": ")
    assert second.verdict is Verdict.FAIL
    assert {o.verdict for o in others} == {Verdict.NOT_RUN}
    assert not found


def test_a_rank_that_hangs_ends_the_verification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_ranks_in(monkeypatch, {RECOGNITION, "forward"})
    found = verified(of_file(tmp_path, LOSSES, "Hangs"), "no-self", only=())
    first, *others = found.outcomes
    assert first.overdue
    assert found.verdict == "undecided"
    assert str(first.finding).startswith("rank 0, 1 (forward) did not answer within 600 s")
    assert found.diagnosis is None
    assert {o.verdict for o in others} == {Verdict.NOT_RUN}


def test_where_every_rank_raises_no_check_is_made(tmp_path: Path) -> None:
    found = verified(of_file(tmp_path, LOSSES, "AllRaise"), "auto", only=())
    assert not found.outcomes
    assert "ValueError: not today" in str(found.uncallable)


def test_one_that_cannot_be_loaded_is_not_called_wrong() -> None:
    found = verified(Subject("mine", "module", "no.such.module", "Loss"), only=())
    assert found.verdict == "cannot be called"
    assert "cannot be imported" in found.headline
