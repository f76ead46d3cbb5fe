"""Judges cost without time: operations, elements processed, peak memory, Python instructions.

With one version of torch, counts are exact and every larger count is a regression. Between two
versions of torch, counts may differ by :data:`~supcr_bench.gate.terms.TORCH_ALLOWANCE`. Peak
memory has an allowance of its own, because allocators round. Python instructions are compared only
under one minor version of Python and one release of torch.
"""

from supcr_bench.analysis.compare import count_change
from supcr_bench.gate.agreement import judge_agreement, judge_verification
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms, other_torch
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.gate import GatedChange, GateVerdict
from supcr_bench.values.metrics import COUNTS, MEMORY, Change, Direction, Metric
from supcr_bench.values.result import Result
from supcr_bench.values.units import format_share, telling


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
    if metric.interpreted and not _both_counted(metric, before, after):
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


def _both_counted(metric: Metric, before: Run, after: Run) -> bool:
    """Whether both runs counted a metric, and in environments that may be compared."""
    counted = (any(metric.get(r) is not None for r in run.results) for run in (before, after))
    return all(counted) and metric.is_comparable(before.environment, after.environment)


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
    """How the growth with the batch size changed; empty if one law is possible before and after."""
    # Importing scipy takes a third of a second, and most gates do not need it.
    from supcr_bench.analysis.growth import growth_of

    laws: list[tuple[str, ...]] = []
    series = (result.implementation, result.case.pass_, result.case.series())
    for run in (before, after):
        members = [
            r for r in run.results if (r.implementation, r.case.pass_, r.case.series()) == series
        ]
        found = (g.verdict.candidates for g in growth_of(members, {}) if g.metric is metric)
        laws.append(next(found, ()))
    then, now = laws
    if not then or not now or set(then) & set(now):
        return ""
    return f"; its growth law is {' or '.join(now)} now, and was {' or '.join(then)} before"
