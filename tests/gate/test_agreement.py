"""Agreement judged: each case against the reference, and the checks of verification."""

from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.gate.exact import checks_to_repeat, judge_agreement, judge_verification
from supcr_bench.gate.terms import Terms
from supcr_bench.values.gate import Evidence, GatedChange, GateVerdict
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Diagnosis, Verdict
from tests.gate.made_runs import CASE, FIRST, SESSION, TERMS, made_case, made_run, of_one
from tests.made_verifications import (
    DIAGNOSIS,
    LATE,
    NEEDS_MARGIN,
    NOT_ROBUST,
    OFF,
    make_verification,
)

RIGHT = made_case()
WRONG = made_case(Status.WRONG, reason="the loss is 2 where the definition gives 1")
FAILED = made_case(Status.FAILED, reason="IndexError: index 8")
SKIPPED = made_case(Status.SKIPPED, reason="timed out at N=8 already")
TIMED_OUT = made_case(Status.TIMED_OUT, reason="a call took over 10 s")
FULL = made_case(Status.OUT_OF_MEMORY, reason="an allocation failed", memory_limit_bytes=100)
PASS, FAIL = Verdict.PASS, Verdict.FAIL
NOT_RUN, NOT_APPLICABLE = Verdict.NOT_RUN, Verdict.NOT_APPLICABLE


def judged(
    first: Result | None, second: Result | None, terms: Terms = TERMS
) -> tuple[GateVerdict, str | None]:
    (found,) = judge_agreement(of_one(first), of_one(second), terms)
    assert found.metric == "agreement"
    assert found.evidence is Evidence.AGREEMENT
    assert (found.implementation, found.case) == ("one", CASE)
    return found.verdict, found.reason


def test_what_was_right_and_is_passes_without_a_word() -> None:
    assert judged(RIGHT, RIGHT) == (GateVerdict.PASS, None)


@pytest.mark.parametrize("first", [RIGHT, SKIPPED, TIMED_OUT, FULL])
@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (WRONG, "became wrong: the loss is 2 where the definition gives 1"),
        (FAILED, "became failed: IndexError: index 8"),
    ],
)
def test_what_was_not_wrong_and_is_now_is_a_regression_with_its_reason(
    first: Result, second: Result, reason: str
) -> None:
    assert judged(first, second) == (GateVerdict.REGRESSION, reason)


@pytest.mark.parametrize("found", [WRONG, FAILED, SKIPPED, TIMED_OUT, FULL])
def test_what_was_not_right_and_still_is_not_is_no_worse_and_no_pass(found: Result) -> None:
    now = f"{found.status.words}: {found.reason}"
    assert judged(found, found) == (GateVerdict.UNCHANGED, f"as in the baseline, {now}")
    assert judged(found, found, SESSION) == (GateVerdict.UNCHANGED, f"as before, {now}")


def test_what_failed_and_is_wrong_now_is_no_worse_and_the_other_way_round_it_is() -> None:
    assert judged(FAILED, WRONG)[0] is GateVerdict.UNCHANGED
    ruling, reason = judged(WRONG, FAILED)
    assert (ruling, reason) == (
        GateVerdict.REGRESSION,
        "was wrong, and is now failed: IndexError: index 8",
    )


@pytest.mark.parametrize(
    ("before", "now", "ruling"),
    [
        (1.1, 1e9, GateVerdict.REGRESSION),
        (1.1, None, GateVerdict.REGRESSION),
        (1.1, 2.1, GateVerdict.UNCHANGED),
        (1e9, 1.1, GateVerdict.UNCHANGED),
        (None, None, GateVerdict.UNCHANGED),
    ],
)
def test_what_was_wrong_and_is_farther_off_is_a_regression(
    before: float | None, now: float | None, ruling: GateVerdict
) -> None:
    first, second = (replace(WRONG, value_tolerances=value) for value in (before, now))
    assert judged(first, second)[0] is ruling
    first, second = (replace(WRONG, gradient_tolerances=value) for value in (before, now))
    assert judged(first, second)[0] is ruling


@pytest.mark.parametrize("second", [SKIPPED, TIMED_OUT])
def test_a_call_that_is_stopped_now_is_a_regression_where_both_ran_on_one_machine(
    second: Result,
) -> None:
    reason = f"became {second.status.words}: {second.reason}"
    assert judged(RIGHT, second, SESSION) == (GateVerdict.REGRESSION, reason)


