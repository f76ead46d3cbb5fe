"""Judges what has no noise: agreement, verification, and counted cost, before and after.

The verdict says whether something got worse. A case that was wrong before and is wrong now is
unchanged, which is not a pass; a case without evidence is undecided.

With one version of torch, counts are exact and every larger count is a regression. Between two
versions of torch, counts may differ by :data:`~supcr_bench.gate.terms.TORCH_ALLOWANCE`. Peak memory
has an allowance of its own, because allocators round sizes. Python instructions are compared only
between runs with the same minor version of Python and the same release of torch.
"""

from supcr_bench.analysis.compare import count_change, outcome_change
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms, other_torch
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.default_call import DefaultCall, changes_of_call
from supcr_bench.values.gate import DEFAULT_CALL, GatedChange, GateVerdict, Judged
from supcr_bench.values.metrics import COSTS, COUNTS, MEMORY, Change, Direction, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_duration_s, format_share, telling
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.session import STAGES
from supcr_bench.verification.verification import (
    NO_DEFINITION,
    Verification,
    diagnosis_lines,
    finding_text,
)

FARTHER_OFF = 2.0
"""Growth of an error by more than this factor is a regression: rounding alone causes less."""
BUSIER = 5.0
"""A call that takes this many times longer is slower, however busy the machine has become."""
NO_CHECKS = ("recognition", "diagnosis")
"""Steps of the verifier that are not checks: one version may have run them and the other not."""


def judge_agreement(before: Run, after: Run, terms: Terms) -> list[GatedChange]:
    earlier = {result.key: result for result in before.results}
    now = {result.key: result for result in after.results}
    changes = []
    for key in dict.fromkeys([*now, *earlier]):
        if key[0] in terms.implementations:
            found = now.get(key)
            judged = _judge_case(earlier.get(key), found, terms)
            exact = found is None or found.status.has_figures or found.status is Status.FAILED
            command = terms.run_command(*key)
            changes.append(GatedChange.of("agreement", key, judged, command, exact=exact))
    return changes


def judge_default_call(
    name: str, first: DefaultCall, second: DefaultCall, before: Run, terms: Terms
) -> list[GatedChange]:
    found = changes_of_call(first, second)
    if not found:
        return []
    verdict, reason = GateVerdict.REGRESSION, "; ".join(found)
    if any(r.status.is_broken for r in before.results if r.implementation == name):
        verdict, reason = GateVerdict.PASS, f"{reason}; the loss was not right before"
    command = terms.verify_command(name)
    return [GatedChange.of(DEFAULT_CALL, (name, None), (verdict, reason), command)]


def _judge_case(first: Result | None, second: Result | None, terms: Terms) -> Judged:
    if second is None:
        return GateVerdict.UNDECIDED, "not run now; is it no longer in the suite?"
    now = f"{second.status.words}: {second.reason}"
    if first is None:
        if second.status is Status.MEASURED:
            passes = second.implementation in terms.new
            return (GateVerdict.PASS if passes else GateVerdict.NEW), None
        broken = second.status.is_broken
        return (GateVerdict.REGRESSION if broken else GateVerdict.UNDECIDED), f"new, and {now}"
    finding, note = outcome_change(first, second)
    if finding:
        return GateVerdict.REGRESSION, finding
    if second.status is Status.MEASURED:
        if first.status is Status.MEASURED:
            return GateVerdict.PASS, None
        return GateVerdict.PASS, f"now right; it was {first.status.words}{terms.record_again}"
    if first.status is Status.WRONG and second.status is Status.FAILED:
        return GateVerdict.REGRESSION, f"was wrong, and is now {now}"
    if first.status is second.status is Status.WRONG and _is_farther_off(first, second):
        return GateVerdict.REGRESSION, f"was wrong, and is farther off now: {second.reason}"
    if first.status is second.status or second.status.is_broken:
        was = f"{first.status.words} " if first.status is not second.status else "as "
        return GateVerdict.UNCHANGED, f"{was}{terms.then}, {now}"
    stopped = second.status in (Status.TIMED_OUT, Status.SKIPPED)
    if stopped and first.status.has_figures and not terms.baseline:
        # Both versions ran in one session, on one machine, which may have become busier.
        limit_s, took_s = second.time_limit_s, first.spent_s
        if limit_s and took_s and took_s * BUSIER > limit_s:
            took = format_duration_s(took_s)
            return GateVerdict.UNDECIDED, f"became {now}; its calls took {took} before"
        return GateVerdict.REGRESSION, f"became {now}"
    return GateVerdict.UNDECIDED, f"{second.status.words}: {note}"


