"""Deterministic cost judged: launches and element work exactly, peak memory with an allowance."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.gate.cost import judge_cost
from supcr_bench.gate.judge import deterministic_notes, judge_deterministic
from supcr_bench.gate.recorded import Recorded
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms
from supcr_bench.values.case import Case
from supcr_bench.values.gate import Evidence, Figure, Judgement, Ruling
from supcr_bench.values.result import Status
from supcr_bench.verification.outcome import Verdict
from tests.gate.made_records import SESSION, TERMS, case_record, of_one

SAME = case_record()
FAILED = case_record(Status.FAILED, reason="IndexError")


def judged(
    before: Recorded, after: Recorded, terms: Terms = TERMS
) -> dict[Figure, list[Judgement]]:
    found: dict[Figure, list[Judgement]] = {}
    for judgement in judge_cost(before, after, terms):
        assert judgement.evidence is Evidence.COST
        found.setdefault(judgement.figure, []).append(judgement)
    return found


def changed(terms: Terms = TERMS, **counts: Any) -> dict[Figure, Judgement]:
    """One case, with those counts after, and the same before as ever."""
    found = judged(of_one(SAME), of_one(case_record(**counts)), terms)
    return {figure: judgement for figure, (judgement,) in found.items()}


def test_the_same_counts_pass_in_all_three_figures() -> None:
    found = changed()
    assert set(found) == {"launches", "element work", "peak memory"}
    for judgement in found.values():
        assert (judgement.ruling, judgement.reason) == (Ruling.PASS, None)
        assert judgement.ratio == 1
        assert judgement.before == judgement.after
        assert judgement.low is judgement.high is None
        assert str(judgement.command).startswith("supcr-bench run ci -i one")


@pytest.mark.parametrize(
    ("field", "count", "figure", "reason"),
    [
        ("launches", 101, "launches", "launches grew from 100 to 101, by 1 %"),
        ("launches", 5000, "launches", "launches grew from 100 to 5,000, x50"),
        ("elements", 10_001, "element work", "element work grew from 10,000 to 10,001, by 0.01 %"),
        (
            "peak_bytes",
            101_001,
            "peak memory",
            "peak memory grew from 100 kB to 101 kB, by 1 %, where 1 % is allowed",
        ),
    ],
)
def test_a_count_that_grew_is_a_regression_of_that_figure_alone(
    field: str, count: int, figure: Figure, reason: str
) -> None:
    counts: dict[str, Any] = {field: count}
    found = changed(**counts)
    assert found[figure].ruling is Ruling.REGRESSION
    assert found[figure].reason == reason
    assert found[figure].after == count
    assert found[figure].ratio == pytest.approx(count / (found[figure].before or 0))
    assert {j.ruling for name, j in found.items() if name != figure} == {Ruling.PASS}


def test_peak_memory_may_grow_by_what_is_allowed() -> None:
    roomy = replace(TERMS, max_memory_growth=0.1)
    assert changed(peak_bytes=101_000)["peak memory"].ruling is Ruling.PASS
    assert changed(peak_bytes=101_001)["peak memory"].ruling is Ruling.REGRESSION
    assert changed(roomy, peak_bytes=110_000)["peak memory"].ruling is Ruling.PASS
    assert changed(roomy, peak_bytes=110_001)["peak memory"].ruling is Ruling.REGRESSION
    assert changed(roomy, launches=101)["launches"].ruling is Ruling.REGRESSION


def test_under_another_torch_every_count_may_differ_a_little() -> None:
    other = replace(TERMS, torch_before="2.6.0", torch_now="2.13.0+cpu")
    within: dict[str, Any] = {"launches": 102, "elements": 10_200, "peak_bytes": 102_000}
    assert TORCH_ALLOWANCE == 0.02
    assert {j.ruling for j in changed(other, **within).values()} == {Ruling.PASS}
    more: dict[str, Any] = {field: count + 1 for field, count in within.items()}
    beyond = changed(other, **more)
    assert {j.ruling for j in beyond.values()} == {Ruling.REGRESSION}
    assert beyond["launches"].reason == (
        "launches grew from 100 to 103, by 3 %, where 2 % is allowed; the version of torch is "
        "another one too"
    )


def test_builds_of_one_torch_are_the_same_torch() -> None:
    for now, other in (("2.13.0+cu130", False), ("2.13.0", False), ("2.12.1+cpu", True)):
        assert replace(TERMS, torch_before="2.13.0+cpu", torch_now=now).other_torch is other
    assert not TERMS.other_torch


def test_a_count_that_fell_passes_and_a_baseline_is_to_be_recorded_again() -> None:
    assert changed(launches=99)["launches"].reason == "less than recorded; record again"
    assert changed(SESSION, launches=99)["launches"].reason == "less than before"
    assert changed(launches=99)["launches"].ruling is Ruling.PASS


def test_what_has_no_answer_now_has_no_cost_for_its_agreement_says_so() -> None:
    assert judged(of_one(SAME), of_one(FAILED)) == {}


def test_a_figure_that_is_missing_now_is_undecided() -> None:
    (found,) = judged(of_one(SAME), of_one(replace(SAME, peak_bytes=None)))["peak memory"]
    assert (found.ruling, found.reason) == (Ruling.UNDECIDED, "no peak memory now: measured")
    assert (found.after, found.ratio) == (None, None)


def test_a_figure_that_was_missing_before_is_new_so_that_a_repair_is_not_undecided() -> None:
    (found,) = judged(of_one(FAILED), of_one(SAME))["launches"]
    assert (found.ruling, found.reason) == (Ruling.NEW, "no launches before: failed")
    assert (found.before, found.after, found.ratio) == (None, 100, None)


def test_a_figure_that_neither_side_has_is_none() -> None:
    assert judged(of_one(FAILED), of_one(FAILED)) == {}


def test_the_cost_of_what_is_wrong_is_judged_all_the_same() -> None:
    wrong = case_record(Status.WRONG, reason="off", launches=101)
    assert judged(of_one(SAME), of_one(wrong))["launches"][0].ruling is Ruling.REGRESSION


def test_a_new_case_has_nothing_to_be_held_against() -> None:
    found = judged(of_one(SAME), of_one(SAME, SAME))["launches"]
    assert [j.ruling for j in found] == [Ruling.PASS, Ruling.NEW]
    assert (found[1].before, found[1].after) == (None, 100)


def test_a_case_that_is_gone_or_was_not_asked_for_has_no_cost() -> None:
    assert judged(of_one(SAME), of_one()) == {}
    others = replace(TERMS, implementations=("two",))
    assert judged(of_one(SAME), of_one(SAME), others) == {}


# --- growth ---

Law = Callable[[int], float]
SIZES = (8, 12, 16, 20, 24, 32)


def series(elements: Law, sizes: Sequence[int] = SIZES, dims: int = 1) -> Recorded:
    return Recorded(
        cases={
            ("one", Case(batch_size=n, dims=dims)): case_record(elements=round(elements(n)))
            for n in sizes
        }
    )


def reasons(before: Recorded, after: Recorded) -> set[str | None]:
    """What is said behind the figures."""
    found = judged(before, after)["element work"]
    assert {j.ruling for j in found} == {Ruling.REGRESSION}
    return {str(j.reason).partition("; ")[2] or None for j in found}


def test_another_growth_law_is_named_where_the_sizes_tell_both() -> None:
    said = "over the suite's sizes its growth is N^3 now, and was N^2 before"
    assert reasons(series(lambda n: 5 * n**2), series(lambda n: n**3)) == {said}


def test_growth_by_the_same_law_or_at_too_few_sizes_is_told_by_its_ratio_alone() -> None:
    assert reasons(series(lambda n: n**3), series(lambda n: 2 * n**3)) == {None}
    few = SIZES[:4]
    assert reasons(series(lambda n: n**2, few), series(lambda n: n**3, few)) == {None}


def test_sizes_of_another_series_tell_nothing_of_a_growth() -> None:
    before, after = series(lambda n: n**2, SIZES[:4]), series(lambda n: n**3, SIZES[:4])
    other = series(lambda n: n**3, SIZES, dims=2)
    one, two = (Recorded(cases={**side.cases, **other.cases}) for side in (before, after))
    found = [j for j in judge_cost(one, two, TERMS) if j.ruling is Ruling.REGRESSION]
    assert len(found) == 4
    assert not any("growth" in str(j.reason) for j in found)


# --- all of it ---


def test_everything_without_noise_is_judged_together() -> None:
    side = of_one(SAME, SAME, ties=Verdict.PASS)
    found = judge_deterministic(side, side, TERMS)
    assert [j.figure for j in found].count("agreement") == 2
    assert [j.figure for j in found].count("verification") == 1
    assert len(found) == 2 + 1 + 2 * 3
    assert {j.ruling for j in found} == {Ruling.PASS}
    assert deterministic_notes(side, side, found, TERMS) == []


def test_notes_say_what_passed_and_is_not_simply_right() -> None:
    wrong = case_record(Status.WRONG, reason="off")
    before = of_one(wrong, SAME, SAME)
    after = of_one(wrong, replace(SAME, launches=99, elements=9), SAME)
    terms = replace(TERMS, torch_before="2.6.0", torch_now="2.13.0+cpu")
    notes = deterministic_notes(before, after, judge_deterministic(before, after, terms), terms)
    assert notes == [
        "torch was 2.6.0 and is 2.13.0+cpu: counts may differ by 2 %.",
        "one is not right in 1 case, as recorded.",
        "one costs less than recorded in 1 case: record the baseline again, or it may grow back "
        "unseen.",
    ]
    found = judge_deterministic(before, after, SESSION)
    assert deterministic_notes(before, after, found, SESSION) == [
        "one is not right in 1 case, as before."
    ]
