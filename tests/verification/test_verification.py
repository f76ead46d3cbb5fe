"""Verifications as a verdict, sentences and tables."""

import json
from dataclasses import replace

import pytest

from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.verification import (
    Verification,
    checks_sentence,
    checks_table,
    details,
    exit_status,
    verified_table,
)
from tests.made_verifications import (
    CHOSEN,
    DIAGNOSIS,
    HUNG,
    LATE,
    NEEDS_MARGIN,
    NOT_ROBUST,
    OFF,
    OFFICIAL,
    STRICT,
    make_verification,
)
from tests.table_marks import group_starts, toned

CALLED = "; called as (features [N,2,d], labels) with 1 and 3 label dimensions."


def lines(found: Verification, *, every: bool = False) -> list[str]:
    return [text for text, _ in details(found, every=every)]


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        (make_verification(recognised=OFFICIAL), f"one is right: rank-n-contrast{CALLED}"),
        (make_verification(), "one is right: torchcell."),
        (
            make_verification(recognised=CHOSEN),
            f"one is right: rank-n-contrast with cosine similarity and eps 1e-08 added{CALLED}",
        ),
        (
            make_verification(recognised=STRICT),
            "one is not right: rank-n-contrast, but ties with the partner are no candidates "
            f"(strict inequality){CALLED}",
        ),
        (
            make_verification(
                recognised=replace(CHOSEN, faults=("the sign is reversed", "rows interleave"))
            ),
            "one is not right: rank-n-contrast, but "
            f"the sign is reversed and rows interleave{CALLED}",
        ),
        (
            make_verification("one", OFF, diagnosis=DIAGNOSIS),
            "one is not right: torchcell, but the wrong sign.",
        ),
        (
            make_verification("one", OFF, recognised=OFFICIAL),
            f"one is not right: rank-n-contrast, but 1 of 2 checks failed: ties{CALLED}",
        ),
        (
            make_verification("one", NOT_ROBUST, strict=True, ranks=2),
            "one over 2 ranks is not right: torchcell, but 1 of 2 checks failed: low temperature.",
        ),
        (
            make_verification("one", LATE),
            "one is undecided: torchcell so far, with 1 of 2 checks not made.",
        ),
        (
            make_verification(uncallable=NEEDS_MARGIN),
            "one cannot be constructed: it needs margin. Fill it in.",
        ),
    ],
)
def test_the_headline_gives_verdict_definition_departures_and_call(
    found: Verification, headline: str
) -> None:
    assert found.headline == headline
    assert bool(found) is (found.verdict == "right")


def test_what_only_took_too_long_is_undecided_and_a_fault_is_not() -> None:
    hung = replace(make_verification(definition="none"), outcomes=(HUNG,))
    assert hung.headline == "one is undecided: recognition took over 10 s."
    assert exit_status([hung]) == 3
    assert make_verification("one", replace(LATE, overdue=True), OFF).verdict == "not right"
    late_on_robustness = make_verification("one", replace(LATE, group="robustness"))
    assert late_on_robustness.verdict == "right"
    assert replace(late_on_robustness, strict=True).verdict == "undecided"


def test_of_several_what_is_not_right_decides_the_exit_status() -> None:
    right, late = make_verification(), make_verification("one", LATE)
    uncallable, wrong = make_verification(uncallable=NEEDS_MARGIN), make_verification("one", OFF)
    assert exit_status([right, right]) == 0
    assert exit_status([right, late]) == 3
    assert exit_status([late, uncallable, right]) == 2
    assert exit_status([uncallable, wrong, late]) == 1


@pytest.mark.parametrize("recognised", [None, STRICT])
def test_a_verification_is_read_as_it_was_written(recognised: object) -> None:
    found = make_verification("one", OFF, LATE, diagnosis=DIAGNOSIS, recognised=recognised)
    values = json.loads(json.dumps(found.to_mapping()))
    assert (values["passed"], values["verdict"]) == (False, "not right")
    assert Verification.from_mapping(values) == found
    uncallable = make_verification(uncallable=NEEDS_MARGIN)
    again = Verification.from_mapping(json.loads(json.dumps(uncallable.to_mapping())))
    assert again.headline == uncallable.headline


def test_an_old_verification_with_a_sentence_on_its_definition_is_read() -> None:
    values = make_verification("one", OFF).to_mapping() | {"recognised": "as in `no-self`"}
    values["diagnosis"] = {"causes": [], "where": "wrong from N=33", "smallest": "N=2"}
    found = Verification.from_mapping(values)
    assert found.recognised is None
    assert found.diagnosis == Diagnosis(smallest="N=2")


def raising(*checks: str) -> list[Outcome]:
    return [
        Outcome.ended(name, "definition", f"raises KeyError: {i}") for i, name in enumerate(checks)
    ]


def test_an_exception_is_told_once() -> None:
    found = make_verification("one", *raising("a", "b", "c", "d"), OFF)
    assert lines(found) == [
        "At fault: raised in 4 of 6 checks: KeyError: 0",
        "At fault: ties: the loss is off (N=4)",
    ]
    assert lines(make_verification("one", *raising("a", "b"))) == [
        "At fault: a, b: raises KeyError: 0"
    ]