def _is_farther_off(first: Result, second: Result) -> bool:
    errors = [(r.value_tolerances, r.gradient_tolerances) for r in (first, second)]
    return any(
        one is not None and (other is None or other > FARTHER_OFF * one)
        for one, other in zip(*errors, strict=True)
    )


def judge_verification(before: Run, after: Run, terms: Terms) -> list[GatedChange]:
    earlier, now = before.verification or {}, after.verification or {}
    known = {result.implementation for result in before.results} | set(earlier)
    changes = []
    for name in terms.implementations:
        first, second = earlier.get(name), now.get(name)
        either = first if second is None else second
        if either is None:
            continue
        judged = _judge_verification(first, second, terms, known=name in known)
        command = terms.verify_command(name, either.definition)
        changes.append(GatedChange.of("verification", (name, None), judged, command))
    return changes


def checks_to_repeat(after: Run) -> dict[str, list[str]]:
    """The checks that fail now, by implementation: only these are repeated on the old version."""
    failing = {name: _failing(found) for name, found in (after.verification or {}).items()}
    return {name: checks for name, checks in failing.items() if checks}


def _with_verdict(found: Verification, verdict: Verdict) -> list[str]:
    return [o.check for o in found.outcomes if o.verdict is verdict]


def _failing(found: Verification) -> list[str]:
    return [c for c in _with_verdict(found, Verdict.FAIL) if c not in NO_CHECKS]


def _judge_verification(
    first: Verification | None, second: Verification | None, terms: Terms, *, known: bool
) -> Judged:
    if second is None:
        return GateVerdict.UNDECIDED, "not verified now"
    if second.uncallable:
        as_before = first is not None and first.uncallable
        verdict = GateVerdict.UNCHANGED if as_before else GateVerdict.REGRESSION
        return verdict, str(second.uncallable)
    not_run = _with_verdict(second, Verdict.NOT_RUN)
    if first is None:
        if second.failures:
            failures = [o.check for o in second.failures]
            return GateVerdict.REGRESSION, f"new, and {_failures_text(failures, second)}"
        if not_run:
            return GateVerdict.UNDECIDED, _not_checked(not_run, second)
        if failing := _with_verdict(second, Verdict.FAIL):
            return GateVerdict.NEW, f"not robust: fails {', '.join(failing)}"
        # Where nothing fails now, the version before was not verified, and need not be.
        passes = (known and not terms.baseline) or second.implementation in terms.new
        return (GateVerdict.PASS if passes else GateVerdict.NEW), None
    if len({first.definition, second.definition} - {NO_DEFINITION}) > 1:
        return GateVerdict.UNDECIDED, (
            f"compared with the definition {second.definition} now, and with {first.definition} "
            "before"
        )
    verdicts = {o.check: o.verdict for o in first.outcomes}
    failing = _failing(second)
    # A check that is not listed passed.
    broke = [c for c in failing if verdicts.get(c, c in STAGES and Verdict.PASS) is Verdict.PASS]
    if broke:
        # A check that took too long may have done so because the machine was busy.
        if set(broke) <= {o.check for o in second.outcomes if o.overdue}:
            return GateVerdict.UNDECIDED, _not_checked(broke, second)
        return GateVerdict.REGRESSION, _failures_text(broke, second)
    unknown = [c for c in failing if verdicts.get(c) is not Verdict.FAIL]
    if unknown:
        return GateVerdict.UNDECIDED, (
            f"fails {', '.join(unknown)}, and whether it did before is not known"
            f"{terms.record_again}"
        )
    made = {o.check for o in second.outcomes if o.verdict in (Verdict.PASS, Verdict.FAIL)}
    gone = [c for c in _with_verdict(first, Verdict.PASS) if c not in made]
    if missing := list(dict.fromkeys([*not_run, *gone])):
        return GateVerdict.UNDECIDED, _not_checked(missing, second)
    if failing:
        wrong = set(failing) & {o.check for o in second.failures}
        verdict = GateVerdict.UNCHANGED if wrong else GateVerdict.PASS
        return verdict, f"still fails {', '.join(failing)}, as {terms.then}"
    if fixed := _with_verdict(first, Verdict.FAIL):
        return GateVerdict.PASS, f"passes {', '.join(fixed)} now{terms.record_again}"
    return GateVerdict.PASS, None


def _failures_text(failures: list[str], found: Verification) -> str:
    diagnosis = diagnosis_lines(found.diagnosis) if found.diagnosis else []
    finding = f"{failures[0]}: {_findings(found).get(failures[0], 'no finding')}"
    parts = [f"fails {', '.join(failures)}", *(line.rstrip(".") for line in diagnosis), finding]
    return ". ".join(parts)


