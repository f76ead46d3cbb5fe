"""Agreement, before and after: each case against the reference, and the checks of verification.

The question is whether something got worse. What was not right and still is not is unchanged, which
is no pass; what cannot be told is undecided.
"""

from supcr_bench.analysis.changes import BROKEN, outcome_change
from supcr_bench.gate.recorded import CaseRecord, Recorded, VerificationRecord
from supcr_bench.gate.terms import Terms
from supcr_bench.values.gate import Judgement, Ruling
from supcr_bench.values.result import Status
from supcr_bench.verification.outcome import Verdict
from supcr_bench.workers.verification import NO_DEFINITION, STAGES

FARTHER_OFF = 2.0
"""An error this many times as large is another one: rounding differs by less between machines."""
NO_CHECKS = ("recognition", "diagnosis")
"""What the verifier does beside its checks, and is not always asked to do of the side before."""

_Said = tuple[Ruling, str | None]


def judge_agreement(before: Recorded, after: Recorded, terms: Terms) -> list[Judgement]:
    """One judgement for each implementation that was asked for and each case of either side."""
    keys = [
        key
        for key in dict.fromkeys([*after.cases, *before.cases])
        if key[0] in terms.implementations
    ]
    judgements = []
    for name, case in keys:
        ruling, reason = _case(before.cases.get((name, case)), after.cases.get((name, case)), terms)
        judgements.append(
            Judgement(
                figure="agreement",
                implementation=name,
                case=case,
                ruling=ruling,
                reason=reason,
                command=terms.run_command(name, case),
            )
        )
    return judgements


def _case(first: CaseRecord | None, second: CaseRecord | None, terms: Terms) -> _Said:
    if second is None:
        return Ruling.UNDECIDED, "not run now; is it no longer in the suite?"
    now = f"{second.status.words}: {second.reason}"
    if first is None:
        if second.status is Status.MEASURED:
            return Ruling.NEW, None
        broken = second.status in BROKEN
        return (Ruling.REGRESSION if broken else Ruling.UNDECIDED), f"new, and {now}"
    finding, note = outcome_change(first, second)
    if finding:
        return Ruling.REGRESSION, finding
    if second.status is Status.MEASURED:
        if first.status is Status.MEASURED:
            return Ruling.PASS, None
        return Ruling.PASS, f"right now; it was {first.status.words}{terms.record_again}"
    if first.status is Status.WRONG and second.status is Status.FAILED:
        return Ruling.REGRESSION, f"was wrong, and is now {now}"
    if first.status is second.status is Status.WRONG and _is_farther_off(first, second):
        return Ruling.REGRESSION, f"was wrong, and is farther off now: {second.reason}"
    if first.status is second.status or second.status in BROKEN:
        return Ruling.UNCHANGED, f"as {terms.then}, {now}"
    stopped = second.status in (Status.TIMED_OUT, Status.SKIPPED)
    if stopped and first.status.has_figures and not terms.baseline:
        # Both were run in one session, on one machine.
        return Ruling.REGRESSION, f"became {now}"
    return Ruling.UNDECIDED, f"{second.status.words}: {note}"


def _is_farther_off(first: CaseRecord, second: CaseRecord) -> bool:
    """Whether what was wrong is more so; an error that is not finite has no multiple."""
    pairs = (
        (first.value_tolerances, second.value_tolerances),
        (first.gradient_tolerances, second.gradient_tolerances),
    )
    return any(
        one is not None and (other is None or other > FARTHER_OFF * one) for one, other in pairs
    )


def judge_verification(before: Recorded, after: Recorded, terms: Terms) -> list[Judgement]:
    """One judgement for each implementation that was asked for and verified on either side.

    Where nothing fails now, nothing can have become wrong, so the side before need not have been
    verified (:func:`to_verify_before`).
    """
    judgements = []
    for name in terms.implementations:
        first, second = before.verifications.get(name), after.verifications.get(name)
        found = second or first
        if found is None:
            continue
        known = name in before.implementations
        ruling, reason = _verification(first, second, terms, known=known)
        judgements.append(
            Judgement(
                figure="verification",
                implementation=name,
                case=None,
                ruling=ruling,
                reason=reason,
                command=terms.verify_command(name, found.definition),
            )
        )
    return judgements


