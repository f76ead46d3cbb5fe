"""All evidence without noise, judged; and what a person has to know beside the judgements."""

from collections.abc import Sequence

from supcr_bench.analysis.changes import BROKEN
from supcr_bench.gate.agreement import judge_agreement, judge_verification
from supcr_bench.gate.cost import judge_cost
from supcr_bench.gate.recorded import Recorded
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms
from supcr_bench.values.gate import Judgement


def judge_deterministic(before: Recorded, after: Recorded, terms: Terms) -> list[Judgement]:
    """Agreement, verification and cost of every implementation that was asked for."""
    return [
        *judge_agreement(before, after, terms),
        *judge_verification(before, after, terms),
        *judge_cost(before, after, terms),
    ]


def deterministic_notes(
    before: Recorded, after: Recorded, judgements: Sequence[Judgement], terms: Terms
) -> list[str]:
    """Sentences on what passed and is not simply right, and on what limits the judgements."""
    notes = []
    if terms.other_torch:
        notes.append(
            f"torch was {terms.torch_before} and is {terms.torch_now}: counts may differ by "
            f"{100 * TORCH_ALLOWANCE:.3g} %."
        )
    for name in terms.implementations:
        still = [
            key
            for key, found in after.cases.items()
            if key[0] == name
            and found.status in BROKEN
            and (was := before.cases.get(key))
            and was.status in BROKEN
        ]
        if still:
            notes.append(f"{name} is not right in {_cases(len(still))}, as {terms.then}.")
        less = {
            j.case
            for j in judgements
            if j.implementation == name and j.ratio is not None and j.ratio < 1
        }
        if less and terms.baseline:
            notes.append(
                f"{name} costs less than recorded in {_cases(len(less))}: record the baseline "
                "again, or it may grow back unseen."
            )
    return notes


def _cases(count: int) -> str:
    return f"{count} case{'s' if count != 1 else ''}"