@pytest.mark.parametrize("first", [WRONG, FAILED, SKIPPED, TIMED_OUT, FULL])
def test_what_is_right_now_and_was_not_passes_and_asks_to_be_recorded(first: Result) -> None:
    before = first.status.replace("_", " ")
    assert judged(first, RIGHT) == (GateVerdict.PASS, f"now right; it was {before}; record again")
    assert judged(first, RIGHT, SESSION) == (GateVerdict.PASS, f"now right; it was {before}")


@pytest.mark.parametrize(
    ("before", "now", "ruling"),
    [
        (100, 100, GateVerdict.REGRESSION),
        (100, 200, GateVerdict.REGRESSION),
        (100, None, GateVerdict.REGRESSION),
        (100, 99, GateVerdict.UNDECIDED),
        (None, 100, GateVerdict.UNDECIDED),
    ],
)
def test_running_out_of_memory_is_a_regression_where_the_limit_is_no_tighter(
    before: int | None, now: int | None, ruling: GateVerdict
) -> None:
    first = replace(RIGHT, memory_limit_bytes=before)
    found, reason = judged(first, replace(FULL, memory_limit_bytes=now))
    assert found is ruling
    assert reason is not None
    assert "an allocation failed" in reason
    assert ("the memory limit was lower" in reason) is (ruling is GateVerdict.UNDECIDED)


@pytest.mark.parametrize("first", [RIGHT, WRONG, FAILED])
@pytest.mark.parametrize("second", [SKIPPED, TIMED_OUT])
def test_what_gave_no_answer_now_is_undecided_by_a_file_with_the_reason(
    first: Result, second: Result
) -> None:
    ended = second.status.replace("_", " ")
    assert judged(first, second) == (GateVerdict.UNDECIDED, f"{ended}: {second.reason}")


@pytest.mark.parametrize(
    ("second", "ruling", "reason"),
    [
        (RIGHT, GateVerdict.NEW, None),
        (WRONG, GateVerdict.REGRESSION, f"new, and wrong: {WRONG.reason}"),
        (FAILED, GateVerdict.REGRESSION, f"new, and failed: {FAILED.reason}"),
        (SKIPPED, GateVerdict.UNDECIDED, f"new, and skipped: {SKIPPED.reason}"),
        (FULL, GateVerdict.UNDECIDED, f"new, and out of memory: {FULL.reason}"),
    ],
)
def test_what_is_new_is_judged_by_itself(
    second: Result, ruling: GateVerdict, reason: str | None
) -> None:
    assert judged(None, second) == (ruling, reason)


def test_what_is_new_and_right_passes_where_the_revision_has_no_such_file() -> None:
    assert judged(None, RIGHT, SESSION) == (GateVerdict.NEW, None)
    assert judged(None, RIGHT, FIRST) == (GateVerdict.PASS, None)


def test_what_is_gone_is_undecided_if_it_was_asked_for() -> None:
    ruling, reason = judged(RIGHT, None)
    assert ruling is GateVerdict.UNDECIDED
    assert str(reason).startswith("not run now")
    others = replace(TERMS, implementations=("two",))
    assert judge_agreement(of_one(RIGHT), of_one(None), others) == []


def test_every_case_has_a_command_that_shows_it_again() -> None:
    terms = replace(TERMS, suite="my suite.toml")
    (found,) = judge_agreement(of_one(RIGHT), of_one(WRONG), terms)
    assert found.command == (
        "supcr-bench run 'my suite.toml' -i one --no-verify --batch-size 16 --pass training "
        "--dims 2 --nan-density 0.2"
    )
    own = replace(CASE, labels="file:0123456789ab", nan_density=None, device="cuda:1")
    assert terms.run_command("a.py:Loss", own) == (
        "supcr-bench run 'my suite.toml' -i a.py:Loss --no-verify --batch-size 16 "
        "--pass training --device cuda:1"
    )
    unusual = replace(CASE, labels="tied", dtype="float64", embedding_norm=1e3)
    unusual = replace(unusual, temperature=0.1, own_temperature=False)
    for name in ("labels=tied", "dtype=float64", "temperature=0.1", "embedding_norm=1000"):
        assert f" --set {name}" in terms.run_command("a.py:Loss", unusual)
    # A suite may have others in place of usual values that the gate was asked for.
    terms = replace(terms, gate_options=("--set", "dtype=float32", "--device", "cpu"))
    said = terms.run_command("a.py:Loss", CASE)
    assert "--device cpu" in said and "--set dtype=float32" in said


