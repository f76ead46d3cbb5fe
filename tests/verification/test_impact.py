"""How far a departure turns the gradient, on labels of a file and on generated ones."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from supcr_bench.reference.reference import compute_reference
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import (
    DEFINITIONS,
    NO_SELF,
    RANK_N_CONTRAST,
    TORCHCELL,
    Definition,
)
from supcr_bench.verification import evaluate as evaluation
from supcr_bench.verification import impact_study
from supcr_bench.verification.bugs.right import RightNoSelf
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.evaluate import evaluate, evaluate_large
from supcr_bench.verification.family import SIMILARITIES, Member, candidates
from supcr_bench.verification.impact import Impact, ImpactQuestion, impact_lines
from supcr_bench.verification.impact_study import ImpactStudy
from supcr_bench.verification.phrases import PHRASES
from supcr_bench.verification.reading import Reading, member_of
from supcr_bench.verification.verification import Verification
from tests.batches import batch_of
from tests.made_verifications import make_impact, make_verification

ROOM = 80
COMPARED = ("comparison", "keeps_partner", "pairs", "self_candidate", "measured", "ties")


def views_and_labels(n: int, dims: int, seed: int, levels: int = 4) -> tuple[list[Tensor], Tensor]:
    bits = torch.Generator().manual_seed(seed)
    views = [torch.randn(n, 5, generator=bits, dtype=torch.float64) for _ in range(2)]
    return views, torch.randint(0, levels, (n, dims), generator=bits).double()


MEMBERS = st.builds(
    lambda kind, **fields: Member(kind[0], kind[1], **fields),
    kind=st.sampled_from(sorted(SIMILARITIES)),
    **{name: st.sampled_from(list(PHRASES[name])) for name in (*COMPARED, "label_distance")},
    views=st.sampled_from(["separate", "concatenated", "interleaved rows", "averaged rows"]),
    eps=st.sampled_from([0.0, 1e-7, 0.1]),
    eps_rule=st.sampled_from(["added", "floor"]),
    temperature=st.sampled_from([1.0, 0.1, 0.005, -1.0]),
)


@given(MEMBERS, st.integers(2, 7), st.integers(1, 2), st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_a_member_has_the_same_gradient_for_small_and_for_large_batches(
    member: Member, n: int, dims: int, seed: int
) -> None:
    views, labels = views_and_labels(n, dims, seed)
    losses, gradients, _ = evaluate([member], views, labels)
    gradient, terms = evaluate_large(member, views, labels)
    right = gradients[0]
    assert float((gradient - right).norm()) <= 1e-9 * float(right.norm()) + 1e-10
    loss = sum(float(t.sum()) for t in terms)
    assert math.isclose(loss, float(losses), rel_tol=1e-8, abs_tol=1e-8)


@pytest.mark.parametrize("odd", PHRASES["odd"])
def test_a_mistake_in_a_term_has_the_same_gradient_by_blocks_of_a_large_batch(
    odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchors: list[int] = []

    def noted(member: Member, difference: Tensor, *some: slice) -> tuple[Tensor, Tensor]:
        anchors.extend(len(difference[block]) for block in some)
        return candidates(member, difference, *some)

    monkeypatch.setattr(evaluation, "ELEMENTS", 3 * 14**2)
    monkeypatch.setattr(evaluation, "candidates", noted)
    views, labels = views_and_labels(7, 1, 0)
    for own, strict in itertools.product(PHRASES["self_candidate"], (">=", ">")):
        member = Member(
            "euclidean", False, "concatenated", strict, self_candidate=own, odd=odd, temperature=2.0
        )
        losses, gradients, _ = evaluate([member], views, labels)
        gradient, terms = evaluate_large(member, views, labels)
        torch.testing.assert_close(gradient, gradients[0])
        assert math.isclose(sum(float(t.sum()) for t in terms), float(losses), rel_tol=1e-9)
    assert all(block <= 3 for block in anchors)


@pytest.mark.parametrize("definition", [TORCHCELL, replace(NO_SELF, temperature=0.01)])
def test_rows_without_a_label_are_dropped_as_the_definition_says(definition: Definition) -> None:
    views, labels = views_and_labels(40, 2, 0, levels=9)
    labels[torch.rand(40, 2, generator=torch.Generator().manual_seed(1)) < 0.3] = math.nan
    right = compute_reference(definition, batch_of(views, labels))
    gradient, _ = evaluate_large(member_of(definition), views, labels)
    torch.testing.assert_close(gradient, torch.cat([g.flatten() for g in right.gradients]))


def test_the_angle_is_measured_down_to_rounding() -> None:
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([2 * math.cos(1e-6), 2 * math.sin(1e-6)])
    angle, length = impact_study._apart(second.double(), first.double())
    assert angle is not None and length is not None
    assert angle == pytest.approx(math.degrees(1e-6), rel=1e-4)
    assert length == pytest.approx(2)
    assert impact_study._apart(torch.zeros(2), first.double()) == (None, None)


# --- the study -----------------------------------------------------------------------------------


class Strict(RightNoSelf):
    """A strict inequality in place of the right one, with the partner kept."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        total = perturbed.new_zeros(())
        y = labels[:, 0]
        delta = (y.unsqueeze(1) - y.unsqueeze(0)).abs()
        itself = torch.eye(len(y), dtype=torch.bool)
        chosen = (delta.unsqueeze(1) > delta.unsqueeze(2)) & ~itself.unsqueeze(1)
        chosen = chosen | itself.unsqueeze(0)
        for view in (perturbed, intact):
            unit = view / view.norm(dim=1, keepdim=True)
            s = unit @ unit.T / self.temperature
            contrast = s.unsqueeze(1).masked_fill(~chosen, -torch.inf).logsumexp(2)
            total = total + (contrast - s)[~itself].mean()
        return total, total.detach().unsqueeze(0)


