"""The verifier verified: seeded bugs are caught and named, right implementations pass."""

import pytest

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import get_definition
from supcr_bench.verification.bugs.catalogue import BUGS, RIGHT, SeededBug
from supcr_bench.verification.bugs.right import RankedContrast
from supcr_bench.verification.diagnosis import computed_in_float32, explain, probes
from supcr_bench.verification.formula import Formula
from supcr_bench.verification.outcome import GROUPS, Verdict
from supcr_bench.verification.run_checks import all_checks, run_check
from supcr_bench.verification.self_test import verify_bug
from supcr_bench.verification.verifier import Verifier

NAMEABLE = [bug for bug in BUGS if bug.named]
ids = [bug.name for bug in BUGS]


def verifier_of(bug: SeededBug) -> Verifier:
    return Verifier.for_definition(bug.name, bug.factory, get_definition(bug.definition))


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_seeded_bug_is_caught_by_its_kind_of_check(bug: SeededBug) -> None:
    bench = verifier_of(bug).bench
    checks = [check for check in all_checks() if check.group == bug.caught_by]
    assert any(run_check(check, bench)[0].verdict is Verdict.FAIL for check in checks)


@pytest.mark.parametrize("bug", NAMEABLE, ids=[bug.name for bug in NAMEABLE])
def test_a_bug_with_a_name_is_called_by_it(bug: SeededBug) -> None:
    bench = verifier_of(bug).bench
    base = Formula.of(bench.definition)
    found = explain(base, bench, probes(bench))
    causes = found.causes if found else ()
    assert (causes or computed_in_float32(base, bench)) == (bug.named,)


@pytest.mark.parametrize("factory", RIGHT)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_right_implementation_passes_every_check(
    factory: type[RankedContrast], seed: int
) -> None:
    definition = get_definition(factory.DEFINITION)
    verifier = Verifier.for_definition(factory.__name__, factory, definition, seed)
    outcomes = [verifier.run(check) for check in all_checks()]
    assert [o for o in outcomes if o.verdict is Verdict.FAIL] == []
    assert sum(o.left_out for o in outcomes) == 0
    assert verifier.diagnose(outcomes) is None


def test_every_check_has_a_name_a_reason_and_a_kind() -> None:
    checks = all_checks()
    assert len({check.name for check in checks}) == len(checks) >= 36
    assert all(check.why and check.group in GROUPS for check in checks)


def test_every_check_but_that_of_a_claim_nobody_makes_catches_some_bug() -> None:
    # One bug that the check catches and that is quick to verify.
    caught_by = {
        "permutation": "odd-row-dropped",
        "label transformations": "labels-rounded",
        "embedding scale": "dot-product",
        "rotation": "columns-normalised",
        "zero columns": "scaled-by-columns",
        "swapped views": "first-view-twice",
        "unlabelled row": "selected-by-multiplication",
        "duplicated dimension": "averaged-twice",
        "identical embeddings": "self-always",
        "two rows": "self-always",
        "bounds": "strict-inequality",
        "tangent gradient": "dot-product",
        "gradcheck": "gradient-doubled",
        "published output": "weights-ignored",
        "edge embeddings": "norm-plus-constant",
        "missing labels": "nan-filled-with-zero",
        "weights": "weights-not-normalised",
        "ties": "ties-by-position",
        "no grad": "gradient-in-forward",
        "strides": "contiguity-assumed",
        "memory growth": "outputs-kept",
        "inputs unmodified": "labels-filled-in-place",
        "random state": "generator-seeded",
        "repeatability": "candidates-of-the-first-call",
        "no cached outputs": "output-by-address",
        "device": "weights-stay-behind",
        "low temperature": "exponentials-overflow",
        "label magnitude": "labels-in-float32",
        "float64 accuracy": "float32-inside",
        "low precision": "half-unsupported",
        "all labels missing": "no-graph-without-pairs",
        "non-finite inputs": "nan-embeddings-hidden",
        "default weights": "two-dimensions-by-default",
        "random cases": "temperature-hard-coded",
        "large batches": "last-chunk-dropped",
    }
    by_name = {bug.name: bug for bug in BUGS}
    checks = {check.name: check for check in all_checks()}
    assert set(checks) - set(caught_by) == {"torch.compile"}
    missed = [
        name
        for name, bug in caught_by.items()
        if run_check(checks[name], verifier_of(by_name[bug]).bench)[0].verdict is not Verdict.FAIL
    ]
    assert missed == []


def test_the_notes_implementation_is_right_by_its_definition_and_not_by_no_self() -> None:
    found = load(locate("broadcast"))
    verifier = Verifier.for_definition("broadcast", found.factory, get_definition("torchcell"))
    outcomes = {o.check: o for o in (verifier.run(check) for check in all_checks())}
    failed = {name for name, o in outcomes.items() if o.verdict is Verdict.FAIL}
    assert failed == {
        "all labels missing",
        "default weights",
        "low temperature",
        "non-finite inputs",
    }
    no_self = Verifier.for_definition("broadcast", found.factory, get_definition("no-self"))
    ties = next(check for check in all_checks() if check.name == "ties")
    outcome = no_self.run(ties)
    diagnosis = no_self.diagnose([outcome])
    assert outcome.verdict is Verdict.FAIL
    assert diagnosis is not None
    assert diagnosis.causes == (
        "the anchor itself among the candidates when the partner's label ties with it",
    )
    assert diagnosis.smallest == "2 rows, 1 label dimension, 2 columns"
    assert diagnosis.snippet is not None
    assert "YourLoss(temperature=0.1" in diagnosis.snippet


def test_a_bug_of_size_is_said_to_be_one_and_its_snippet_is_a_program() -> None:
    bug = next(bug for bug in BUGS if bug.name == "last-chunk-dropped")
    row, verification = verify_bug(bug)
    assert row.caught
    assert row.named is None
    assert not verification
    assert verification.diagnosis is not None
    assert verification.diagnosis.causes == ()
    assert "wrong from N=" in str(verification.diagnosis.where)
    compile(str(verification.diagnosis.snippet), "snippet", "exec")


def test_numbers_that_change_from_call_to_call_are_put_down_to_no_formula() -> None:
    bug = next(bug for bug in BUGS if bug.name == "noisy-loss")
    assert verify_bug(bug)[0].diagnosed == ()
