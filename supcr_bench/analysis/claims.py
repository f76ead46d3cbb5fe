"""Decides from a run the claims of the note, a document in which torchcell compares three losses.

This file contains no verdicts: a claim is a sentence and a function of the results, which may leave
it undecided. Costs are judged in each series (workloads equal but for the batch size), and one
implementation counts as faster only beyond the noise. An implementation that is wrong is left out
of comparisons of time and memory. A claim on the growth of time is tested on the count of elements
processed, which has no noise; a claim on the growth of memory is tested on bytes.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from supcr_bench.analysis.growth import Growth
from supcr_bench.analysis.statistics import faster_in
from supcr_bench.analysis.summary import Wrong, setting_of
from supcr_bench.values.axes import PASSES, Pass
from supcr_bench.values.growth_law import Holds, grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.units import format_bytes

NOTE = ("loopy", "broadcast", "rowsort")
BEYOND_ROUNDING = 0.01
"""A relative difference between two definitions that rounding cannot explain."""
MOST_NAMED = 3
"""The most series, and pieces of evidence, that a verdict names."""


Judged = tuple[Holds, str]
"""The verdict on a claim, and a sentence with the evidence."""


class Measured(NamedTuple):
    """What claims are decided from: results, their growth, and which implementations are wrong."""

    results: Sequence[Result]
    growth: Sequence[Growth]
    wrong: Wrong

    def pairs(self, one: str, other: str, pass_: Pass) -> list[tuple[Result, Result]]:
        """The results of two right implementations on the same cases, by rising batch size."""
        own, others = (
            {
                r.case: r
                for r in self.results
                if (r.implementation, r.case.pass_) == (name, pass_)
                and setting_of(r) not in self.wrong
            }
            for name in (one, other)
        )
        return [(own[c], others[c]) for c in sorted(own, key=lambda c: c.batch_size) if c in others]


Judge = Callable[[Measured], Judged]


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim and its verdict."""

    claim: str
    verdict: Holds
    evidence: str


def claim_rows(
    results: Sequence[Result], growth: Sequence[Growth], wrong: Wrong = frozenset()
) -> list[ClaimRow]:
    if not any(r.implementation in NOTE for r in results):
        return []
    known = Measured(results, growth, wrong)
    return [ClaimRow(text, *judge(known)) for text, judge in CLAIMS]