STRICT = member_of(NO_SELF)._replace(comparison=">")
FIRST_COLUMN = member_of(NO_SELF)._replace(label_distance="first")


@pytest.fixture
def few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches of each kind show an angle that is far from the others'."""
    monkeypatch.setattr(impact_study, "BATCHES", 2)


FEW_BATCHES = pytest.mark.usefixtures("few_batches")


@pytest.fixture
def ages(tmp_path: Path) -> str:
    """Integer ages of a plausible spread, 300 people, with some missing."""
    drawn = np.random.default_rng(0)
    age = np.clip(np.round(drawn.normal(45, 14, 300)), 20, 80).astype(int)
    lines = ["" if i % 60 == 7 else str(a) for i, a in enumerate(age)]
    path = tmp_path / "ages.csv"
    path.write_text("name,age\n" + "".join(f"p,{line}\n" for line in lines))
    return f"{path}:age"


def study(
    factory: Callable[..., Any],
    question: ImpactQuestion,
    member: Member | None = None,
    definition: Definition = NO_SELF,
    **read: Any,
) -> list[Impact]:
    context = CheckContext(Adapter.usual(factory, definition))
    reading = Reading(member, nan_labels=definition.nan_labels, **read)
    return list(ImpactStudy(context, reading, definition, question).rows())


def of(rows: list[Impact], departure: str | None, definition: str, how: str = "random") -> Impact:
    (row,) = (
        r
        for r in rows
        if r.definition == definition
        and r.embeddings == how
        and (r.departure or "").partition(":")[0] == (departure or "")
    )
    return row


def test_a_departure_alone_is_the_whole_and_its_size_has_an_interval(ages: str) -> None:
    rows = study(Strict, ImpactQuestion(ages, 32), STRICT)
    for how in ("random", "ordered"):
        part, whole = (of(rows, d, "no-self", how) for d in ("strict inequality", None))
        assert part.angle == pytest.approx(whole.angle, abs=1e-3)
        assert part.length == pytest.approx(whole.length, abs=1e-4)
        assert part.low is not None and part.angle is not None and part.high is not None
        assert 0.5 < part.low < part.angle < part.high < 60
        assert part.batches == 8
        assert part.left_out == 5
        assert part.labels == "ages.csv:age"
        assert 0 < (part.pairs or 0) < 1
    assert of(rows, "float32 rounding", "no-self").angle == pytest.approx(0, abs=1e-3)
    (torchcell, rnc) = (of(rows, None, d).angle for d in ("torchcell", "rank-n-contrast"))
    assert torchcell is not None and rnc is not None
    assert 0 < torchcell < 45 < rnc
    assert study(Strict, ImpactQuestion(ages, 32), STRICT) == rows


