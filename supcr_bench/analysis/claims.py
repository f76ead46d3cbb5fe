"""The note's claims about its three implementations, each decided by the run at hand.

Nothing here knows the answer: a claim is a sentence and a function of the results, which says so
where they do not decide it. A claim on the growth of time is tested on the elements processed,
which are counted and have no noise; one on memory, on bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from supcr_bench.analysis.growth import Growth
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s

NOTE = ("loopy", "broadcast", "rowsort")
PLAINLY_OFF = 0.01
"""A relative distance between two definitions that no rounding explains."""


class Holds(StrEnum):
    """What a run says of a claim."""

    YES = "holds"
    CONDITION = "holds with a condition"
    NO = "does not hold"
    UNDECIDED = "cannot tell here"


Judged = tuple[Holds, str]
"""What a run says of a claim, and the evidence in a sentence."""
Judge = Callable[[Sequence[Result], Sequence[Growth]], Judged]
"""Decides a claim from the results of a run and their growth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A claim, and what the run says of it."""

    claim: str
    verdict: Holds
    evidence: str


def claim_rows(results: Sequence[Result], growth: Sequence[Growth]) -> list[ClaimRow]:
    """Every claim, if the run has any of the note's implementations in it."""
    if not any(r.implementation in NOTE for r in results):
        return []
    judged = [(claim, judge(results, growth)) for claim, judge in CLAIMS]
    return [ClaimRow(claim=c, verdict=verdict, evidence=e) for c, (verdict, e) in judged]


def _figures(results: Sequence[Result], name: str) -> list[Result]:
    return [r for r in results if r.implementation == name and r.status.has_figures]


# --- agreement ---