def _all_agree(known: Measured) -> Judged:
    met = [
        (r, values)
        for r in known.results
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


def _is_the_formula(known: Measured) -> Judged:
    own = [r for r in known.results if r.implementation == "loopy" and r.status.has_figures]
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


def _together(judged: Mapping[str, Judged], unseen: str, *, noisy: bool = False) -> Judged:
    """The verdict on a claim from its verdicts in each series, or that it is ``unseen``.

    If one series does not decide a claim, the others do, and the verdict says so. With ``noisy``,
    an undecided series may be due to noise, so a claim that holds in the others holds with a
    condition.
    """
    if not judged:
        return Holds.UNDECIDED, unseen
    found = {verdict for verdict, _ in judged.values()}
    decided = found - {Holds.UNDECIDED}
    hidden = noisy and decided != found
    verdict = next(iter(decided), Holds.UNDECIDED)
    if len(decided) > 1 or (hidden and verdict is Holds.YES):
        verdict = Holds.CONDITION
    alike = grouped(judged.items(), lambda item: item[1])
    order = list(Holds)[::-1].index  # what speaks against the claim comes before what is for it
    parts = {
        f"{', '.join(where for where, _ in own[:MOST_NAMED])}"
        f"{f' and {len(own) - MOST_NAMED} more' if len(own) > MOST_NAMED else ''}: {evidence}": said
        for (said, evidence), own in sorted(alike.items(), key=lambda item: order(item[0][0]))
    }
    firsts = [own[0] for own in grouped(parts, parts.__getitem__).values()]  # of each verdict one
    kept = list(dict.fromkeys([*firsts, *parts]))[:MOST_NAMED]
    more = [f"and {len(parts) - MOST_NAMED} more"] if len(parts) > MOST_NAMED else []
    return verdict, "; ".join([*(part for part in parts if part in kept), *more])


def _grows_at_most(
    implementation: str, metric: Metric, pass_: Pass, law: str, known: Measured
) -> Judged:
    own = [g for g in known.growth if (g.implementation, g.case.pass_) == (implementation, pass_)]
    times = {g.case.series(): g for g in own if g.metric is TIME}
    judged = {
        g.case.describe_series(): _at_most(g, law, times.get(g.case.series()))
        for g in own
        if g.metric is metric
    }
    return _together(judged, "fewer than two sizes were measured")


def _at_most(own: Growth, law: str, time: Growth | None) -> Judged:
    evidence = own.verdict.evidence
    if own.verdict.law:
        span = f"N={own.sizes[0]} to {own.sizes[-1]}"
        evidence = f"it {own.verdict.said}, {span}: {evidence}"
    if own.metric is ELEMENTS_PROCESSED and time and time.verdict.exponent is not None:
        evidence += f"; its time {time.verdict.said}, N={time.sizes[0]} to {time.sizes[-1]}"
        ends = time.verdict.exponent_low, own.verdict.exponent, time.verdict.exponent_high
        low, work, high = (x and round(x, 2) for x in ends)  # as they are shown
        if low and high and work and not low <= work <= high:
            evidence += f", which does not hold for larger N: there its work grows as N^{work:.2f}"
    faster = {grows_faster(candidate, law) for candidate in own.verdict.candidates}
    if len(faster) != 1:
        return Holds.UNDECIDED, evidence
    return Holds.NO if True in faster else Holds.YES, evidence


Duels = Mapping[int, Sequence[bool | None]]
"""By rising batch size, whether one is faster than each other; ``None`` where noise hides it."""


def _duels(
    judge: Callable[[Duels], Judged],
    one: str,
    others: Sequence[str],
    known: Measured,
    passes: Sequence[Pass] = ("training",),
) -> Judged:
    """Find the faster of two in each series and pass; one that did not finish counts as slower."""
    faster, stopped = faster_in(known.results), (Status.TIMED_OUT, Status.OUT_OF_MEMORY)
    ran = {
        (r.implementation, *r.case.series())
        for r in known.results
        if r.time_samples_s or r.status in stopped
    }

    def beats(own: Result, their: Result) -> bool:
        if own.time_samples_s and their.time_samples_s:
            return faster(own, their)
        # One that is skipped at every size may only be unable to take these inputs.
        could = (their.implementation, *their.case.series()) in ran
        ended = their.status in stopped or (their.status is Status.SKIPPED and could)
        return bool(own.time_samples_s) and ended

    found: list[tuple[str, int, bool | None, bool]] = []
    for pass_, other in itertools.product(passes, others):
        for own, their in known.pairs(one, other, pass_):
            finished = bool(own.time_samples_s and their.time_samples_s)
            won = True if beats(own, their) else False if beats(their, own) else None
            if finished or won is not None:
                where = f"{pass_} {own.case.describe_series()}"
                found.append((where, own.case.batch_size, won, finished))
    judged = {}
    for where, same in grouped(found, lambda duel: duel[0]).items():
        at = sorted(grouped(same, lambda duel: duel[1]).items())
        holds, said = judge({n: [won for _, _, won, _ in duels] for n, duels in at})
        if unfinished := sorted({str(n) for _, n, _, finished in same if not finished}, key=int):
            said += f" (one of them did not finish at N={', '.join(unfinished)})"
        judged[where] = holds, said
    return _together(judged, "no two right ones were timed together", noisy=True)


def _sizes(duels: Duels, won: bool | None) -> str:
    return ", ".join(str(n) for n, own in duels.items() if won in own)


def _everywhere(duels: Duels) -> str:
    several = f"at every N from N={min(duels)} to {max(duels)}"
    return several if len(duels) > 1 else f"at N={min(duels)}"


def _of_all(duels: Duels) -> str:
    count = {1: "two", 2: "three"}[min(map(len, duels.values()))]
    return f"of the {count} that were timed, {_everywhere(duels)}"


def _at_end(end: Callable[[Iterable[int]], int], duels: Duels) -> Judged:
    """Whether one is faster at the smallest (largest) size, and up to (from) which size."""
    order = sorted(duels, reverse=end is max)
    won = list(itertools.takewhile(lambda n: duels[n] == [True], order))
    if not won:
        lost = duels[order[0]] == [False]
        said = "the other one is faster" if lost else "noise hides which is faster"
        return Holds.NO if lost else Holds.UNDECIDED, f"{said} at N={order[0]}"
    if won == order:
        return Holds.YES, _everywhere(duels)
    span = f"from N={won[-1]} on" if end is max else f"up to N={won[-1]}"
    return Holds.YES, f"{span}, not at N={order[len(won)]}"


def _faster_for_large_n(known: Measured) -> Judged:
    """A claim that fails at the largest size is undecided: it may hold at a larger one."""
    at_end = partial(_at_end, max)
    verdict, evidence = _duels(at_end, "rowsort", ["broadcast"], known, PASSES)
    return Holds.UNDECIDED if verdict is Holds.NO else verdict, evidence


def _slowest(duels: Duels) -> Judged:
    if faster := _sizes(duels, won=True):
        slower = any(set(own) == {False} for own in duels.values())
        always = all(True in own for own in duels.values())
        verdict = Holds.CONDITION if slower else Holds.NO if always else Holds.UNDECIDED
        return verdict, f"not at N={faster}"
    if tied := _sizes(duels, won=None):
        return Holds.UNDECIDED, f"noise hides it at N={tied}"
    return Holds.YES, _of_all(duels)


def _fastest_for_now(duels: Duels) -> Judged:
    lost = max((n for n, own in duels.items() if False in own), default=None)
    won = [n for n, own in duels.items() if set(own) == {True}]
    if lost is None:
        tied = _sizes(duels, won=None)
        said = f"noise hides it at N={tied}" if tied else _of_all(duels)
        return Holds.UNDECIDED if tied else Holds.YES, said
    above = min((n for n in won if n > lost), default=None)
    if above is None:
        end = f"another is faster up to N={lost}"
        return (Holds.NO, end) if lost == max(duels) else (Holds.UNDECIDED, end)
    return Holds.CONDITION, f"only from N={above} on; up to N={lost}, another one is faster"


def _smaller(known: Measured) -> Judged:
    found: dict[str, list[tuple[int, int, int]]] = {}
    for r, other in known.pairs("rowsort", "broadcast", "training"):
        if r.peak_bytes and other.peak_bytes:
            peaks = found.setdefault(r.case.describe_series(), [])
            peaks.append((r.case.batch_size, r.peak_bytes, other.peak_bytes))
    judged = {}
    for where, peaks in found.items():
        n, own, others = peaks[-1]
        said = f"{format_bytes(own)}, and broadcast {format_bytes(others)}, at N={n} in training"
        larger = [str(n) for n, own, others in peaks if own >= others]
        if larger:
            said = f"not at N={', '.join(larger)}; {said}"
        some = Holds.NO if len(larger) == len(peaks) else Holds.CONDITION
        judged[where] = some if larger else Holds.YES, said
    return _together(judged, "their memory was not measured together, both being right")


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
    ("rowsort is faster than broadcast for large N.", _faster_for_large_n),
    (
        "broadcast is fine for small batches.",
        partial(_duels, partial(_at_end, min), "broadcast", ["rowsort"]),
    ),
    ("loopy is the slowest.", partial(_duels, _slowest, "loopy", ["broadcast", "rowsort"])),
    (
        "rowsort is the fastest, so it is the one to use.",
        partial(_duels, _fastest_for_now, "rowsort", ["broadcast", "loopy"]),
    ),
)