@FEW_BATCHES
def test_a_right_loss_is_no_farther_off_than_rounding(ages: str) -> None:
    rows = study(RightNoSelf, ImpactQuestion(ages, 24), member_of(NO_SELF))
    assert of(rows, None, "no-self").angle == pytest.approx(0, abs=1e-3)
    assert impact_lines(rows)[-1].endswith("but for rounding: no need to train again.")


@FEW_BATCHES
def test_a_constant_factor_changes_the_length_alone(ages: str) -> None:
    class Halved(RightNoSelf):
        def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
            loss, parts = super().forward(*given)
            return loss / 2, parts

    row = of(study(Halved, ImpactQuestion(ages, 24), member_of(NO_SELF)), None, "no-self")
    assert row.length == pytest.approx(0.5, rel=1e-4)
    assert row.angle == pytest.approx(0, abs=1e-3)


@FEW_BATCHES
def test_the_temperature_is_that_of_the_study_for_loss_and_definitions(ages: str) -> None:
    rows = study(RightNoSelf, ImpactQuestion(ages, 24, temperature=0.5), member_of(NO_SELF))
    assert {row.temperature for row in rows} == {0.5}
    assert of(rows, None, "no-self").angle == pytest.approx(0, abs=1e-3)

    fixed = study(partial(RightNoSelf, temperature=0.1), ImpactQuestion(ages, 24, temperature=0.5))
    assert {row.temperature for row in fixed} == {0.1}
    assert "Note: it takes no temperature, so it is measured at 0.1." in impact_lines(fixed)
    turned = of(fixed, None, "no-self").angle
    assert turned is not None and turned > 5


@FEW_BATCHES
def test_another_default_temperature_is_a_departure_of_its_own(ages: str) -> None:
    own = NO_SELF.at(0.3)
    context = CheckContext(Adapter.usual(RightNoSelf, own))
    rows = list(ImpactStudy(context, Reading(), NO_SELF, ImpactQuestion(ages, 24)).rows())
    part = of(rows, "default temperature 0.3", "no-self").angle
    assert part == pytest.approx(of(rows, None, "no-self").angle, abs=1e-3)
    assert part is not None and part > 1


@FEW_BATCHES
def test_an_eps_is_measured_at_the_similarities_of_its_loss() -> None:
    own = member_of(RANK_N_CONTRAST)._replace(similarity="dot", normalised=True, eps=1e-12)
    rows = study(RightNoSelf, ImpactQuestion(batch_size=24), own, RANK_N_CONTRAST, complete=True)
    (eps,) = (r for r in rows if r.labels == "tied" and "eps" in (r.departure or ""))
    assert eps.angle is not None and eps.angle < 0.01


@FEW_BATCHES
def test_what_combines_label_dimensions_is_measured_on_several() -> None:
    question = ImpactQuestion(batch_size=24)
    rows = study(RightNoSelf, question, FIRST_COLUMN, several_dimensions=True)
    (first,) = (r for r in rows if r.labels == "tied" and "first" in (r.departure or ""))
    assert first.angle is not None and first.angle > 5


@FEW_BATCHES
def test_generated_labels_are_continuous_and_tied() -> None:
    rows = study(Strict, ImpactQuestion(batch_size=24), STRICT)
    assert [(r.labels, r.departure is None) for r in rows] == [
        (labels, False) for labels in ("continuous", "tied")
    ]
    continuous, tied = rows
    assert continuous.angle == pytest.approx(0, abs=1e-3)
    assert tied.angle is not None and tied.angle > 5
    lines = impact_lines(rows)
    assert "continuous" in lines[-3]
    assert lines[-1] == "--labels measures it on yours."


def test_a_table_in_which_nothing_departs_is_left_out() -> None:
    rows = [make_impact(labels=kind, angle=4e-5, length=1.0) for kind in ("continuous", "tied")]
    assert impact_lines(rows) == []
    for other in ({"angle": 1.0}, {"length": 2.0}, {"departure": "strict inequality"}):
        assert impact_lines([rows[0], replace(rows[1], **other)])