def to_verify_before(after: Recorded) -> dict[str, list[str]]:
    """The checks that have to be made of the side before too, by implementation: what fails now."""
    failing = {name: _failing(found) for name, found in after.verifications.items()}
    return {name: checks for name, checks in failing.items() if checks}


def _failing(found: VerificationRecord) -> list[str]:
    return [c for c in found.with_verdict(Verdict.FAIL) if c not in NO_CHECKS]


def _verification(
    first: VerificationRecord | None,
    second: VerificationRecord | None,
    terms: Terms,
    *,
    known: bool,
) -> _Said:
    if second is None:
        return Ruling.UNDECIDED, "not verified now"
    not_run = second.with_verdict(Verdict.NOT_RUN)
    if first is None:
        return _first_verification(second, not_run, terms, known=known)
    definitions = {first.definition, second.definition} - {NO_DEFINITION}
    if len(definitions) > 1:
        return Ruling.UNDECIDED, (
            f"held against the definition {second.definition}, and before against "
            f"{first.definition}"
        )
    failing = _failing(second)
    broke = [c for c in failing if _passed(c, first)]
    if broke:
        # A busy machine may end a check too; what it was about to find is not known.
        if set(broke) <= set(second.overdue):
            return Ruling.UNDECIDED, _not_made(broke, second)
        return Ruling.REGRESSION, _what_broke(broke, second)
    untold = [c for c in failing if first.verdicts.get(c) is not Verdict.FAIL]
    gone = [c for c in first.with_verdict(Verdict.PASS) if not _made(c, second)]
    if untold:
        return Ruling.UNDECIDED, (
            f"fails {_listed(untold)}, and whether it did before is not known{terms.record_again}"
        )
    if open_ := list(dict.fromkeys([*not_run, *gone])):
        return Ruling.UNDECIDED, _not_made(open_, second)
    if failing:
        not_right = set(failing) & set(second.failures)
        ruling = Ruling.UNCHANGED if not_right else Ruling.PASS
        return ruling, f"still fails {_listed(failing)}, as {terms.then}"
    if fixed := first.with_verdict(Verdict.FAIL):
        return Ruling.PASS, f"passes {_listed(fixed)} now{terms.record_again}"
    return Ruling.PASS, None


def _first_verification(
    found: VerificationRecord, not_run: list[str], terms: Terms, *, known: bool
) -> _Said:
    """Of an implementation that was not verified before."""
    if found.failures:
        return Ruling.REGRESSION, f"new, and {_what_broke(list(found.failures), found)}"
    if not_run:
        return Ruling.UNDECIDED, _not_made(not_run, found)
    if failing := found.with_verdict(Verdict.FAIL):
        return Ruling.NEW, f"not robust: fails {_listed(failing)}"
    # Of a known one the side before was left out because nothing fails now.
    return (Ruling.PASS if known and not terms.baseline else Ruling.NEW), None


def _passed(check: str, found: VerificationRecord) -> bool:
    """Whether a check passed; a stage that is not named went well."""
    verdict = found.verdicts.get(check, Verdict.PASS if check in STAGES else None)
    return verdict is Verdict.PASS


def _made(check: str, found: VerificationRecord) -> bool:
    return found.verdicts.get(check) in (Verdict.PASS, Verdict.FAIL)


def _what_broke(broke: list[str], found: VerificationRecord) -> str:
    """Which checks fail, what is most likely wrong, and what one of them found."""
    shown = broke[0]
    finding = f"{shown}: {found.findings.get(shown, 'no finding')}"
    diagnosis = (line.rstrip(".") for line in found.diagnosis)
    return ". ".join([f"fails {_listed(broke)}", *diagnosis, finding])


def _not_made(checks: list[str], found: VerificationRecord) -> str:
    reasons = dict.fromkeys(found.findings.get(c, "there is no such check now") for c in checks)
    return f"not checked: {_listed(checks)} ({'; '.join(reasons)})"


def _listed(checks: list[str]) -> str:
    return ", ".join(checks)
