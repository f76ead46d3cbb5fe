"""Deterministic cost judged: launches and element work exactly, peak memory with an allowance."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.gate.baseline import deterministic_notes
from supcr_bench.gate.exact import judge_cost, judge_deterministic
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms, other_torch
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.gate import Evidence, GatedChange, GateVerdict
from supcr_bench.values.metrics import MOST_INSTRUCTIONS
from supcr_bench.values.result import Status
from supcr_bench.verification.outcome import Verdict
from tests.gate.made_runs import CASE, SESSION, TERMS, made_case, made_run, of_one

SAME = made_case()
FAILED = made_case(Status.FAILED, reason="IndexError")
DISPATCHED = "dispatched operations"


def judged(before: Run, after: Run, terms: Terms = TERMS) -> dict[str, list[GatedChange]]:
    found: dict[str, list[GatedChange]] = {}
    for change in judge_cost(before, after, terms):
        assert change.evidence is Evidence.COST
        found.setdefault(change.metric, []).append(change)
    return found


def changed(terms: Terms = TERMS, torch: str = "2.13.0", **counts: Any) -> dict[str, GatedChange]:
    """One case, with those counts after, and the same before as ever."""
    found = judged(of_one(SAME), of_one(made_case(**counts), torch=torch), terms)
    return {figure: change for figure, (change,) in found.items()}


def test_the_same_counts_pass_in_all_three_figures() -> None:
    found = changed()
    assert set(found) == {"dispatched_ops", "elements_processed", "memory"}
    for change in found.values():
        assert (change.verdict, change.reason) == (GateVerdict.PASS, None)
        assert change.ratio == 1
        assert change.before == change.after
        assert change.low is change.high is None
        assert str(change.command).startswith("supcr-bench run ci -i one")


@pytest.mark.parametrize(
    ("field", "count", "figure", "reason"),
    [
        (
            "dispatched_ops",
            101,
            "dispatched_ops",
            "dispatched operations grew from 100 to 101, by 1%",
        ),
        (
            "dispatched_ops",
            5000,
            "dispatched_ops",
            "dispatched operations grew from 100 to 5,000, x50",
        ),
        (
            "elements_processed",
            10_001,
            "elements_processed",
            "elements processed grew from 10,000 to 10,001, by 0.01%",
        ),
        (
            "peak_bytes",
            101_001,
            "memory",
            "peak memory grew from 100 kB to 101 kB, by 1.001%, where 1% is allowed",
        ),
    ],
)
def test_a_count_that_grew_is_a_regression_of_that_figure_alone(
    field: str, count: int, figure: str, reason: str
) -> None:
    counts: dict[str, Any] = {field: count}
    found = changed(**counts)
    assert found[figure].verdict is GateVerdict.REGRESSION
    assert found[figure].reason == reason
    assert found[figure].after == count
    assert found[figure].ratio == pytest.approx(count / (found[figure].before or 0))
    assert {j.verdict for name, j in found.items() if name != figure} == {GateVerdict.PASS}


def test_peak_memory_may_grow_by_what_is_allowed() -> None:
    roomy = replace(TERMS, given={"max_memory_growth": 0.1})
    assert changed(peak_bytes=101_000)["memory"].verdict is GateVerdict.PASS
    assert changed(peak_bytes=101_001)["memory"].verdict is GateVerdict.REGRESSION
    assert changed(roomy, peak_bytes=110_000)["memory"].verdict is GateVerdict.PASS
    assert changed(roomy, peak_bytes=110_001)["memory"].verdict is GateVerdict.REGRESSION
    assert changed(roomy, dispatched_ops=101)["dispatched_ops"].verdict is GateVerdict.REGRESSION


def test_under_another_torch_every_count_may_differ_a_little() -> None:
    within: dict[str, Any] = {
        "dispatched_ops": 102,
        "elements_processed": 10_200,
        "peak_bytes": 102_000,
    }
    assert TORCH_ALLOWANCE == 0.02
    assert {j.verdict for j in changed(torch="2.6.0", **within).values()} == {GateVerdict.PASS}
    more: dict[str, Any] = {field: count + 1 for field, count in within.items()}
    beyond = changed(torch="2.6.0", **more)
    assert {j.verdict for j in beyond.values()} == {GateVerdict.REGRESSION}
    assert beyond["dispatched_ops"].reason == (
        f"{DISPATCHED} grew from 100 to 103, by 3%, where 2% is allowed; the version of torch "
        "differs too"
    )


def test_builds_of_one_torch_are_the_same_torch() -> None:
    for now, other in (("2.13.0+cu130", False), ("2.13.0", False), ("2.12.1+cpu", True)):
        assert other_torch(made_run(torch="2.13.0+cpu"), made_run(torch=now)) is other


def test_a_count_that_fell_passes_and_a_baseline_is_to_be_recorded_again() -> None:
    assert (
        changed(dispatched_ops=99)["dispatched_ops"].reason
        == "less than in the baseline; record again"
    )
    assert changed(SESSION, dispatched_ops=99)["dispatched_ops"].reason == "less than before"
    assert changed(dispatched_ops=99)["dispatched_ops"].verdict is GateVerdict.PASS


def test_what_has_no_answer_now_has_no_cost_for_its_agreement_says_so() -> None:
    assert judged(of_one(SAME), of_one(FAILED)) == {}


def test_a_figure_that_is_missing_now_is_undecided() -> None:
    (found,) = judged(of_one(SAME), of_one(replace(SAME, peak_bytes=None)))["memory"]
    assert (found.verdict, found.reason) == (GateVerdict.UNDECIDED, "no peak memory now: measured")
    assert (found.after, found.ratio) == (None, None)


def test_a_figure_that_was_missing_before_is_new_so_that_a_repair_is_not_undecided() -> None:
    (found,) = judged(of_one(FAILED), of_one(SAME))["dispatched_ops"]
    assert (found.verdict, found.reason) == (
        GateVerdict.NEW,
        "no dispatched operations before: failed",
    )
    assert (found.before, found.after, found.ratio) == (None, 100, None)


def test_a_figure_that_neither_side_has_is_none() -> None:
    assert judged(of_one(FAILED), of_one(FAILED)) == {}


def test_the_cost_of_what_is_wrong_is_judged_all_the_same() -> None:
    wrong = made_case(Status.WRONG, reason="off", dispatched_ops=101)
    assert (
        judged(of_one(SAME), of_one(wrong))["dispatched_ops"][0].verdict is GateVerdict.REGRESSION
    )


def test_a_new_case_has_nothing_to_be_held_against() -> None:
    found = judged(of_one(SAME), of_one(SAME, SAME))["dispatched_ops"]
    assert [j.verdict for j in found] == [GateVerdict.PASS, GateVerdict.NEW]
    assert (found[1].before, found[1].after) == (None, 100)


def test_a_case_that_is_gone_or_was_not_asked_for_has_no_cost() -> None:
    assert judged(of_one(SAME), of_one()) == {}
    others = replace(TERMS, implementations=("two",))
    assert judged(of_one(SAME), of_one(SAME), others) == {}


# --- growth ---

Law = Callable[[int], float]
SIZES = (8, 12, 16, 20, 24, 32)


def series(elements: Law, sizes: Sequence[int] = SIZES, dims: int = 1) -> Run:
    return made_run(
        replace(
            made_case(elements_processed=round(elements(n))),
            case=replace(CASE, batch_size=n, dims=dims, nan_density=0.0),
        )
        for n in sizes
    )


def reasons(before: Run, after: Run) -> set[str | None]:
    """What is said behind the figures."""
    found = judged(before, after)["elements_processed"]
    assert {j.verdict for j in found} == {GateVerdict.REGRESSION}
    return {str(j.reason).partition("; ")[2] or None for j in found}


def test_another_growth_law_is_named_where_the_sizes_tell_both() -> None:
    said = "its growth law is N^3 now, and was N^2 before"
    assert reasons(series(lambda n: 5 * n**2), series(lambda n: n**3)) == {said}


def test_growth_by_the_same_law_or_at_too_few_sizes_is_told_by_its_ratio_alone() -> None:
    assert reasons(series(lambda n: n**3), series(lambda n: 2 * n**3)) == {None}
    few = SIZES[:4]
    assert reasons(series(lambda n: n**2, few), series(lambda n: n**3, few)) == {None}


def test_sizes_of_another_series_tell_nothing_of_a_growth() -> None:
    before, after = series(lambda n: n**2, SIZES[:4]), series(lambda n: n**3, SIZES[:4])
    other = series(lambda n: n**3, SIZES, dims=2)
    one, two = (made_run([*side.results, *other.results]) for side in (before, after))
    found = [j for j in judge_cost(one, two, TERMS) if j.verdict is GateVerdict.REGRESSION]
    assert len(found) == 4
    assert not any("growth" in str(j.reason) for j in found)


# --- all of it ---


def test_everything_without_noise_is_judged_together() -> None:
    side = of_one(SAME, SAME, verdicts={"ties": Verdict.PASS})
    found = judge_deterministic(side, side, TERMS)
    assert [j.metric for j in found].count("agreement") == 2
    assert [j.metric for j in found].count("verification") == 1
    assert len(found) == 2 + 1 + 2 * 3
    assert {j.verdict for j in found} == {GateVerdict.PASS}
    assert deterministic_notes(side, side, found, TERMS) == []


def test_notes_say_what_passed_and_is_not_simply_right() -> None:
    wrong = made_case(Status.WRONG, reason="off")
    less = replace(SAME, dispatched_ops=99, elements_processed=9)
    before = of_one(wrong, SAME, SAME, torch="2.6.0")
    after = of_one(wrong, less, SAME, torch="2.13.0+cpu")
    notes = deterministic_notes(before, after, judge_deterministic(before, after, TERMS), TERMS)
    assert notes == [
        "torch was 2.6.0 and is 2.13.0+cpu: counts may differ by 2 %.",
        "one is wrong or fails in 1 case, as in the baseline.",
        "A cost of one is lower than recorded in 1 case: record the baseline again, or the gate "
        "will not see it grow back.",
    ]
    before = of_one(wrong, SAME, SAME, torch="2.13.0+cpu")
    found = judge_deterministic(before, after, SESSION)
    assert deterministic_notes(before, after, found, SESSION) == [
        "one is wrong or fails in 1 case, as before."
    ]


def instructions(count: int | None, python: str = "3.11.7") -> Run:
    run = of_one(made_case(python_instructions=count))
    return replace(run, info={"environment": {"torch": "2.13.0", "python": python}})


@pytest.mark.parametrize(
    ("count", "verdict", "reason"),
    [
        (1000, GateVerdict.PASS, None),
        (1050, GateVerdict.PASS, None),
        (1051, GateVerdict.REGRESSION, "grew from 1,000 to 1,051, by 5.1%, where 5% is allowed"),
        (MOST_INSTRUCTIONS, GateVerdict.REGRESSION, "from 1,000 to 1,000,000 or more, x1e+03"),
        (400, GateVerdict.PASS, "less than in the baseline; record again"),
    ],
)
def test_python_instructions_may_grow_by_little(
    count: int, verdict: GateVerdict, reason: str | None
) -> None:
    (change,) = judged(instructions(1000), instructions(count))["python_instructions"]
    assert change.verdict is verdict
    assert (reason or "") in (change.reason or "")


def test_python_instructions_of_another_python_or_of_none_are_not_judged() -> None:
    for before, after in (
        (instructions(1000, "3.12.1"), instructions(9000)),
        (instructions(None), instructions(9000)),
        (instructions(MOST_INSTRUCTIONS), instructions(MOST_INSTRUCTIONS)),
    ):
        assert "python_instructions" not in judged(before, after)
    other, now = instructions(1000, "3.12.1"), instructions(9000)
    assert deterministic_notes(other, now, (), TERMS) == [
        "Python instructions are not compared: Python 3.12, torch 2.13.0 before, and Python 3.11, "
        "torch 2.13.0 now."
    ]
    same = instructions(1000, "3.11.9")
    assert "python_instructions" in judged(same, now)
    assert deterministic_notes(same, now, (), TERMS) == []