# --- verification ---


def verified(
    first: dict[str, Verdict],
    second: dict[str, Verdict],
    terms: Terms = TERMS,
    *,
    definition: str = "torchcell",
    diagnosis: Diagnosis | None = None,
    **outcomes: dict[str, Any],
) -> GatedChange:
    """Verdicts before and now, of an implementation with a case on both sides.

    Args:
        outcomes: fields of an outcome now, by the name of its check.
    """
    now = of_one(RIGHT, verdicts=second)
    assert now.verification
    found = now.verification["one"]
    made = tuple(replace(o, **outcomes.get(o.check, {})) for o in found.outcomes)
    found = replace(found, outcomes=made, definition=definition, diagnosis=diagnosis)
    after = replace(now, verification={"one": found})
    (change,) = judge_verification(of_one(RIGHT, verdicts=first), after, terms)
    assert change.metric == "verification"
    assert change.case is None
    assert change.evidence is Evidence.AGREEMENT
    return change


def test_checks_that_pass_as_before_pass_without_a_word() -> None:
    verdicts = {"ties": PASS, "weights": PASS, "no_grad": NOT_APPLICABLE}
    found = verified(verdicts, verdicts)
    assert (found.verdict, found.reason) == (GateVerdict.PASS, None)
    assert found.command == "supcr-bench verify one --definition torchcell"


def test_a_check_that_fails_now_is_a_regression_that_names_it_the_finding_and_the_cause() -> None:
    before = {"ties": PASS, "weights": PASS, "strides": FAIL}
    now = {"ties": FAIL, "weights": FAIL, "strides": FAIL}
    found = verified(
        before,
        now,
        diagnosis=DIAGNOSIS,
        ties={"finding": "the loss is off", "case": "N=4"},
        weights={"finding": "off too"},
    )
    assert found.verdict is GateVerdict.REGRESSION
    assert found.reason == (
        "fails ties, weights. Most likely: the wrong sign. Smallest failing case found: N=2. "
        "ties: the loss is off (N=4)"
    )


def test_checks_that_failed_before_and_still_do_are_no_regression_and_are_said() -> None:
    found = verified({"ties": FAIL, "weights": PASS}, {"ties": FAIL, "weights": PASS})
    assert (found.verdict, found.reason) == (
        GateVerdict.PASS,
        "still fails ties, as in the baseline",
    )


def test_checks_that_make_it_wrong_and_failed_before_leave_it_unchanged() -> None:
    before, now = {"value": FAIL, "ties": PASS}, {"value": FAIL, "ties": PASS}
    found = verified(before, now, value={"group": "definition"})
    assert (found.verdict, found.reason) == (
        GateVerdict.UNCHANGED,
        "still fails value, as in the baseline",
    )


def test_a_check_that_was_ended_for_its_time_is_undecided_for_the_machine_may_be_busy() -> None:
    found = verified(
        {"ties": PASS}, {"ties": FAIL}, ties={"finding": "took over 20 s", "overdue": True}
    )
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "not checked: ties (took over 20 s)"


def test_what_can_no_longer_be_called_is_a_regression() -> None:
    before, now = of_one(RIGHT, verdicts={"ties": PASS}), of_one(RIGHT, verdicts={})
    found = make_verification("one", uncallable=NEEDS_MARGIN)
    after = replace(now, verification={"one": found})
    (change,) = judge_verification(before, after, TERMS)
    assert (change.verdict, change.reason) == (GateVerdict.REGRESSION, str(NEEDS_MARGIN))
    (change,) = judge_verification(after, after, TERMS)
    assert change.verdict is GateVerdict.UNCHANGED


def test_a_diagnosis_that_fails_is_no_check() -> None:
    now = {"ties": FAIL, "diagnosis": FAIL}
    assert verified({"ties": FAIL}, now).verdict is GateVerdict.PASS
    assert checks_to_repeat(of_one(verdicts=now)) == {"one": ["ties"]}


def test_checks_that_pass_now_and_did_not_are_said() -> None:
    found = verified({"ties": FAIL}, {"ties": PASS})
    assert (found.verdict, found.reason) == (GateVerdict.PASS, "passes ties now; record again")


