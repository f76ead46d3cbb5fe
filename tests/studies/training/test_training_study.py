"""The study of training on a small made-up table: its statistics, its arms and its sentences."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from supcr_bench import SupCRLoss
from tests.studies.training import answers
from tests.studies.training.angles import predicted_angles, write_labels
from tests.studies.training.arms import Arm, same_network_arms, supcr, what_is_learned_arms
from tests.studies.training.data import REMOVED_LABEL, UNITS, Houses, split
from tests.studies.training.figures import read_figures
from tests.studies.training.page import page
from tests.studies.training.statistics import (
    Correlation,
    Paired,
    paired_interval,
    rank_correlation,
    ratio_interval,
)
from tests.studies.training.summary import ORDERED, Comparison, Networks, Orders, comparisons
from tests.studies.training.train import Batches, Setting, make_encoder, run_seed

STUDY = Path(__file__).parents[3] / "results" / "training-study"
SETTING = Setting(batch_size=12, steps=40, seeds=3, watched=(1, 40))
ROWS, FEATURES = 240, 5


def made_houses() -> Houses:
    """Three labels that follow the features; the second ties, the third has gaps."""
    bits = np.random.default_rng(0)
    features = bits.normal(size=(ROWS, FEATURES))
    labels = features @ bits.normal(size=(FEATURES, 3)) + 0.1 * bits.normal(size=(ROWS, 3))
    labels[:, 1] = labels[:, 1].round()
    labels[::6, 2] = np.nan
    return Houses(features, labels)


# --- statistics ----------------------------------------------------------------------------------


def test_a_paired_interval_is_students() -> None:
    found = paired_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.low, found.high) == pytest.approx((3, 1.0368, 4.9632), abs=1e-4)
    wide = paired_interval([1.0, 2.0, 3.0, 4.0, 5.0], comparisons=5)
    assert (wide.low, wide.high) == pytest.approx((-0.2556, 6.2556), abs=1e-4)
    with pytest.raises(ValueError, match="two seeds"):
        paired_interval([1.0])


def test_a_ratio_interval_is_of_logarithms() -> None:
    found = ratio_interval([2.0, 8.0], [1.0, 1.0])
    reach = float(stats.t.ppf(0.975, 1)) * math.log(4) / 2
    assert found.mean == pytest.approx(4)
    assert found.high == pytest.approx(4 * math.exp(reach))
    assert ratio_interval([3.0, 5.0], [3.0, 5.0]).exact


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([0.0, 0.0, 0.0], "same"),
        ([0.02, -0.01, 0.0], "alike"),
        ([1.0, 1.1, 0.9], "worse"),
        ([-1.0, -1.1, -0.9], "better"),
        ([1.0, -1.0, 0.3], "open"),
        ([0.09, 0.1, 0.11], "worse"),
    ],
)
def test_a_verdict_says_what_the_interval_allows(differences: list[float], verdict: str) -> None:
    assert paired_interval(differences).verdict == verdict


def test_the_intervals_of_many_comparisons_hold_together() -> None:
    bits, wrong = np.random.default_rng(0), 0
    for _ in range(400):
        some = [paired_interval(bits.normal(size=10), comparisons=10) for _ in range(10)]
        wrong += any(not one.low <= 0 <= one.high for one in some)
    assert wrong <= 32  # 20 are expected


def test_a_rank_correlation_orders_arms_by_their_mean_over_seeds() -> None:
    angles, bits = [1.0, 5.0, 5.0, 20.0, 70.0, 90.0], np.random.default_rng(1)
    costs = np.array([[0.0], [2.0], [1.0], [3.0], [9.0], [4.0]]) + bits.normal(size=(6, 40)) / 100
    found = rank_correlation(angles, costs)
    assert found.value == pytest.approx(stats.spearmanr(angles, costs.mean(axis=1)).statistic)
    assert 0 < found.low <= found.value <= found.high <= 1
    turned = rank_correlation([-a for a in angles], costs)
    assert turned.value == pytest.approx(-found.value)
    assert turned.high < 0


# --- data and training ---------------------------------------------------------------------------


def test_a_seed_draws_the_halves_and_removes_labels_of_the_training_half_alone() -> None:
    houses = made_houses()
    one, again, other = split(houses, 0), split(houses, 0), split(houses, 1)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one.train, other.train)
    missing = [np.isnan(labels).sum(axis=0) for labels in (one.train_labels, one.test_labels)]
    column = list(UNITS).index(REMOVED_LABEL)
    assert missing[0][column] > 0
    assert missing[1][column] == 0
    assert missing[0][2] + missing[1][2] == np.isnan(houses.labels[:, 2]).sum()


def test_the_units_of_the_labels_keep_ties() -> None:
    whole = np.arange(1, 4000, 7, dtype=np.float64) * 189
    scaled = torch.tensor(whole / UNITS["price"], dtype=torch.float32)
    assert torch.equal(scaled.double(), torch.tensor(whole / UNITS["price"]))


torchcell = supcr(SupCRLoss, 3)


def without_gradient(first: Tensor, second: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    return 0 * torchcell(first, second, labels, head)


ARMS = [
    Arm("base", "definition", "", lambda: torchcell),
    Arm("identical", "definition", "base", lambda: torchcell),
    Arm("reordered", "order", "base", lambda: torchcell, order=1),
    Arm("no gradient", "fault", "base", lambda: without_gradient),
]


def test_an_identical_loss_is_the_same_and_one_without_a_gradient_is_worse() -> None:
    houses = made_houses()
    runs = [run_seed(ARMS, split(houses, s), s, SETTING) for s in range(SETTING.seeds)]
    rows = [row for one in runs for row in one["runs"]]
    errors = {a.name: np.array([r["error"] for r in rows if r["arm"] == a.name]) for a in ARMS}
    costs = {name: paired_interval(100 * (e - errors["base"])) for name, e in errors.items()}
    verdicts = {name: cost.verdict for name, cost in costs.items() if name != "base"}
    assert verdicts == {"identical": "same", "reordered": "alike", "no gradient": "worse"}
    apart = dict.fromkeys(verdicts, 0.0)
    for one in runs:
        for row in one["distances"]:
            apart[row["arm"]] = max(apart[row["arm"]], row["parameters"])
    assert apart["identical"] == 0
    assert 0 < apart["reordered"] < 1e-3
    assert apart["no gradient"] == pytest.approx(1)
    angles = {row["arm"]: row["degrees"] for row in runs[0]["angles"]}
    assert angles == {"identical": 0, "no gradient": None}


@pytest.mark.parametrize(
    "arm",
    [*same_network_arms(3), *what_is_learned_arms(3, torch.zeros(3))],
    ids=lambda arm: arm.name,
)
def test_every_arm_has_a_finite_gradient_on_labels_that_tie_and_miss(arm: Arm) -> None:
    if arm.make is None:
        return
    torch.manual_seed(0)
    encoder, head = make_encoder(FEATURES), nn.Linear(16, 3)
    views, labels = Batches(split(made_houses(), 0), 0, 8).draw()
    assert labels.isnan().any()
    first, second = encoder(torch.cat(views)).split(8)
    loss = arm.make()(first, second, labels, head)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None])
    assert bool(gradient.isfinite().all())
    assert bool((gradient != 0).any())


def test_verify_predicts_the_angle_of_definitions_and_faults(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels.csv", split(made_houses(), 0).train_labels)
    arms = what_is_learned_arms(3, torch.zeros(3))
    some = [arm for arm in arms if arm.name in ("torchcell", "torchcell: one view detached")]
    rows = predicted_angles(some, labels, 12)
    found = {(row["arm"], row["embeddings"]): row["angle"] for row in rows}
    assert {arm for arm, _ in found} == {
        "no-self",
        "rank-n-contrast",
        "torchcell: one view detached",
    }
    assert 0 < found["no-self", ORDERED] < found["rank-n-contrast", ORDERED]
    assert 30 < found["torchcell: one view detached", ORDERED] < 60


# --- sentences and page --------------------------------------------------------------------------


def comparison(name: str, cost: Paired, angle: float) -> Comparison:
    return Comparison(f"torchcell: {name}", "torchcell", 50.0, 50.0, cost, 0.1, {ORDERED: angle})


def test_sentences_follow_the_figures() -> None:
    worse, alike = Paired(2.0, 1.0, 3.0), Paired(0.0, -0.05, 0.05)
    apart = [comparison("a", worse, 60.0), comparison("b", alike, 5.0)]
    (line,) = answers.misled(apart)
    assert line == "Every fault above 5 degrees (ordered) costs, and none below 60 is seen to."
    (line,) = answers.misled([comparison("a", worse, 5.0), comparison("b", alike, 60.0)])
    assert "b turns the gradient by 60 degrees, and no difference (0.05 points at most)" in line
    assert answers.faults(apart) == [
        "Faults that cost: torchcell: a +2.00 points (+1.00 to +3.00).",
        "Faults without a difference (surely below 0.1 points): torchcell: b 0.00 points "
        "(-0.05 to +0.05).",
    ]
    unsure = answers.correlation_words(Correlation(0.2, -0.4, 0.7, 10), "a larger cost")
    assert unsure.startswith("whether a larger angle goes with a larger cost cannot be told")


def test_implementations_are_told_apart_only_beyond_two_orders_of_the_rows() -> None:
    cost = Paired(0.0, -0.01, 0.01)
    orders = Orders({1: 1e-7, 9: 1e-6}, largest=1e-6, jumps=0)
    ratio = Paired(1.1, 0.7, 1.8)
    near = Networks("loopy", "broadcast", orders.distances, 1e-6, 0, (0.0, 1e-7), ratio, cost)
    assert "the same network but for rounding" in answers.same_network([near], orders, 10)
    far = near._replace(ratio=Paired(50.0, 20.0, 90.0))
    said = answers.same_network([far], orders, 10)
    assert "`loopy` and `broadcast` end 50.0 times (20.0 to 90.0) as far apart" in said
    jumped = " ".join(answers.networks([near._replace(jumps=2)], orders, 10))
    assert "out of 10 seeds: `loopy` and `broadcast` in 2." in jumped
    equal = near._replace(ratio=Paired(0.0, 0.0, 0.0, exact=True))
    assert "to the last bit" in answers.same_network([equal], orders, 10)


def test_the_stored_page_is_what_its_figures_give() -> None:
    figures = read_figures(STUDY)
    assert page(figures, comparisons(figures)) + "\n" == (STUDY / "README.md").read_text("utf-8")
    settings = json.loads((STUDY / "facts.json").read_text("utf-8"))["settings"]
    assert all(setting["seeds"] >= 10 for setting in settings.values())