def test_a_long_name_has_a_line_of_its_own_and_none_is_cut() -> None:
    names = ("strict inequality", "one L1 label distance over all dimensions", "cosine similarity")
    rows = [
        Impact(definition="no-self", labels=labels, batch_size=8, departure=name, batches=8)
        for name in names
        for labels in ("continuous", "tied")
    ]
    lines = impact_lines(rows)
    assert len(lines) <= 12
    assert [line.strip() for line in lines if line.strip() in names] == [names[1]]
    assert sum(line.endswith("-") for line in lines) == len(names)


@FEW_BATCHES
def test_one_view_is_compared_with_definitions_of_one_view(ages: str) -> None:
    def single(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        loss: Tensor = RightNoSelf(temperature)(features, features.detach(), labels)[0]
        return loss

    own = replace(NO_SELF, views="single", call="features_single_view")
    rows = study(single, ImpactQuestion(ages, 24), member_of(own), own)
    assert of(rows, None, "no-self").angle == pytest.approx(0, abs=1e-3)
    assert of(rows, None, "no-self").length == pytest.approx(1, rel=1e-4)


@FEW_BATCHES
def test_a_loss_that_is_slow_is_replaced_by_its_formula_if_that_fits(
    ages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckContext, "affordable", lambda self, n, most_s: False)
    called: list[int] = []

    class Slow(Strict):
        def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
            called.append(len(given[0]))
            return super().forward(*given)

    rows = study(Slow, ImpactQuestion(ages, 64), STRICT)
    assert set(called) == {16}
    assert "Note: a call of 64 rows takes too long, so its recognised" in "\n".join(
        impact_lines(rows)
    )
    part = of(rows, "strict inequality", "no-self").angle
    assert of(rows, None, "no-self").angle == pytest.approx(part, abs=1e-9)

    for member in (None, member_of(NO_SELF)):
        others = study(Slow, ImpactQuestion(ages, 64), member)
        assert not any(row.departure is None and row.angle for row in others)
        assert "set a smaller --batch-size" in " ".join(impact_lines(others))


def test_a_call_that_raises_is_told_and_the_departures_are_measured(ages: str) -> None:
    class Raises(Strict):
        def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
            raise ValueError("no such luck")

    rows = study(Raises, ImpactQuestion(ages, 24), STRICT)
    assert of(rows, "strict inequality", "no-self").angle
    assert "Note: ValueError: no such luck." in impact_lines(rows)
    assert impact_lines(study(Raises, ImpactQuestion(ages, 24))) == [
        "Note: ValueError: no such luck."
    ]


def test_a_gradient_that_is_not_finite_is_said(ages: str) -> None:
    class Lost(RightNoSelf):
        def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
            loss, parts = super().forward(*given)
            return loss * math.nan, parts

    rows = study(Lost, ImpactQuestion(ages, 24))
    assert of(rows, None, "no-self").angle is None
    assert "a gradient is zero or not finite in 8 of 8 batches" in " ".join(impact_lines(rows))


@FEW_BATCHES
def test_rows_need_a_label_in_every_column_under_a_joint_distance(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("a,b\n" + "".join(f"{i % 7},{'' if i % 2 else i % 5}\n" for i in range(40)))
    question = ImpactQuestion(str(path), 24)
    assert study(RightNoSelf, question)[0].left_out == 0
    rows = study(RightNoSelf, question, definition=RANK_N_CONTRAST)
    assert [row.angle for row in rows] == [None]
    assert impact_lines(rows) == [
        "Note: 20 rows have a label in every column, fewer than a batch of 24."
    ]


@FEW_BATCHES
def test_labels_that_are_all_equal_show_nothing(tmp_path: Path) -> None:
    path = tmp_path / "equal.csv"
    for text in ("a\n" + "7\n" * 30, "a,b\n" + "7,\n,2\n7,2\n" * 10):
        path.write_text(text)
        rows = study(RightNoSelf, ImpactQuestion(str(path), 24))
        assert impact_lines(rows) == [
            "Note: all labels are equal, which shows no difference between losses."
        ]


# --- the three of the note ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["loopy", "broadcast", "rowsort"])
def test_on_integer_ages_the_notes_differ_from_no_self_and_from_rank_n_contrast(
    name: str, ages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impact_study, "BATCHES", 1)
    found = load(locate(name))
    rows = study(found.factory, ImpactQuestion(ages, 128), member_of(TORCHCELL), TORCHCELL)
    own, no_self, rnc = (of(rows, None, definition).angle for definition in DEFINITIONS)
    assert own == pytest.approx(0, abs=1e-3)
    assert no_self is not None and rnc is not None
    assert 0.3 < no_self < 3
    assert 60 < rnc < 90
    assert of(rows, None, "no-self").batches == 1
    if name == "loopy":  # a call takes minutes
        assert "its recognised formula is used instead" in " ".join(impact_lines(rows))


@pytest.mark.parametrize(
    ("words", "factors", "length"),
    [
        ("", [1.0, 1.0], 1),
        ("a constant factor of 3", [3.0, 3.0], 3),
        ("the sum over pairs in place of their mean", [132.0, 552.0], None),
    ],
)
def test_the_formula_of_a_slow_loss_has_its_length_where_the_factor_is_the_same_for_any_batch(
    words: str,
    factors: list[float],
    length: float | None,
    ages: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(impact_study, "SLOW_CALL_S", 1e-9)
    member = member_of(NO_SELF)
    rows = study(RightNoSelf, ImpactQuestion(ages, 24), member, factor_words=words, factors=factors)
    assert of(rows, None, "no-self").length == pytest.approx(length)
    assert ("leaves the length unknown" in str(rows[0].note)) == (length is None)
    shown = next(line for line in impact_lines(rows) if "loss, from no-self" in line)
    assert shown.split()[-1] == ("-" if length is None else str(length))


class Negated(RightNoSelf):
    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        return -loss, parts


@FEW_BATCHES
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("departures", [{}, {"comparison": ">"}])
def test_a_negated_loss_has_a_row_of_180_degrees_beside_its_departures(
    slow: bool, departures: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impact_study, "QUICK_CALL_S", 1e-9 if slow else 9.0)
    member = member_of(NO_SELF)._replace(**departures)  # type: ignore[arg-type]
    rows = study(Negated, ImpactQuestion(batch_size=24), member, sign=-1)
    whole = next(row for row in rows if row.labels == "continuous" and row.departure is None)
    assert whole.angle == pytest.approx(180, abs=1e-2)


# --- in words ------------------------------------------------------------------------------------


def test_it_takes_twelve_lines_of_eighty_columns_at_most() -> None:
    rows = [
        make_impact(departure, definition=definition, embeddings=how, note="a note " * 9)
        for departure in (None, *(f"departure number {i} " * 3 for i in range(9)))
        for definition in DEFINITIONS
        for how in ("random", "ordered")
    ]
    lines = impact_lines(rows)
    assert 11 <= len(lines) <= 12
    assert max(map(len, lines)) <= ROOM
    assert "(1234 rows have no label)" in " ".join(lines)


@pytest.mark.parametrize(
    ("angle", "advice"),
    [
        (1e-4, "but for rounding: no need to train again"),
        (3.0, "0.14 % less than a step with rank-n-contrast itself: little reason"),
        (20.0, "compare two short trainings"),
        (60.0, "50 % less than a step with rank-n-contrast itself: if you want rank-n-contrast"),
        (120.0, "a training step raises rank-n-contrast: if you want rank-n-contrast, train"),
    ],
)
def test_it_says_what_the_angle_means_for_a_trained_model(angle: float, advice: str) -> None:
    rounding = make_impact("float32 rounding", angle=2e-5)
    assert advice in " ".join(impact_lines([make_impact(angle=angle), rounding]))


def test_a_stored_verification_keeps_it_and_an_old_one_has_none() -> None:
    kept = make_verification(impact=(make_impact(), make_impact("strict")))
    assert Verification.from_mapping(kept.to_mapping()) == kept
    old = {k: v for k, v in kept.to_mapping().items() if k != "impact"}
    assert Verification.from_mapping(old).impact == ()
    assert "loss, from rank-n-contrast" in str(kept)