def test_known_causes_stand_for_the_checks_that_they_fail() -> None:
    outcomes = (*raising("a"), OFF, NOT_ROBUST)
    found = make_verification(
        "one", *outcomes, recognised=replace(CHOSEN, faults=("x",)), diagnosis=DIAGNOSIS
    )
    choices = "By choice, which is no fault: cosine similarity and eps 1e-08 added."
    raised, smallest = "At fault: a: raises KeyError: 0", "Smallest failing case found: N=2."
    assert lines(found) == [
        choices,
        raised,
        smallest,
        "Robustness checks fail too: low temperature.",
    ]
    assert lines(found, every=True) == [
        choices,
        raised,
        "At fault: ties: the loss is off (N=4)",
        smallest,
        "Not robust: low temperature: the loss is nan",
    ]


@pytest.mark.parametrize(
    ("fault", "scales"),
    [
        ("a constant factor of 28.57", True),
        ("divided by a further N^2", True),
        ("divided by the temperature", True),
        ("the loss divided by the temperature", True),
        ("the loss multiplied by the temperature over 0.07", True),
        ("similarities divided by the temperature squared", False),
        ("similarities multiplied by the temperature in place of divided", False),
        ("a constant factor of -1", False),
        ("strict inequality", False),
    ],
)
def test_a_factor_is_said_to_change_only_the_step_size(fault: str, scales: bool) -> None:
    found = make_verification(recognised=replace(OFFICIAL, faults=(fault,)))
    said = "A factor on the loss changes only the step size of training."
    assert (said in lines(found)) is scales


@pytest.mark.parametrize(
    "fault",
    ["the loss is negated: training goes the wrong way", "the gradient has the wrong sign"],
)
def test_a_factor_beside_a_wrong_sign_is_not_said_to_change_only_the_step_size(fault: str) -> None:
    faults = (fault, "a constant factor of 2")
    found = make_verification(recognised=replace(OFFICIAL, faults=faults))
    assert "A factor on the loss changes only the step size of training." not in lines(found)


def test_what_is_right_and_not_robust_says_where() -> None:
    found = make_verification("one", NOT_ROBUST, diagnosis=DIAGNOSIS)
    assert found.verdict == "right"
    assert lines(found) == [
        "Most likely: the wrong sign.",
        "Smallest failing case found: N=2.",
        "Not robust: low temperature: the loss is nan",
    ]
    assert checks_sentence(found) == (
        "Checks: 1 passed, 1 failed on robustness alone, 1 not applicable."
    )


def test_checks_that_were_not_made_share_their_reason() -> None:
    end, why = Verdict.NOT_RUN, "no time was left"
    skipped = [Outcome(name, "conduct", end, finding=why) for name in ("a", "b")]
    assert lines(make_verification("one", *skipped)) == ["Not made: a, b: no time was left"]


def test_as_text_and_html_the_verdict_comes_first_and_the_program_last() -> None:
    found = make_verification("one", OFF, diagnosis=DIAGNOSIS)
    assert str(found).splitlines() == [
        "one is not right: torchcell, but the wrong sign.",
        "Smallest failing case found: N=2.",
        "",
        "print(1 < 2)",
    ]
    html = found._repr_html_()
    assert html.startswith("<p>one is not right: torchcell, but the wrong sign.</p>")
    assert html.endswith("<pre>print(1 &lt; 2)</pre>")
    assert "<table>" in html
    wrapper = make_verification(uncallable=NEEDS_MARGIN)._repr_html_()
    assert "<pre>def one(): ...</pre>" in wrapper


def test_every_check_is_a_row_and_what_failed_stands_out() -> None:
    table = checks_table(make_verification("one", OFF, NOT_ROBUST))
    assert table.title == "one, by the definition torchcell"
    assert table.texts[0] == ("definition", "weights", "pass", "9", "0.5")
    assert table.texts[2] == ("definition", "ties", "fail", "1 of 4 wrong", "7.5")
    assert toned(table, "bad") == {(2, 2), (3, 2)}
    assert toned(table, "quiet") == {(1, column) for column in range(5)}
    assert group_starts(table) == {1, 2, 3}


def test_several_at_a_glance_count_the_checks_that_failed() -> None:
    table = verified_table(
        [
            make_verification("fine", NOT_ROBUST),
            make_verification("off", OFF, NOT_ROBUST),
            make_verification("late", LATE, recognised=CHOSEN),
            replace(
                make_verification("needy", uncallable=NEEDS_MARGIN, definition="none"), outcomes=()
            ),
        ]
    )
    assert table.texts == (
        ("fine", "right", "torchcell", "0", "1"),
        ("off", "not right", "torchcell", "1", "1"),
        ("late", "undecided", "rank-n-contrast", "0", "0"),
        ("needy", "cannot be called", "-", "-", "-"),
    )
    assert toned(table, "bad") == {(1, 1), (1, 3)}
    assert toned(table, "good") == {(0, 1)}


def test_a_check_that_crashed_failed_and_one_that_took_too_long_was_not_made() -> None:
    crashed = Outcome.ended("ties", "definition", "the worker ended")
    late = Outcome.ended("ties", "definition", "took over 10 s", overdue=True)
    assert (crashed.verdict, crashed.failed, crashed.overdue) == (Verdict.FAIL, 1, False)
    assert (late.verdict, late.failed, late.overdue) == (Verdict.NOT_RUN, 0, True)
