"""What two runs say of each other, in sentences."""

import math
from collections.abc import Sequence
from typing import Any

from supcr_bench.analysis.compare import Comparison, Difference
from supcr_bench.render.cells import ratio_text
from supcr_bench.values.change import TIME_DIRECTIONS, Direction


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(v["name"]) if isinstance(v, dict) else str(v) for v in value) or "none"
    return str(value)


def _difference_text(difference: Difference) -> str:
    first, second = _value_text(difference.first), _value_text(difference.second)
    return f"{difference.key} {first}, then {second}"


def environment_sentences(differences: Sequence[Difference]) -> list[str]:
    """What differs in machine and software, and what follows from it."""
    machine = [_difference_text(d) for d in differences if d.of_the_machine]
    software = [_difference_text(d) for d in differences if not d.of_the_machine]
    sentences = []
    if machine:
        sentences.append(
            f"The machines differ ({'; '.join(machine)}): times are shown, but not judged."
        )
    if software:
        sentences.append(f"The software differs and may be the cause: {'; '.join(software)}.")
    return sentences


def _time_sentence(comparison: Comparison) -> str | None:
    counts = {v: comparison.times(v) for v in TIME_DIRECTIONS}
    if not any(counts.values()):
        return None
    text = "Time: " + ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    reasons: dict[str, int] = {}
    for row in comparison.rows:
        if row.time and row.time.reason:
            reasons[row.time.reason] = reasons.get(row.time.reason, 0) + 1
    return text + "".join(f"; {n} of them: {reason}" for reason, n in reasons.items()) + "."


def _slower_sentences(comparison: Comparison) -> list[str]:
    found = comparison.slower()
    sentences = []
    for name in dict.fromkeys(r.implementation for r in comparison.rows):
        slower = comparison.times(Direction.SLOWER, name)
        cases = sum(r.time is not None for r in comparison.rows if r.implementation == name)
        if name in found:
            sentences.append(f"{name} became slower: in {slower} of {cases} cases.")
        elif slower:
            sentences.append(
                f"{name} is slower in {slower} of {cases} cases, which drift alone can explain."
            )
    return sentences


def _drift_sentence(comparison: Comparison) -> str | None:
    known = {n: d.bound for n, d in comparison.drift.items() if d.bound is not None}
    if not known or comparison.other_machine:
        return None
    bounds = ", ".join(f"{name} x{ratio_text(math.exp(bound))}" for name, bound in known.items())
    return (
        "Each interval is widened by the drift between the runs, which unchanged results of the "
        f"other implementations show: {bounds}."
    )


def _cost_sentence(comparison: Comparison) -> str | None:
    parts = []
    for name, verdicts in (
        ("work", [r.work for r in comparison.joined if r.work]),
        ("memory", [r.memory.direction for r in comparison.joined if r.memory]),
    ):
        if verdicts:
            same = sum(v is Direction.SAME for v in verdicts)
            parts.append(f"{name} is the same in {same} of {len(verdicts)} cases")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else None


def _findings_text(comparison: Comparison) -> str | None:
    findings = sum(row.finding is not None for row in comparison.rows)
    if not findings:
        return None
    return f"{findings} result{'s' * (findings != 1)} got worse in work, memory or outcome"


def comparison_verdict(comparison: Comparison) -> str:
    """What two runs say of each other, in a sentence."""
    if comparison.nothing_compared:
        return "The runs share no figure that could be compared."
    parts = [f"{name} became slower" for name in comparison.slower()]
    if findings := _findings_text(comparison):
        parts.append(findings)
    return f"{'; '.join(parts) or 'Nothing got worse, as far as these runs can tell'}."


def comparison_sentences(comparison: Comparison) -> list[str]:
    """What was found, in the order of reading."""
    joined = len(comparison.joined)
    only = [
        sum(r.second is None for r in comparison.rows),
        sum(r.first is None for r in comparison.rows),
    ]
    text = f"{joined} result{'s' * (joined != 1)} in both runs"
    text += f", {only[0]} only in the first, {only[1]} only in the second" if any(only) else ""
    sentences = [f"{text}.", _cost_sentence(comparison), _time_sentence(comparison)]
    sentences += [_drift_sentence(comparison), *_slower_sentences(comparison)]
    if findings := _findings_text(comparison):
        sentences.append(f"{findings}.")
    if comparison.nothing_compared or not comparison.finding:
        sentences.append(comparison_verdict(comparison))
    return [s for s in sentences if s]


def verdict_first(comparison: Comparison) -> list[str]:
    """The verdict, and then everything else that two runs say of each other."""
    verdict = comparison_verdict(comparison)
    rest = environment_sentences(comparison.differences) + comparison_sentences(comparison)
    return [verdict, *(sentence for sentence in rest if sentence != verdict)]
