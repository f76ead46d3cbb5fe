"""Decides from a run the claims of the note, a document in which torchcell compares three losses.

This file contains no verdicts: a claim is a sentence and a function of the results, which may
leave it undecided. A claim on the growth of time is tested on the count of elements processed,
which has no noise; a claim on the growth of memory is tested on bytes.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from supcr_bench.analysis.growth import Growth
from supcr_bench.values.axes import PASSES, Pass
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes

NOTE = ("loopy", "broadcast", "rowsort")
BEYOND_ROUNDING = 0.01
"""A relative difference of two definitions that rounding cannot explain."""


class Holds(StrEnum):
    """The verdict on a claim."""

    YES = "holds"
    CONDITION = "holds with a condition"
    NO = "does not hold"
    UNDECIDED = "cannot tell here"


Judged = tuple[Holds, str]
"""The verdict on a claim, and a sentence with the evidence."""
Judge = Callable[[Sequence[Result], Sequence[Growth]], Judged]
"""A function that decides a claim from the results of a run and their growth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A claim and its verdict."""

    claim: str
    verdict: Holds
    evidence: str


def claim_rows(results: Sequence[Result], growth: Sequence[Growth]) -> list[ClaimRow]:
    if not any(r.implementation in NOTE for r in results):
        return []
    judged = ((text, *judge(results, growth)) for text, judge in CLAIMS)
    return [ClaimRow(claim=t, verdict=verdict, evidence=e) for t, verdict, e in judged]


def _all_agree(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    met = [
        (r, values)
        for r in results
        if r.implementation in NOTE
        and (values := [v for n, v in (r.value_difference or {}).items() if n in NOTE])
    ]
    if not met:
        return Holds.UNDECIDED, "no two of them ran on the same tensors"
    # Two results within their tolerances of one reference differ by at most the sum of these.
    apart = [r for r, values in met if r.status is not Status.MEASURED or None in values]
    cases = len({r.case for r, _ in met})
    if not apart:
        worst = max(v or 0.0 for _, values in met for v in values)
        said = f"in all {cases} cases; the largest relative difference in value is {worst:.1e}"
        return Holds.YES, said
    names = ", ".join(sorted({r.case.describe() for r in apart})[:3])
    verdict = Holds.NO if len(apart) == len(met) else Holds.CONDITION
    return verdict, f"not in {len({r.case for r in apart})} of {cases} cases: {names}"


def _is_the_formula(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    own = [r for r in results if r.implementation == "loopy" and r.status.has_figures]
    if not own:
        return Holds.UNDECIDED, "loopy was not measured"
    wrong = next((r for r in own if r.status is Status.WRONG), None)
    if wrong:
        return Holds.NO, f"{wrong.case.describe()}: {wrong.reason}"
    worst = max((r.no_self_error for r in own if r.no_self_error is not None), default=None)
    if worst is None:
        return Holds.UNDECIDED, "no result was compared with `no-self`"
    if worst > BEYOND_ROUNDING:
        return Holds.CONDITION, (
            f"of its own definition; on tied labels it differs by {worst:.0%} from `no-self`, "
            "which never counts the anchor among its candidates"
        )
    if not any("tied" in r.case.labels for r in own):
        return Holds.CONDITION, "for labels without ties; tied labels were not measured"
    return Holds.YES, f"in {len(own)} cases, some of them with tied labels"


def _grows_at_most(
    implementation: str,
    metric: Metric,
    pass_: Pass,
    law: str,
    _results: Sequence[Result],
    growth: Sequence[Growth],
) -> Judged:
    """Decide whether a metric grows no faster than a law, as O() claims."""
    wanted = (implementation, metric, pass_)
    own = [g for g in growth if (g.implementation, g.metric, g.case.pass_) == wanted]
    if not own:
        return Holds.UNDECIDED, "fewer than two sizes were measured"
    told = max(own, key=lambda g: (bool(g.verdict.candidates), len(g.sizes), g.sizes[-1]))
    evidence = told.verdict.evidence
    if told.verdict.law:
        span = f"N={told.sizes[0]} to {told.sizes[-1]}"
        evidence = f"it grows as {told.verdict.law}, {span}: {evidence}"
    faster = {grows_faster(candidate, law) for candidate in told.verdict.candidates}
    if len(faster) != 1:
        return Holds.UNDECIDED, evidence
    return Holds.NO if True in faster else Holds.YES, evidence


def _pairs(
    results: Sequence[Result], one: str, other: str, pass_: Pass = "training"
) -> list[tuple[Result, Result]]:
    """The results of two implementations on the same cases, by rising batch size."""
    own, others = (
        {r.case: r for r in results if r.implementation == name and r.case.pass_ == pass_}
        for name in (one, other)
    )
    return [(own[c], others[c]) for c in sorted(own, key=lambda c: c.batch_size) if c in others]


def _wins(
    results: Sequence[Result], one: str, *others: str, pass_: Pass = "training"
) -> list[tuple[int, bool]]:
    """By batch size, whether the first is faster than another, or alone of the two finished."""
    unfinished = (Status.SKIPPED, Status.TIMED_OUT, Status.OUT_OF_MEMORY)
    found = []
    for pair in (pair for other in others for pair in _pairs(results, one, other, pass_)):
        mine, theirs = (math.inf if r.status in unfinished else TIME.get(r) for r in pair)
        if mine is not None and theirs is not None and min(mine, theirs) < math.inf:
            found.append((pair[0].case.batch_size, mine < theirs))
    return found


def _faster_when_large(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    parts, verdicts = [], []
    for pass_ in PASSES:
        wins = _wins(results, "rowsort", "broadcast", pass_=pass_)
        if not wins:
            continue
        largest = max(n for n, _ in wins)
        verdicts.append(all(won for n, won in wins if n == largest))
        lost = max((n for n, won in wins if not won), default=None)
        if not verdicts[-1]:
            parts.append(f"{pass_}: not up to N={largest}")
        elif lost is not None:
            first = min((n for n, won in wins if won and n > lost), default=largest)
            parts.append(f"{pass_}: from N={first} on, not at N={lost}")
        else:
            parts.append(f"{pass_}: at every N from {min(n for n, _ in wins)}")
    if not verdicts:
        return Holds.UNDECIDED, "they were not timed together"
    return Holds.YES if all(verdicts) else Holds.UNDECIDED, "; ".join(parts)


def _fine_when_small(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    wins = _wins(results, "broadcast", "rowsort")
    if not wins:
        return Holds.UNDECIDED, "they were not timed together"
    smallest, won = wins[0]
    if not won:
        return Holds.NO, f"in training rowsort is faster even at N={smallest}"
    up_to = [n for n, _ in itertools.takewhile(lambda win: win[1], wins)][-1]
    return Holds.YES, f"broadcast is faster from N={smallest} to {up_to}, in training"


def _slowest(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    wins = _wins(results, "loopy", "broadcast", "rowsort")
    if not wins:
        return Holds.UNDECIDED, "it was not timed together with the others"
    sizes = [n for n, _ in wins]
    if not any(won for _, won in wins):
        return Holds.YES, f"at every N from {min(sizes)} to {max(sizes)}, in training"
    return Holds.CONDITION, f"not at N={', '.join(sorted({str(n) for n, won in wins if won}))}"


def _smaller(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    compared = [
        (own.case.batch_size, own.peak_bytes, other.peak_bytes, own.case.describe())
        for own, other in _pairs(results, "rowsort", "broadcast")
        if own.peak_bytes and other.peak_bytes
    ]
    if not compared:
        return Holds.UNDECIDED, "their memory was not measured together"
    larger = [where for _, own, other, where in compared if own >= other]
    _, own, other, where = max(compared)
    evidence = f"{format_bytes(own)}, and broadcast {format_bytes(other)}, at {where} in training"
    if larger:
        return Holds.CONDITION, f"not at {larger[-1]}; {evidence}"
    return Holds.YES, evidence


def _fastest_for_now(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    wins = _wins(results, "rowsort", "broadcast", "loopy")
    if not wins:
        return Holds.UNDECIDED, "it was not timed together with the others"
    lost = max((n for n, won in wins if not won), default=None)
    if lost is None:
        return Holds.YES, "rowsort is the fastest at every measured N, in training"
    if lost >= max((n for n, won in wins if won), default=0):
        return Holds.NO, f"another is faster up to N={lost}, in training"
    return Holds.CONDITION, f"only above N={lost}, in training; below that, another one is faster"


def _work(implementation: str, pass_: Pass, law: str) -> tuple[str, Judge]:
    judge = partial(_grows_at_most, implementation, ELEMENTS_PROCESSED, pass_, law)
    return f"{implementation} takes O({law}) work: {pass_}.", judge


def _memory(text: str, implementation: str, law: str) -> tuple[str, Judge]:
    return text, partial(_grows_at_most, implementation, MEMORY, "training", law)


CLAIMS: tuple[tuple[str, Judge], ...] = (
    ("All three give the same result, up to rounding.", _all_agree),
    ("The loopy version is the formula.", _is_the_formula),
    _work("loopy", "forward", "N^3"),
    _work("loopy", "training", "N^3"),
    _memory("loopy builds no N x N x N tensor: memory N^2.", "loopy", "N^2"),
    _work("broadcast", "forward", "N^3"),
    _work("broadcast", "training", "N^3"),
    _memory("broadcast takes O(N^3) memory.", "broadcast", "N^3"),
    _work("rowsort", "forward", "N^2 log N"),
    _work("rowsort", "training", "N^2 log N"),
    _memory("rowsort builds no N x N x N tensor: memory N^2.", "rowsort", "N^2"),
    ("rowsort takes less memory than broadcast.", _smaller),
    ("rowsort is faster than broadcast for large N.", _faster_when_large),
    ("broadcast is fine for small batches.", _fine_when_small),
    ("loopy is the slowest.", _slowest),
    ("rowsort is the fastest, so it is the one to use.", _fastest_for_now),
)
"""All claims, in the order of the note."""