def _all_agree(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    met = [
        r
        for r in results
        if r.implementation in NOTE and any(other in NOTE for other in (r.value_difference or {}))
    ]
    if not met:
        return (Holds.UNDECIDED, "no two of them met on the same tensors")
    apart = [r for r in met if not _agrees_with_others(r)]
    cases = len({r.case for r in met})
    if not apart:
        worst = max(
            (v or 0.0 for r in met for o, v in (r.value_difference or {}).items() if o in NOTE),
            default=0.0,
        )
        return (
            Holds.YES,
            f"in {cases} cases; the largest relative difference in value is {worst:.1e}",
        )
    names = ", ".join(sorted({r.case.describe() for r in apart})[:3])
    verdict = Holds.NO if len(apart) == len(met) else Holds.CONDITION
    return (verdict, f"not in {len({r.case for r in apart})} of {cases} cases: {names}")


def _agrees_with_others(r: Result) -> bool:
    """Within the sum of both tolerances: each within its own of the same reference."""
    return r.status is Status.MEASURED and all(
        v is not None for o, v in (r.value_difference or {}).items() if o in NOTE
    )


def _is_the_formula(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    own = _figures(results, "loopy")
    if not own:
        return (Holds.UNDECIDED, "loopy was not measured")
    wrong = [r for r in own if r.status is Status.WRONG]
    if wrong:
        return (Holds.NO, f"{wrong[0].case.describe()}: {wrong[0].reason}")
    tied = [r for r in own if r.no_self_error is not None and r.no_self_error > PLAINLY_OFF]
    if tied:
        worst = max(r.no_self_error or 0.0 for r in tied)
        return (
            Holds.CONDITION,
            f"of its own definition; where labels tie it is {worst:.0%} from `no-self`, which "
            "never counts the anchor among its candidates",
        )
    if not any(r.no_self_error is not None for r in own):
        return (Holds.UNDECIDED, "not compared with `no-self` here")
    if not any("tied" in r.case.labels for r in own):
        return (Holds.CONDITION, "without ties; tied labels were not measured here")
    return (Holds.YES, f"in {len(own)} cases, tied labels among them")


# --- growth ---


def _grows_at_most(implementation: str, metric: Metric, pass_: Pass, law: str) -> Judge:
    """The judge of an O(): the metric grows no faster than the law."""

    def judge(_results: Sequence[Result], growth: Sequence[Growth]) -> Judged:
        own = [
            g
            for g in growth
            if (g.implementation, g.metric, g.case.pass_) == (implementation, metric, pass_)
        ]
        if not own:
            return (Holds.UNDECIDED, "fewer than two sizes were measured")
        told = max(own, key=lambda g: (bool(g.verdict.candidates), len(g.sizes), g.sizes[-1]))
        verdict = told.verdict
        faster = [grows_faster(candidate, law) for candidate in verdict.candidates]
        evidence = verdict.evidence
        if verdict.law:
            evidence = f"it is {verdict.law}, N={told.sizes[0]} to {told.sizes[-1]}: {evidence}"
        if not faster or any(faster) is not all(faster):
            return (Holds.UNDECIDED, evidence)
        return (Holds.NO if all(faster) else Holds.YES, evidence)

    return judge


# --- which is faster, which is smaller ---


def _pairs(
    results: Sequence[Result], one: str, other: str, pass_: Pass
) -> list[tuple[Case, Result | None, Result | None]]:
    """Both results of every case in which either was tried, by rising batch size."""
    by_case: dict[Case, dict[str, Result]] = {}
    for r in results:
        if r.case.pass_ == pass_ and r.implementation in (one, other):
            by_case.setdefault(r.case, {})[r.implementation] = r
    cases = sorted(by_case, key=lambda c: c.batch_size)
    return [(c, by_case[c].get(one), by_case[c].get(other)) for c in cases]


def _faster(a: Result | None, b: Result | None) -> bool | None:
    """Whether a is faster than b; a case that b could not finish counts for a."""
    time_a, time_b = (TIME.get(r) if r else None for r in (a, b))
    if time_a is not None and time_b is not None:
        return time_a < time_b
    unfinished = (Status.SKIPPED, Status.TIMED_OUT, Status.OUT_OF_MEMORY)
    if time_a is not None and b is not None and b.status in unfinished:
        return True
    if time_b is not None and a is not None and a.status in unfinished:
        return False
    return None


def _faster_when_large(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    parts, verdicts = [], []
    for pass_ in ("forward", "training"):
        known = [
            (c.batch_size, won)
            for c, a, b in _pairs(results, "rowsort", "broadcast", pass_)
            if (won := _faster(a, b)) is not None
        ]
        if not known:
            continue
        largest = max(n for n, _ in known)
        at_largest = [won for n, won in known if n == largest]
        verdicts.append(all(at_largest))
        lost = [n for n, won in known if not won]
        if not all(at_largest):
            parts.append(f"{pass_}: not up to N={largest}")
        elif lost:
            first = min((n for n, won in known if won and n > max(lost)), default=largest)
            parts.append(f"{pass_}: from N={first} on, not at N={max(lost)}")
        else:
            parts.append(f"{pass_}: at every N from {min(n for n, _ in known)}")
    if not verdicts:
        return (Holds.UNDECIDED, "they were not timed together")
    return (Holds.YES if all(verdicts) else Holds.UNDECIDED, "; ".join(parts))


def _fine_when_small(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    known = [
        (c.batch_size, won, a, b)
        for c, a, b in _pairs(results, "broadcast", "rowsort", "training")
        if (won := _faster(a, b)) is not None
    ]
    if not known:
        return (Holds.UNDECIDED, "they were not timed together")
    smallest, won, a, b = known[0]
    if not won:
        return (Holds.NO, f"in training rowsort is faster even at N={smallest}")
    up_to = smallest
    for n, still, _, _ in known:
        if not still:
            break
        up_to = n
    times = [format_duration_s(TIME.get(r) if r else None) for r in (a, b)]
    return (
        Holds.YES,
        f"in training the faster of the two up to N={up_to}: "
        f"{times[0]} against {times[1]} at N={smallest}",
    )


def _slowest(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    lost: list[tuple[int, str]] = []
    won: list[tuple[int, str]] = []
    for other in ("broadcast", "rowsort"):
        for c, a, b in _pairs(results, "loopy", other, "training"):
            faster = _faster(a, b)
            if faster is not None:
                (won if faster else lost).append((c.batch_size, other))
    if not lost and not won:
        return (Holds.UNDECIDED, "it was not timed beside the others")
    if not won:
        return (Holds.YES, f"at every N from {min(lost)[0]} to {max(lost)[0]}, in training")
    return (Holds.CONDITION, f"not at N={', '.join(sorted({str(n) for n, _ in won}))}")


def _smaller(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    compared = []
    for c, a, b in _pairs(results, "rowsort", "broadcast", "training"):
        own, other = (MEMORY.get(r) if r else None for r in (a, b))
        if own and other:
            compared.append((c.batch_size, own, other, c.describe()))
    if not compared:
        return (Holds.UNDECIDED, "their memory was not measured together")
    larger = [where for _, own, other, where in compared if own >= other]
    _, own, other, where = max(compared)
    evidence = f"{format_bytes(own)} against {format_bytes(other)} at {where}, training"
    if larger:
        return (Holds.CONDITION, f"not at {larger[-1]}; {evidence}")
    return (Holds.YES, evidence)


def _fastest_for_now(results: Sequence[Result], _growth: Sequence[Growth]) -> Judged:
    verdicts: Mapping[bool, list[int]] = {True: [], False: []}
    for other in ("broadcast", "loopy"):
        for c, a, b in _pairs(results, "rowsort", other, "training"):
            won = _faster(a, b)
            if won is not None:
                verdicts[won].append(c.batch_size)
    if not any(verdicts.values()):
        return (Holds.UNDECIDED, "it was not timed beside the others")
    if not verdicts[False]:
        return (Holds.YES, "rowsort is the fastest at every measured N, in training")
    if not verdicts[True] or max(verdicts[False]) >= max(verdicts[True]):
        return (Holds.NO, f"another is faster up to N={max(verdicts[False])}, in training")
    return (Holds.CONDITION, f"above N={max(verdicts[False])} only, in training; below, another is")


CLAIMS: tuple[tuple[str, Judge], ...] = (
    ("All three give the same result, up to rounding.", _all_agree),
    ("The loopy version is the formula.", _is_the_formula),
    (
        "loopy takes O(N^3) work: forward.",
        _grows_at_most("loopy", ELEMENTS_PROCESSED, "forward", "N^3"),
    ),
    (
        "loopy takes O(N^3) work: training.",
        _grows_at_most("loopy", ELEMENTS_PROCESSED, "training", "N^3"),
    ),
    (
        "loopy builds no N x N x N tensor: memory N^2.",
        _grows_at_most("loopy", MEMORY, "training", "N^2"),
    ),
    (
        "broadcast takes O(N^3) work: forward.",
        _grows_at_most("broadcast", ELEMENTS_PROCESSED, "forward", "N^3"),
    ),
    (
        "broadcast takes O(N^3) work: training.",
        _grows_at_most("broadcast", ELEMENTS_PROCESSED, "training", "N^3"),
    ),
    ("broadcast takes O(N^3) memory.", _grows_at_most("broadcast", MEMORY, "training", "N^3")),
    (
        "rowsort takes O(N^2 log N) work: forward.",
        _grows_at_most("rowsort", ELEMENTS_PROCESSED, "forward", "N^2 log N"),
    ),
    (
        "rowsort takes O(N^2 log N) work: training.",
        _grows_at_most("rowsort", ELEMENTS_PROCESSED, "training", "N^2 log N"),
    ),
    (
        "rowsort builds no N x N x N tensor: memory N^2.",
        _grows_at_most("rowsort", MEMORY, "training", "N^2"),
    ),
    ("rowsort takes less memory than broadcast.", _smaller),
    ("rowsort is faster than broadcast for large N.", _faster_when_large),
    ("broadcast is fine for small batches.", _fine_when_small),
    ("loopy is the slowest.", _slowest),
    ("rowsort is the fastest, so it is the one to use.", _fastest_for_now),
)
"""In the order of the note."""
