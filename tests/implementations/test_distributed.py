"""``distributed``: over any ranks, the whole batch's loss and gradient."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.values.case import Workload
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from supcr_bench.workers.messages import Returned
from supcr_bench.workers.rank_group import RankGroupWorker
from tests.batches import clear_gradients, make_leaves
from tests.examples import implementation
from tests.implementations import rank_scenes
from tests.patience import HANGS_S
from tests.ranks import context_of, put, question_of, random_trials

SCENES = (
    rank_scenes.Settings,
    rank_scenes.Dtypes,
    rank_scenes.PartlyWanted,
    rank_scenes.Disagreeing,
    rank_scenes.InAGroupOfOne,
    rank_scenes.DifferentiatedTwice,
    rank_scenes.OfTheFamily,
)


SUBJECT = locate("distributed")


@pytest.fixture(scope="module")
def pair() -> Iterator[RankGroupWorker]:
    """Two ranks, for all that is asked of two."""
    with closing(RankGroupWorker(2, limit_s=HANGS_S)) as group:
        yield group


def test_without_a_process_group_it_is_scan() -> None:
    batch = make_leaves(Workload(batch_size=20, dims=2, nan_density=0.2))
    answers = []
    for name in ("distributed", "scan"):
        clear_gradients(batch)
        module = implementation(name).factory(weights=batch.weights)
        loss, parts = module(batch.first, batch.second, batch.labels)
        loss.backward()
        assert batch.first.grad is not None
        answers.append((loss.detach(), parts.detach(), batch.first.grad.clone()))
    assert all(torch.equal(one, other) for one, other in zip(*answers, strict=True))


def test_it_says_that_it_is_made_for_ranks() -> None:
    assert implementation("distributed").tags == ("ranks",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scene", "rows"),
    [
        pytest.param(scene, rows, id=f"{scene.__name__} {'+'.join(map(str, rows))}")
        for scene in SCENES
        for rows in ((5, 3), (6, 0))
        if all(rows) or scene is not rank_scenes.Disagreeing  # it spoils a label of each rank
    ],
)
def test_in_the_ranks(pair: RankGroupWorker, scene: type, rows: tuple[int, ...]) -> None:
    own = Subject(scene.__name__, "module", scene.__module__, scene.__qualname__)
    question = question_of(TORCHCELL, rows, dims=2, nan_density=0.2, labels="tied")
    said = put(pair, own, TORCHCELL, question)
    assert all(isinstance(response, Returned) for response in said), said


@pytest.mark.slow
@pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF], ids=lambda d: d.name)
def test_over_two_ranks_random_batches_are_those_of_one_process(
    pair: RankGroupWorker, definition: Definition
) -> None:
    trials, splits = zip(*random_trials(context_of(pair, SUBJECT, definition), 12), strict=True)
    assert any("no label on rank" in trial.case for trial in trials)
    assert any(min(rows) == 0 for rows in splits)
    assert [t.finding for t in trials if t.failed] == []


@pytest.mark.slow
def test_over_four_ranks_random_batches_are_those_of_one_process() -> None:
    with closing(RankGroupWorker(4, limit_s=HANGS_S)) as group:
        for definition in (TORCHCELL, NO_SELF):
            trials = random_trials(context_of(group, SUBJECT, definition), 6)
            assert [t.finding for t, _ in trials if t.failed] == []


@pytest.mark.slow
def test_a_rank_of_more_rows_than_a_block_is_right(pair: RankGroupWorker) -> None:
    context = context_of(pair, SUBJECT, TORCHCELL)
    problem = context.problem(n=170, labels="tied", nan_density=0.1)
    assert context.compare(problem, rows=(150, 20)).finding is None
