"""Deterministic cost, before and after: operations launched, element work, peak memory.

Under one version of torch counts are exact, and every one that is larger is a regression. Under
another they may differ by :data:`~supcr_bench.gate.terms.TORCH_ALLOWANCE`. Peak memory has its own
allowance, because allocators round.
"""

from collections.abc import Mapping

from supcr_bench.analysis.changes import count_change
from supcr_bench.gate.growth_change import growth_change
from supcr_bench.gate.recorded import CaseRecord, Recorded
from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms
from supcr_bench.values.change import Change, Direction
from supcr_bench.values.gate import Figure, Judgement, Ruling
from supcr_bench.values.result import Key
from supcr_bench.values.units import format_bytes

FIELDS: Mapping[Figure, str] = {
    "launches": "launches",
    "element work": "elements",
    "peak memory": "peak_bytes",
}
"""The figures, and the fields of a record that hold them."""


def judge_cost(before: Recorded, after: Recorded, terms: Terms) -> list[Judgement]:
    """One judgement for each figure of each case that has it on one side or both.

    A case that has no answer now has no cost; :func:`~supcr_bench.gate.agreement.judge_agreement`
    says so of it.
    """
    judgements = []
    for key, second in after.cases.items():
        if key[0] not in terms.implementations:
            continue
        first = before.cases.get(key)
        for figure, name in FIELDS.items():
            counts = (getattr(first, name, None), getattr(second, name))
            if counts == (None, None) or not second.status.has_figures:
                continue
            ruling, reason = _ruled(figure, key, first, second, (before, after), terms)
            change = count_change(figure, *counts)
            judgements.append(
                Judgement(
                    figure=figure,
                    implementation=key[0],
                    case=key[1],
                    ruling=ruling,
                    reason=reason,
                    before=counts[0],
                    after=counts[1],
                    ratio=change.ratio if change else None,
                    command=terms.run_command(*key),
                )
            )
    return judgements


def allowance(figure: Figure, terms: Terms) -> float:
    """The share by which a figure may grow and count as the same."""
    own = terms.max_memory_growth if figure == "peak memory" else 0.0
    return max(own, TORCH_ALLOWANCE) if terms.other_torch else own


def _ruled(
    figure: Figure,
    key: Key,
    first: CaseRecord | None,
    second: CaseRecord,
    sides: tuple[Recorded, Recorded],
    terms: Terms,
) -> tuple[Ruling, str | None]:
    if first is None:
        return Ruling.NEW, None
    if getattr(first, FIELDS[figure]) is None:
        return Ruling.NEW, _missing(figure, "before", first)
    allowed = allowance(figure, terms)
    counts = (getattr(first, FIELDS[figure]), getattr(second, FIELDS[figure]))
    change = count_change(figure, *counts, allowed)
    if change is None:
        return Ruling.UNDECIDED, _missing(figure, "now", second)
    if change.direction is Direction.MORE:
        said = _grown(figure, change, allowed, terms)
        law = growth_change(figure, key, *sides)
        return Ruling.REGRESSION, said + (f"; {law}" if law else "")
    if change.direction is Direction.LESS:
        return Ruling.PASS, f"less than {terms.then}{terms.record_again}"
    return Ruling.PASS, None


def _missing(figure: Figure, side: str, ended: CaseRecord) -> str:
    """Which side has no such figure, and why."""
    return f"no {figure} {side}: {ended.status.words}"


def _grown(figure: Figure, change: Change, allowed: float, terms: Terms) -> str:
    one, other = (
        (format_bytes(change.before or 0), format_bytes(change.after or 0))
        if figure == "peak memory"
        else (f"{change.before:,}", f"{change.after:,}")
    )
    said = f"{figure} grew from {one} to {other}"
    if change.ratio is not None:
        said += f", {_by(change.ratio)}"
    if allowed:
        said += f", where {100 * allowed:.3g} % is allowed"
    if terms.other_torch:
        said += "; the version of torch is another one too"
    return said


def _by(ratio: float) -> str:
    """``x3.1``, and a growth of less than a tenth as a percentage."""
    return f"x{ratio:.3g}" if ratio >= 1.1 else f"by {100 * (ratio - 1):.3g} %"
