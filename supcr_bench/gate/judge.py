"""Judges all evidence without noise, and makes remarks beside the verdicts."""

from collections.abc import Sequence

from supcr_bench.analysis.compare import BROKEN
from supcr_bench.gate.agreement import judge_agreement, judge_verification
from supcr_bench.gate.cost import judge_cost
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms, other_torch, torch_of
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.gate import GatedChange, GateVerdict


def judge_deterministic(before: Run, after: Run, terms: Terms) -> list[GatedChange]:
    """Agreement, verification and cost of every implementation that is to be judged."""
    return [
        *judge_agreement(before, after, terms),
        *judge_verification(before, after, terms),
        *judge_cost(before, after, terms),
    ]


def dropped_implementations(baseline: Run, terms: Terms) -> list[GatedChange]:
    """A change for each recorded implementation that the suite no longer names."""
    recorded = [r.implementation for r in baseline.results] + list(baseline.verification or {})
    return [
        GatedChange(
            metric="agreement",
            implementation=name,
            case=None,
            verdict=GateVerdict.UNDECIDED,
            reason="recorded, and no longer in the suite; record again if that is meant",
        )
        for name in dict.fromkeys(recorded)
        if name not in terms.implementations and not terms.named
    ]


def deterministic_notes(
    before: Run, after: Run, changes: Sequence[GatedChange], terms: Terms
) -> list[str]:
    """Remarks beside the verdicts: another torch, cases wrong before and now, and lower costs."""
    notes = []
    if other_torch(before, after):
        notes.append(
            f"torch was {torch_of(before)} and is {torch_of(after)}: counts may differ by "
            f"{100 * TORCH_ALLOWANCE:.3g} %."
        )
    broken = {result.key for result in before.results if result.status in BROKEN}
    for name in terms.implementations:
        own = [result for result in after.results if result.implementation == name]
        if still := sum(result.status in BROKEN and result.key in broken for result in own):
            notes.append(f"{name} is not right in {_cases(still)}, as {terms.then}.")
        less = {
            c.case
            for c in changes
            if c.implementation == name and c.ratio is not None and c.ratio < 1
        }
        if less and terms.baseline:
            notes.append(
                f"{name} costs less than recorded in {_cases(len(less))}: record the baseline "
                "again, or it may grow back unseen."
            )
    return notes


def _cases(count: int) -> str:
    return f"{count} case{'s' if count != 1 else ''}"