@pytest.mark.parametrize("now", [NOT_RUN, NOT_APPLICABLE])
def test_a_check_that_passed_and_was_not_made_is_undecided(now: Verdict) -> None:
    found = verified({"ties": PASS}, {"ties": now}, ties={"finding": "no time was left"})
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "not checked: ties (no time was left)"


def test_a_check_that_was_never_run_stays_undecided_and_one_that_never_applied_does_not() -> None:
    assert verified({"ties": NOT_RUN}, {"ties": NOT_RUN}).verdict is GateVerdict.UNDECIDED
    assert verified({"ties": NOT_APPLICABLE}, {"ties": NOT_APPLICABLE}).verdict is GateVerdict.PASS


def test_a_check_that_is_no_more_is_undecided() -> None:
    found = verified({"ties": PASS, "weights": PASS}, {"weights": PASS})
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "not checked: ties (there is no such check now)"


@pytest.mark.parametrize("before", [{}, {"ties": NOT_RUN}, {"ties": NOT_APPLICABLE}])
def test_a_check_that_fails_and_was_not_made_before_is_undecided(
    before: dict[str, Verdict],
) -> None:
    found = verified({"weights": PASS, **before}, {"weights": PASS, "ties": FAIL})
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "fails ties, and whether it did before is not known; record again"


def test_a_regression_outweighs_what_was_not_run() -> None:
    found = verified({"ties": PASS, "weights": PASS}, {"ties": FAIL, "weights": NOT_RUN})
    assert found.verdict is GateVerdict.REGRESSION


def test_one_that_cannot_be_loaded_any_more_is_a_regression() -> None:
    found = verified(
        {"ties": PASS},
        {"loading": FAIL},
        definition="none",
        loading={"finding": "one cannot be imported: SyntaxError"},
    )
    assert found.verdict is GateVerdict.REGRESSION
    assert str(found.reason) == "fails loading. loading: one cannot be imported: SyntaxError"


def test_checks_by_another_definition_are_not_compared() -> None:
    found = verified({"ties": PASS}, {"ties": FAIL}, definition="no-self")
    assert found.verdict is GateVerdict.UNDECIDED
    assert found.reason == "compared with the definition no-self now, and with torchcell before"


def verification_of(*failing: Any, known: bool = True, terms: Terms = TERMS) -> GatedChange:
    """Of one that was not verified before."""
    after = made_run([], [make_verification("one", *failing, diagnosis=DIAGNOSIS)])
    (found,) = judge_verification(of_one(RIGHT) if known else made_run(), after, terms)
    return found


def test_of_one_that_was_not_verified_before_what_is_not_right_is_a_regression() -> None:
    found = verification_of(OFF, known=False)
    assert found.verdict is GateVerdict.REGRESSION
    assert found.reason == (
        "new, and fails ties. Most likely: the wrong sign. Smallest failing case found: N=2. "
        "ties: the loss is off (N=4)"
    )


def test_of_one_that_was_not_verified_before_the_rest_is_said() -> None:
    assert verification_of().verdict is GateVerdict.NEW
    assert verification_of(known=False, terms=SESSION).verdict is GateVerdict.NEW
    assert verification_of(known=False, terms=FIRST).verdict is GateVerdict.PASS
    not_robust = verification_of(NOT_ROBUST)
    assert not_robust.verdict is GateVerdict.NEW
    assert not_robust.reason == "not robust: fails low temperature"
    assert verification_of(LATE).verdict is GateVerdict.UNDECIDED


def test_in_one_session_the_side_before_need_not_be_verified_where_nothing_fails_now() -> None:
    assert verification_of(terms=SESSION).verdict is GateVerdict.PASS


def test_what_fails_now_has_to_be_asked_of_the_side_before() -> None:
    after = made_run([], [make_verification("one", OFF, NOT_ROBUST), make_verification("two")])
    assert checks_to_repeat(after) == {"one": ["ties", "low temperature"]}


def test_one_that_is_not_verified_now_is_undecided_and_one_that_never_was_is_not_mentioned() -> (
    None
):
    (found,) = judge_verification(of_one(RIGHT, verdicts={"ties": PASS}), of_one(RIGHT), TERMS)
    assert (found.verdict, found.reason) == (GateVerdict.UNDECIDED, "not verified now")
    assert judge_verification(of_one(RIGHT), of_one(RIGHT), TERMS) == []