def _not_checked(checks: list[str], found: Verification) -> str:
    findings = _findings(found)
    reasons = dict.fromkeys(findings.get(c, "there is no such check now") for c in checks)
    return f"not checked: {', '.join(checks)} ({'; '.join(reasons)})"


def _findings(found: Verification) -> dict[str, str]:
    return {o.check: finding_text(o) for o in found.outcomes if o.finding}


def judge_deterministic(before: Run, after: Run, terms: Terms) -> list[GatedChange]:
    return [
        *judge_agreement(before, after, terms),
        *judge_verification(before, after, terms),
        *judge_cost(before, after, terms),
    ]


def judge_cost(before: Run, after: Run, terms: Terms) -> list[GatedChange]:
    """One change for each metric and case that has a result now; agreement reports other cases."""
    earlier = {result.key: result for result in before.results}
    found = (
        _judge(metric, earlier.get(second.key), second, before, after, terms)
        for second in after.results
        if second.implementation in terms.implementations and second.status.has_figures
        for metric in COUNTS
    )
    return [change for change in found if change is not None]


def _judge(
    metric: Metric, first: Result | None, second: Result, before: Run, after: Run, terms: Terms
) -> GatedChange | None:
    """The change of a metric on a case; ``None`` if it is not measured or cannot be compared."""
    old, new = metric.compared(first) if first else None, metric.compared(second)
    if old == new and new in (None, metric.most):
        return None
    if metric.interpreted:
        counted = (any(metric.get(r) is not None for r in run.results) for run in (before, after))
        if not all(counted) or not metric.is_comparable(before.environment, after.environment):
            return None
    name = "max_memory_growth" if metric is MEMORY else "max_work_growth"
    allowed = terms.share(name, second.case, metric.allowance)
    torch_differs = other_torch(before, after)
    allowed = max(allowed, TORCH_ALLOWANCE) if torch_differs else allowed
    change = count_change(metric.name, old, new, allowed)
    verdict, reason = GateVerdict.PASS, None
    if first is None:
        verdict = GateVerdict.NEW
    elif old is None:
        verdict, reason = GateVerdict.NEW, f"no {metric.title} before: {first.status.words}"
    elif change is None:
        verdict, reason = GateVerdict.UNDECIDED, f"no {metric.title} now: {second.status.words}"
    elif change.direction is Direction.MORE:
        verdict = GateVerdict.REGRESSION
        reason = _growth_text(metric, change, allowed, torch_differs=torch_differs)
        reason += _law_text(metric, second, before, after)
    elif change.direction is Direction.LESS:
        reason = f"less than {terms.then}{terms.record_again}"
    change = change or Change(metric=metric.name)
    return GatedChange.of(
        metric.name,
        second.key,
        (verdict, reason),
        terms.run_command(*second.key),
        before=old,
        after=new,
        ratio=change.ratio,
        direction=change.direction,
    )


def _growth_text(metric: Metric, change: Change, allowed: float, *, torch_differs: bool) -> str:
    one, other = (
        metric.format(value) if metric.unit else f"{value:,}"
        for value in (change.before or 0, change.after or 0)
    )
    more = " or more" * (change.after == metric.most)
    text = f"{metric.title} grew from {one} to {other}{more}"
    if change.ratio is not None:
        grown = change.ratio - 1
        times = telling(
            (f"{change.ratio:.{d}g}" for d in range(3, 10)), change.ratio, [1 + allowed]
        )
        text += f", x{times}" if grown >= 0.1 else f", by {format_share(grown, marks=[allowed])}"
    if allowed:
        text += f", where {format_share(allowed)} is allowed"
    return text + ("; the version of torch differs too" if torch_differs else "")


def _law_text(metric: Metric, result: Result, before: Run, after: Run) -> str:
    """How the growth law changed; empty if one law is possible both before and after."""
    if metric not in COSTS:
        return ""
    # Importing scipy takes a third of a second, and most gates do not need it.
    from supcr_bench.analysis.growth import growth_in, series_of

    laws: list[tuple[str, ...]] = []
    for run in (before, after):
        members = [r for r in run.results if r.series == result.series]
        found = (growth_in(own, metric, {}) for own in series_of(members))
        laws.append(next((g.verdict.candidates for g in found if g), ()))
    then, now = laws
    if not then or not now or set(then) & set(now):
        return ""
    return f"; its growth law is {' or '.join(now)} now, and was {' or '.join(then)} before"
