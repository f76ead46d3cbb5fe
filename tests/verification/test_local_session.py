"""The verifier verified: seeded bugs are caught and named, right implementations pass."""

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest

from supcr_bench.reference.compare import Trial
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import NO_SELF
from supcr_bench.verification import local_session
from supcr_bench.verification.bugs.catalogue import (
    BUGS,
    RIGHT,
    SelfTestRow,
    as_implementation,
    bug_session,
)
from supcr_bench.verification.bugs.right import (
    RankedContrast,
    RightNoSelf,
    RightRankNContrast,
)
from supcr_bench.verification.bugs.seeded_bug import SeededBug
from supcr_bench.verification.checks import all_checks
from supcr_bench.verification.context import Check, CheckContext
from supcr_bench.verification.diagnosis import find_causes
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Group, Verdict


def opened(bug: SeededBug) -> LocalSession:
    session = bug_session(bug)
    session.open()
    return session


def until_one_fails(check: Check) -> Check:
    """The check without the trials after the first that fails, with which its verdict is given."""

    def run(context: CheckContext) -> Iterator[Trial]:
        for trial in check.run(context):
            yield trial
            if trial.failed:
                return

    return replace(check, run=run)


CATCHES = {
    "permutation": "odd-row-dropped",
    "label transformations": "labels-rounded",
    "embedding scale": "dot-product",
    "rotation": "columns-normalised",
    "zero columns": "scaled-by-columns",
    "swapped views": "first-view-twice",
    "unlabelled row": "nan-filled-with-zero",
    "unlabelled NaN row": "selected-by-multiplication",
    "duplicated dimension": "averaged-twice",
    "identical embeddings": "self-always",
    "two rows": "self-always",
    "bounds": "strict-inequality",
    "tangent gradient": "dot-product",
    "gradcheck": "gradient-doubled",
    "published output": "weights-ignored",
    "edge embeddings": "dot-product",
    "small distances": "norm-plus-constant",
    "missing labels": "nan-filled-with-zero",
    "plausible numbers": "rnc-missing-label-as-zero",
    "label dimensions": "rnc-first-label-only",
    "process settings": "process-setting-changed",
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
    "evaluation mode": "colder-in-evaluation",
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
"""For each check, a bug that it catches and that is quick to verify."""
OF_SIZE = ("ranks-in-eight-bits", "candidates-capped")
"""Bugs that only large batches show, which come last."""
SHRUNK = "last-chunk-dropped"
"""A bug of size, for which a test below has a smaller case and a program found."""


@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if bug.name != SHRUNK], ids=lambda bug: bug.name
)
def test_a_seeded_bug_is_caught_by_its_kind_of_check_and_named(
    bug: SeededBug, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = [until_one_fails(check) for check in all_checks()]
    monkeypatch.setattr(local_session, "all_checks", lambda: checks)
    session = opened(bug)
    catching = [name for name, caught in CATCHES.items() if caught == bug.name]
    outcomes = [session.make(name) for name in catching]
    assert {outcome.verdict for outcome in outcomes} <= {Verdict.FAIL}
    others = [c.name for c in all_checks() if c.group == bug.caught_by and c.name not in catching]
    of_size = bug.name in OF_SIZE
    others.sort(key=lambda name: (of_size and name != "large batches", name == "gradcheck"))
    assert any(outcome.group == bug.caught_by for outcome in outcomes) or any(
        session.make(name).verdict is Verdict.FAIL for name in others
    )
    if bug.named is None:
        return
    (cause,) = find_causes(session.context)
    assert bug.named in cause


@pytest.mark.parametrize(("factory", "seed"), list(zip(RIGHT, (0, 1, 0), strict=True)))
def test_a_right_implementation_passes_every_check(
    factory: type[RankedContrast], seed: int
) -> None:
    """One makes that of large batches; ``bugs/test_catalogue.py`` has the others right on them."""
    large = {"large batches"} if factory is not RightRankNContrast else set()
    checks = {check.name for check in all_checks()} - large
    session = LocalSession(as_implementation(factory, "right"), seed=seed, only=checks)
    found = session.verified()
    assert [o for o in found.outcomes if o.verdict is Verdict.FAIL] == []
    assert sum(o.left_out for o in found.outcomes) == 0
    assert {outcome.check for outcome in found.outcomes} == checks


def test_every_check_has_a_name_a_reason_and_a_kind() -> None:
    checks = all_checks()
    assert len({check.name for check in checks}) == len(checks) >= 36
    assert all(check.run.__doc__ and check.group in get_args(Group) for check in checks)


def test_every_check_but_that_of_a_claim_nobody_makes_catches_some_bug() -> None:
    """The test of that bug has the check catch it."""
    assert {check.name for check in all_checks()} - set(CATCHES) == {"torch.compile"}
    assert set(CATCHES.values()) <= {bug.name for bug in BUGS}


@pytest.mark.parametrize(
    ("name", "others"), [("broadcast", ()), ("rowsort", ("float64 accuracy",))]
)
def test_the_notes_implementation_is_right_by_its_definition(
    name: str, others: tuple[str, ...]
) -> None:
    # Large batches are slow for one of them, and none of its findings.
    only = {check.name for check in all_checks() if not check.slow} if name == "rowsort" else None
    found = LocalSession(load(locate(name)), only=only).verified()
    assert found
    assert {o.check for o in found.findings} == {
        "all labels missing",
        "default weights",
        "low temperature",
        "non-finite inputs",
        *others,
    }


def test_the_notes_implementation_is_not_right_by_no_self() -> None:
    no_self = LocalSession(load(locate("broadcast")), "no-self")
    no_self.open()
    outcome = no_self.make("ties")
    diagnosis = no_self.diagnose([outcome])
    assert outcome.verdict is Verdict.FAIL
    assert diagnosis is not None
    assert diagnosis.causes == (
        "the anchor itself among the candidates when the partner's label ties with it",
    )
    assert diagnosis.smallest == "2 rows, 1 label dimension, 2 columns"
    assert diagnosis.snippet is not None
    assert "IMPLEMENTATION.factory(temperature=0.1" in diagnosis.snippet


def test_a_bug_of_size_is_said_to_be_one_and_its_snippet_is_a_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [check for check in all_checks() if not check.slow or CATCHES.get(check.name) == SHRUNK]
    monkeypatch.setattr(local_session, "all_checks", lambda: map(until_one_fails, made))
    bug = next(bug for bug in BUGS if bug.name == SHRUNK)
    found = bug_session(bug).verified()
    row = SelfTestRow.of(bug, found)
    assert row.caught_by == ("large batches",)
    assert row.named is None
    assert not found
    assert found.diagnosis is not None
    assert found.diagnosis.causes == ()
    assert str(found.diagnosis.smallest).endswith("rows, 1 label dimension, 2 columns")
    compile(str(found.diagnosis.snippet), "snippet", "exec")


def test_numbers_that_change_from_call_to_call_are_put_down_to_the_module_and_no_formula() -> None:
    bug = next(bug for bug in BUGS if bug.name == "noisy-loss")
    session = opened(bug)
    outcome = session.make("random cases")
    assert outcome.verdict is Verdict.FAIL
    diagnosis = session.diagnose([outcome])
    assert diagnosis is not None
    (cause,) = diagnosis.causes
    assert cause.startswith("the scale of the loss changes from call to call of a module")


def test_one_slow_call_does_not_hide_how_time_grows() -> None:
    context = CheckContext(Adapter.usual(RightNoSelf, NO_SELF))
    context._timed.update({17: 0.02, 33: 0.2, 65: 0.4})
    assert not context.affordable(257, 8.0)
    assert context.affordable(129, 8.0)
