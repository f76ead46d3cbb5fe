"""Decides from raw results whether a sentence on a run is true, apart from the code that writes it.

Each function has the name of a kind of sentence and the facts of one as arguments; the first
argument is the run.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from itertools import chain, pairwise
from statistics import median, stdev
from typing import Any, Self

import numpy as np
from scipy.optimize import nnls
from scipy.stats import binom
from scipy.stats import t as student

from supcr_bench.analysis.recommend import Estimate, Question
from supcr_bench.analysis.statistics import Interval
from supcr_bench.render.sentences import Sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import Case
from supcr_bench.values.growth_law import Holds, get_law
from supcr_bench.values.machine import by_machine
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.verification import Verification
from tests.render.counted_sums import LargestBatch, largest_batches, rising_by

FIGURES = (Status.MEASURED, Status.WRONG)
NOTE = ("loopy", "broadcast", "rowsort")


@dataclass(frozen=True, eq=False)
class Known:
    """The raw results of a run; it can be hashed, so that what is found in it is kept."""

    id: str
    results: Sequence[Result]
    info: Mapping[str, Any]
    verification: Mapping[str, Verification]

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(run.id, tuple(by_machine(run.results)), run.info, run.verification or {})


def holds(run: Known, sentence: Sentence, question: Question | None = None) -> bool:
    """Whether the proposition of a sentence is true of the run; a clause answers a question."""
    decide, facts = globals()[sentence.kind], dict(sentence.facts)
    if _asks(sentence.kind):
        facts.setdefault("question", question)
    return bool(decide(run, **facts))


@cache
def _asks(kind: str) -> bool:
    return "question" in signature(globals()[kind]).parameters


@cache
def of(run: Known, name: str, definition: str | None = None) -> list[Result]:
    return [
        r
        for r in run.results
        if r.implementation == name and definition in (None, r.case.definition)
    ]


def time_of(result: Result) -> float | None:
    """The median call; of several processes, the geometric mean of their medians."""
    logs = [math.log(median(own)) for own in result.processes.values()]
    return math.exp(sum(logs) / len(logs)) if logs else None


@cache
def place_of(case: Case) -> tuple[object, ...]:
    return case.pass_, case.definition, case.device, case.series()


@cache
def shared(case: Case) -> Case:
    return case.shared


@cache
def at_places(run: Known) -> dict[object, list[Result]]:
    """The results by place and batch size."""
    found: dict[object, list[Result]] = {}
    for r in run.results:
        found.setdefault((place_of(r.case), r.case.batch_size), []).append(r)
    return found


@cache
def is_refuted(run: Known, name: str) -> bool:
    """Whether a check that counts failed, or a fault is known."""
    found = run.verification.get(name)
    return found is not None and bool(
        found.reading.faults
        or any(o.verdict is Verdict.FAIL and o.group != "robustness" for o in found.outcomes)
    )


@cache
def distrusted(run: Known) -> set[tuple[str, str, float]]:
    """What is wrong anywhere, with its dtype and temperature."""
    return {
        (r.implementation, r.case.dtype, r.case.temperature)
        for r in run.results
        if r.status is Status.WRONG or is_refuted(run, r.implementation)
    }


def is_trusted(run: Known, r: Result) -> bool:
    return (r.implementation, r.case.dtype, r.case.temperature) not in distrusted(run)


# --- Right or not ---


def right(run: Known, *, names: Sequence[str], definition: str, answers: int) -> bool:
    statuses = [r.status for name in names for r in of(run, name, definition)]
    return (
        all(any(r.status in FIGURES for r in of(run, name, definition)) for name in names)
        and Status.WRONG not in statuses
        and statuses.count(Status.MEASURED) == answers
        and not any(is_refuted(run, name) for name in names)
    )


def wrong(run: Known, *, name: str, definition: str, wrong: int, answers: int, first: Case) -> bool:
    own = of(run, name, definition)
    bad = [r for r in own if r.status is Status.WRONG]
    known = [r for r in own if r.status in FIGURES]
    return (len(bad), len(known), bad[0].case) == (wrong, answers, first)


def refuted(run: Known, *, name: str, headline: str, answers: int) -> bool:
    counts = Counter(r.status for r in of(run, name))
    agree = counts[Status.MEASURED] == answers and not counts[Status.WRONG]
    return is_refuted(run, name) and "not right" in headline and (agree or not answers)


def silent(run: Known, *, name: str, definition: str, ended: Sequence[tuple[str, int]]) -> bool:
    counts = Counter(r.status.words for r in of(run, name, definition))
    return dict(ended) == counts and not counts.keys() & set(FIGURES)


def verified(run: Known, *, names: Sequence[str], computes: str, robust: bool) -> bool:
    found = [run.verification[name] for name in names]
    return all(
        not is_refuted(run, v.implementation)
        and all(o.verdict is not Verdict.NOT_RUN for o in v.outcomes)
        and any(o.verdict is Verdict.FAIL for o in v.outcomes) is not robust
        and v.reading.nearest in computes
        for v in found
    )


def unverified(run: Known, *, name: str, headline: str) -> bool:
    found = run.verification[name]
    late = any(o.verdict is Verdict.NOT_RUN for o in found.outcomes)
    return not is_refuted(run, name) and (late or found.uncallable is not None)


# --- What to use ---


@cache
def usable(run: Known, case: Case, n: int) -> list[Result]:
    """What is right and was timed at a batch size, under the definition and place of a case."""
    return [
        r
        for r in at_places(run).get((place_of(case), n), ())
        if r.status is Status.MEASURED and r.time_samples_s and is_trusted(run, r)
    ]


def log_ratios(one: Result, other: Result) -> list[list[float]]:
    """Logarithms of the times of one over those of the other, by process and round."""
    theirs = other.processes
    pairs = (zip(own, theirs[s], strict=False) for s, own in one.processes.items() if s in theirs)
    return [[math.log(a / b) for a, b in rounds] for rounds in pairs]


def middle_of(ratios: Sequence[Sequence[float]]) -> tuple[float, tuple[float, float] | None]:
    """Their median, or the mean of the medians of several processes; and its 95 % interval."""
    middles = [median(own) for own in ratios]
    if len(middles) < 2:
        return middles[0], bounds_of(tuple(ratios[0]))
    mean, n = sum(middles) / len(middles), len(middles)
    half = float(student.ppf(0.975, n - 1)) * stdev(middles) / math.sqrt(n)
    return mean, (mean - half, mean + half)


def beats(run: Known, one: Result, other: Result) -> bool:
    """Whether one took less time beyond doubt: by a sign test, and by more than the A/A noise."""
    noise = cell_noise(run, shared(one.case)) or 0.0
    ratios, apart = log_ratios(other, one), max(2.0, 1 + noise)
    if not ratios:
        return apart * median(one.time_samples_s or ()) < median(other.time_samples_s or ())
    middle, bounds = middle_of(ratios)
    if bounds and bounds[0] > 0:
        return math.expm1(middle) > noise
    return min(chain(*ratios)) > math.log(apart)


@cache
def cell_noise(run: Known, cell: Case) -> float | None:
    return noise_of(r for r in run.results if r.aa_samples_s and shared(r.case) == cell)


@cache
def bounds_of(ratios: tuple[float, ...]) -> tuple[float, float] | None:
    """The 95 % interval of their median, of fewer samples where these come in runs."""
    middle, n = median(ratios), len(ratios)
    sides = [ratio > middle for ratio in ratios if ratio != middle]
    steps, changes = len(sides) - 1, sum(a != b for a, b in pairwise(sides))
    expected, deviation = steps / 2, math.sqrt(steps / 4) if steps > 0 else 0.0
    count = n
    if steps >= 7 and (changes - expected) / deviation < -1.645:
        correlation = 1 - 2 * changes / steps
        count = math.floor(n * (1 - correlation) / (1 + correlation) + 1e-9)
    rank = lower_rank(count) if count else 0
    if rank < 1:
        return None
    ordered, rank = sorted(ratios), rank * n // count
    return ordered[rank - 1], ordered[-rank]


@cache
def lower_rank(count: int) -> int:
    return int(binom.ppf(0.025, count, 0.5))


def noise_of(results: Iterable[Result]) -> float | None:
    """The share that identical code differs by: 95 % of the pairs, at least half an interval."""
    deviations, widths = [], []
    for r in results:
        if not r.aa_samples_s or not r.time_samples_s:
            continue
        deviation, width = deviation_of(r.aa_samples_s, r.time_samples_s)
        deviations.append(deviation)
        if width is not None:
            widths.append(width)
    if not deviations:
        return None
    within = sorted(deviations)[math.ceil(0.95 * len(deviations)) - 1]
    return max(within, median(widths) if widths else 0.0)


@cache
def deviation_of(
    again: tuple[float, ...], samples: tuple[float, ...]
) -> tuple[float, float | None]:
    """The share that identical code differs by, and half the interval of that."""
    ratios = tuple(math.log(a / b) for a, b in zip(again, samples, strict=True))
    middle = median(ratios)
    deviation, bounds = math.expm1(abs(middle)), bounds_of(ratios)
    if bounds is None:
        return deviation, None
    return deviation, math.expm1(max(bounds[1] - middle, middle - bounds[0]))


def use(
    run: Known,
    *,
    names: Sequence[str],
    case: Case,
    sizes: Sequence[int],
    times_s: tuple[float, float],
    peak_bytes: int | None,
    baseline: str | None,
    speedup: tuple[int, float] | None,
    floors: float | None,
) -> bool:
    at = {n: {r.implementation: r for r in usable(run, case, n)} for n in sizes}
    for found in at.values():
        ahead = [r for r in found.values() if not any(beats(run, o, r) for o in found.values())]
        named = {r.implementation for r in ahead} or set(found)
        if set(names) != named:
            return False
    first, last = (at[n][names[0]] for n in (sizes[0], sizes[-1]))
    ends = [time_of(r) or 0.0 for r in (first, last)]
    least = min(time_of(at[sizes[-1]][name]) or 0.0 for name in names)
    told = all(map(math.isclose, ends, times_s)) and math.isclose(ends[1], least)
    told &= last.peak_bytes == peak_bytes
    told &= close(floors, last.floor_s and ends[1] / last.floor_s)
    if speedup is None:
        return told
    n, ratio = speedup
    base = [r for r in of(run, str(baseline)) if shared(r.case) == shared(at[n][names[0]].case)]
    own = time_of(at[n][names[0]]) or 0.0
    return told and math.isclose((time_of(base[0]) or 0.0) / own, ratio)


def close(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else math.isclose(one, other)


def unusable(run: Known, *, case: Case, sizes: Sequence[int]) -> bool:
    return not any(usable(run, case, n) for n in sizes)


# --- Claims of the note ---


def claims_counted(run: Known, *, verdicts: Sequence[Holds]) -> bool:
    return len(verdicts) == 16 and any(r.implementation in NOTE for r in run.results)


def claim(run: Known, *, claim: str, verdict: Holds) -> bool:
    """Whether measured results speak for and against a claim as its verdict says."""
    against = list(_evidence_against(run, claim))
    if verdict is Holds.NO:
        return any(against)
    return bool(against) and not (all(against) or (any(against) and verdict is Holds.YES))


def _evidence_against(run: Known, claim: str) -> Iterator[bool]:
    """For each series, pair of results or result that decides a claim, whether it is against it."""
    name, _, rest = claim.partition(" ")
    if " work: " in rest or ("memory" in rest and "O(" in rest) or "memory N^2" in rest:
        law = rest.partition("O(")[2].partition(")")[0] or "N^2"
        pass_ = rest.removesuffix(".").rpartition(": ")[2] if "work" in rest else "training"
        field = "elements_processed" if "work" in rest else "peak_bytes"
        for small, large, power in powers(run, name, pass_, field):
            yield power > local_power(law, small, large) + 0.01
    elif claim == "rowsort takes less memory than broadcast.":
        for a, b in met(run, name, "broadcast", ["training"]):
            if a.peak_bytes and b.peak_bytes:
                yield a.peak_bytes >= b.peak_bytes
    elif claim in DUELS:
        passes, pairs, sizes = DUELS[claim]
        for signs in duels(run, passes, pairs):
            at = {"last": [max(signs)], "first": [min(signs)], "all": sorted(signs)}[sizes]
            for n in at:
                yield any(sign < 0 for sign in signs[n])
    elif claim.startswith("The loopy"):
        for r in of(run, "loopy"):
            if r.status in FIGURES:
                yield r.status is Status.WRONG
    else:
        for own in NOTE:
            for r in of(run, own):
                if r.status in FIGURES and set(NOTE) & (r.value_difference or {}).keys():
                    yield r.status is Status.WRONG


DUELS: Mapping[str, tuple[Sequence[str], Sequence[tuple[str, str]], str]] = {
    "rowsort is the fastest, so it is the one to use.": (
        ["training"],
        [("rowsort", "broadcast"), ("rowsort", "loopy")],
        "all",
    ),
    "rowsort is faster than broadcast for large N.": (
        ["forward", "training"],
        [("rowsort", "broadcast")],
        "last",
    ),
    "broadcast is fine for small batches.": (["training"], [("broadcast", "rowsort")], "first"),
    "loopy is the slowest.": (
        ["training"],
        [("broadcast", "loopy"), ("rowsort", "loopy")],
        "all",
    ),
}
"""The passes of a claim, who is to be faster than whom, and at which sizes."""


def duels(
    run: Known, passes: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> list[dict[int, list[float]]]:
    """In each series, for each size, by how much the first of each pair is faster (log-ratio).

    Infinite where the other one did not finish.
    """
    found: dict[object, dict[int, list[float]]] = {}
    for one, other in pairs:
        for a, b in met(run, one, other, passes):
            known = a.time_samples_s, b.time_samples_s
            if known[0] and known[1]:
                by = middle_of(log_ratios(b, a))[0]
            elif (known[0] and b.status in ENDED) or (known[1] and a.status in ENDED):
                by = math.inf if known[0] else -math.inf
            else:
                continue
            at = found.setdefault((a.case.pass_, a.case.series()), {})
            at.setdefault(a.case.batch_size, []).append(by)
    return list(found.values())


ENDED = (Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.SKIPPED)


def met(run: Known, one: str, other: str, passes: Sequence[str]) -> Iterator[tuple[Result, Result]]:
    """The results of two that are trusted, on the same case."""
    others = {r.case: r for r in of(run, other) if is_trusted(run, r)}
    for r in of(run, one):
        if r.case in others and r.case.pass_ in passes and is_trusted(run, r):
            yield r, others[r.case]


def local_power(law: str, small: int, large: int) -> float:
    return math.log(get_law(law).ratio(small, large)) / math.log(large / small)


def powers(run: Known, name: str, pass_: str, field: str) -> Iterable[tuple[int, int, float]]:
    """The two largest sizes of each series and the power of N between them."""
    own = [r for r in of(run, name) if r.case.pass_ == pass_ and getattr(r, field)]
    for series in dict.fromkeys(r.case.series() for r in own):
        members = sorted(
            (r for r in own if r.case.series() == series), key=lambda r: r.case.batch_size
        )
        for one, two in list(pairwise(members))[-1:]:
            small, large = one.case.batch_size, two.case.batch_size
            ratio = getattr(two, field) / getattr(one, field)
            yield small, large, math.log(ratio) / math.log(large / small)


# --- Beware ---


def on(run: Known, device: str | None) -> list[Result]:
    """The timed results of a device, which a sentence names if there are several."""
    timed = [r for r in run.results if r.time_samples_s]
    several = len({r.case.device for r in timed}) > 1
    assert several is (device is not None)
    return [r for r in timed if device in (None, r.case.device)]


def noise(run: Known, *, spread: float, cells: int, device: str | None) -> bool:
    """Whether 95 % of the pairs differ by at most that."""
    own = noise_of(on(run, device))
    pairs = [
        deviation_of(r.aa_samples_s, r.time_samples_s)[0]
        for r in on(run, device)
        if r.aa_samples_s and r.time_samples_s
    ]
    within = sum(deviation <= spread + 1e-9 for deviation in pairs)
    told = own is not None and math.isclose(own, spread)
    return told and len(pairs) == cells and within >= 0.95 * cells


def noise_unknown(run: Known, *, device: str | None) -> bool:
    return not any(r.aa_samples_s for r in on(run, device))


def changes_process(run: Known, *, name: str, changes: Sequence[str], apart: bool) -> bool:
    facts = (tuple(changes), apart)
    return any((r.process_changes, bool(r.own_process)) == facts for r in of(run, name))


def missing(run: Known, *, total: int, ended: Sequence[tuple[str, int]]) -> bool:
    counts = Counter(r.status.words for r in run.results if r.status not in FIGURES)
    return total == len(run.results) and dict(ended) == counts


def failed(run: Known, *, name: str, case: Case, reason: str | None) -> bool:
    first = next(r for r in of(run, name) if r.status is Status.FAILED)
    return (first.case, first.reason) == (case, reason)


def left_out(run: Known, *, reason: str) -> bool:
    return reason in run.info["unavailable"].values()


# --- Findings of the sections ---


def overtakes(
    run: Known, *, name: str, other: str, case: Case, size: float, low: float, high: float
) -> bool:
    """Whether the other one was faster at a size up to there, and this one at one from there on."""
    signs: dict[int, float] = {}
    theirs = {(shared(r.case)): r for r in of(run, other) if r.time_samples_s}
    for own in of(run, name):
        their = theirs.get(shared(own.case))
        if their and place_of(own.case) == place_of(case):
            middles = [median(rounds) for rounds in log_ratios(own, their)]
            signs |= {own.case.batch_size: median(middles)} if middles else {}
    slower_below = any(sign > 0 for n, sign in signs.items() if n <= high)
    faster_above = any(sign < 0 for n, sign in signs.items() if n >= low)
    return slower_below and faster_above and low <= size <= high


def fits(run: Known, *, name: str, case: Case, capacity_bytes: int, batch_size: int) -> bool:
    """Whether a sum of laws that meets the peaks leads to that batch, and peaks agree.

    The power of the two largest sizes leads there roughly.
    """
    own = [
        r
        for r in of(run, name)
        if (r.case.pass_, r.case.series()) == (case.pass_, case.series()) and r.peak_bytes
    ]
    own.sort(key=lambda r: r.case.batch_size)
    one, two = own[-2], own[-1]
    n = two.case.batch_size
    peaks = [float(r.peak_bytes or 0) for r in (one, two)]
    power = math.log(peaks[1] / peaks[0]) / math.log(n / one.case.batch_size)
    needed = peaks[1] * (batch_size / n) ** power + batch_size * 8 * case.embedding_size
    smaller = all(
        (r.peak_bytes or 0) <= capacity_bytes for r in own if r.case.batch_size <= batch_size
    )
    larger = any(
        (r.peak_bytes or 0) < 0.9 * capacity_bytes for r in own if r.case.batch_size > batch_size
    )
    batches = largest_batches(rising_by(own, peak_of), capacity_bytes)
    leads = any(abs(int(b.size) - batch_size) <= 1 + 1e-3 * b.size for b in batches)
    return bool(0.3 <= needed / capacity_bytes <= 3) and smaller and not larger and leads


def mispredicted(run: Known, *, name: str, case: Case, share: float) -> bool:
    at_largest = {
        (r.implementation, r.case.pass_, r.case.series()): abs(
            (r.predicted_peak_bytes or 0) / (r.peak_bytes or 1) - 1
        )
        for r in sorted(run.results, key=lambda r: r.case.batch_size)
        if r.peak_bytes and r.predicted_peak_bytes
    }
    return math.isclose(at_largest[name, case.pass_, case.series()], share) and share >= max(
        at_largest.values()
    )


def grows(run: Known, *, name: str, case: Case, law: str, sizes: Sequence[int]) -> bool:
    """Whether an overhead and the law meet each median by a factor of less than 2."""
    timed = [
        r
        for r in of(run, name)
        if (r.case.pass_, r.case.series()) == (case.pass_, case.series()) and r.time_samples_s
    ]
    own = {r.case.batch_size: time_of(r) or 0.0 for r in timed}
    ops = {r.case.batch_size: float(r.dispatched_ops or 1) for r in timed}
    measured = np.array([own[n] for n in sizes])
    terms = np.array([[ops[n], get_law(law).of(n)] for n in sizes]) / measured[:, None]
    weights, _ = nnls(terms, np.ones(len(sizes)))
    return bool(np.abs(np.log(terms @ weights)).max() < math.log(2))


def outgrows(run: Known, *, name: str, case: Case, law: str, claimed: str) -> bool:
    return any(
        power > local_power(claimed, small, large) + 0.01
        for small, large, power in powers(run, name, case.pass_, "elements_processed")
    )


def along(run: Known, *, name: str, axis: Any, first: Case, last: Case, time_ratio: float) -> bool:
    own = {r.case: time_of(r) or 0.0 for r in of(run, name) if r.time_samples_s}
    values = {k: (v, last.to_mapping()[k]) for k, v in first.to_mapping().items()}
    differ = {k for k, (a, b) in values.items() if a != b}
    return math.isclose(own[last] / own[first], time_ratio) and differ == {axis.name}


def counters_differ(run: Known, *, low: float, high: float) -> bool:
    apart = [
        second / r.peak_bytes - 1
        for r in run.results
        for in_blocks in (r.predicted_cuda_peak_bytes if "cuda" in r.case.device else None,)
        if r.peak_bytes and (second := in_blocks or r.dispatch_peak_bytes)
    ]
    return (low, high) == (min(apart), max(apart))


def intervals_within(run: Known, *, share: float, shown: float = 0.0) -> bool:
    """Whether the widest interval of a largest batch reaches that far, to what is ``shown``.

    The peaks of every series are fitted again; no interval is told after a wrong prediction.
    """
    sure, near = [0.0], False
    for batch in _batches_of(run):
        slack = 0.01 * batch.reach + 0.6 / max(batch.size, 1.0) + shown
        near |= batch.size >= 1 and abs(batch.reach - share) <= slack
        sure += [batch.reach - slack] * (batch.sure and batch.size >= 1)
    return near and share >= max(sure)


@cache
def _batches_of(run: Known) -> list[LargestBatch]:
    """The largest batches for each memory; none where a peak was predicted wrong."""
    found = []
    for own in series_with_peaks(run):
        foretold = [r for r in own if r.predicted_peak_bytes]
        if foretold and abs(_off(foretold[-1])) > 0.1:
            continue
        for gib in (4, 8, 16, 24, 40, 80):
            found += largest_batches(rising_by(own, peak_of), gib * 2**30)
    return found


def series_with_peaks(run: Known) -> list[list[Result]]:
    found: dict[object, list[Result]] = {}
    for r in sorted(run.results, key=lambda r: r.case.batch_size):
        if r.peak_bytes:
            found.setdefault((r.implementation, r.case.pass_, r.case.series()), []).append(r)
    return list(found.values())


def _off(r: Result) -> float:
    return (r.predicted_peak_bytes or 0) / (r.peak_bytes or 1) - 1


# --- Recommendations ---


def asked_of(run: Known, question: Question) -> list[Result]:
    """The results that a question is about, in a run that varies no other axis than its."""
    asked = question.device, question.pass_, "continuous"
    return [r for r in run.results if (r.case.device, r.case.pass_, r.case.labels) == asked]


def at_place(run: Known, question: Question, name: str) -> Result | None:
    """What an implementation has at exactly that place, if it was timed there."""
    asked = question.batch_size, question.dims, question.nan_density
    return next(
        (
            r
            for r in asked_of(run, question)
            if (r.case.batch_size, r.case.dims, r.case.nan_density) == asked
            and r.implementation == name
            and r.time_samples_s
        ),
        None,
    )


def estimate_holds(
    run: Known, question: Question, name: str, found: Estimate, figure: Callable[[Result], Any]
) -> bool:
    """Whether it was measured there, or lies between others, or is beyond them."""
    own = [r for r in asked_of(run, question) if r.implementation == name]
    known = {
        (r.case.batch_size, r.case.dims, r.case.nan_density): value
        for r in own
        if (value := figure(r)) is not None
    }
    asked = question.batch_size, question.dims, question.nan_density
    if asked in known:
        return found.source == "measured" and math.isclose(known[asked], found.value)
    ends = [(min(values), max(values)) for values in zip(*known, strict=True)]
    inside = all(low <= value <= high for (low, high), value in zip(ends, asked, strict=True))
    if found.source == "interpolated":
        return inside and min(known.values()) <= found.value <= max(known.values())
    within = found.low is None or found.high is None or found.low <= found.value <= found.high
    return found.source == "extrapolated" and found.value > 0 and within


def peak_of(result: Result) -> float | None:
    return None if result.peak_bytes is None else max(float(result.peak_bytes), 1.0)


def not_asked_for(run: Known, *, question: Question, known: Sequence[str]) -> bool:
    has = {f"{r.case.pass_} on {r.case.device}" for r in run.results}
    return has <= set(known) and not any(
        (r.case.device, r.case.pass_) == (question.device, question.pass_)
        and question.definition in (None, r.case.definition)
        for r in run.results
    )


def right_at(run: Known, question: Question) -> dict[str, Result]:
    """Who is right wherever it answered, and was timed at the place itself."""
    names = {r.implementation for r in asked_of(run, question) if is_trusted(run, r)}
    return {name: r for name in names if (r := at_place(run, question, name))}


def not_recommended(
    run: Known, *, question: Question, case: Case, taus: Sequence[tuple[str, float]]
) -> bool:
    return question.memory_bytes is not None or not right_at(run, question)


def recommended(
    run: Known,
    *,
    question: Question,
    case: Case,
    taus: Sequence[tuple[str, float]],
    names: Sequence[str],
    decided: bool,
    time: Estimate,
    peak: Estimate | None,
) -> bool:
    """Whether they are right, and none that is right and has to fit nothing beats the first."""
    own, here = asked_of(run, question), right_at(run, question)
    first = here.get(names[0])
    beaten = first and any(beats(run, other, first) for other in here.values())
    return (
        set(taus) == {(r.implementation, r.case.temperature) for r in own}
        and all(is_trusted(run, r) for r in own if r.implementation in names)
        and (decided or len(names) > 1)
        and (not beaten or question.memory_bytes is not None)
        and estimate_holds(run, question, names[0], time, time_of)
        and (peak is None or estimate_holds(run, question, names[0], peak, peak_of))
    )


def both(run: Known, question: Question, name: str, other: str) -> list[Result]:
    return [r for n in (name, other) if (r := at_place(run, question, n))]


def takes_longer(
    run: Known, *, name: str, other: str, times: float, source: str, question: Question
) -> bool:
    """Whether that is the ratio where both were measured, and somebody there beats it."""
    met = both(run, question, name, other)
    if len(met) < 2:
        return times > 0 and (source != "measured" or at_place(run, question, name) is not None)
    ratio = (time_of(met[0]) or 0.0) / (time_of(met[1]) or 1.0)
    beaten = any(beats(run, r, met[0]) for r in right_at(run, question).values())
    return math.isclose(times, ratio) and beaten and times > 0.95


def may_be_noise(run: Known, *, name: str, other: str, times: float, question: Question) -> bool:
    """Whether nothing tells more: they share no rounds at the place, or too few."""
    met = both(run, question, name, other)
    ratios = log_ratios(*met) if len(met) > 1 else []
    return not ratios or middle_of(ratios)[1] is None


def ties(
    run: Known,
    *,
    name: str,
    other: str,
    ratio: Interval,
    processes: int,
    question: Question,
) -> bool:
    logs = log_ratios(*both(run, question, name, other))
    bounds, ends = middle_of(logs)[1] or (math.nan, math.nan), (ratio.low or 0, ratio.high or 0)
    return (
        len(logs) == processes
        and ratio.samples == (processes if processes > 1 else len(logs[0]))
        and all(math.isclose(math.exp(b), end) for b, end in zip(bounds, ends, strict=True))
    )


def ruled_out(run: Known, *, name: str, reason: str, alone: bool, question: Question) -> bool:
    own = [r for r in run.results if r.implementation == name and r.case.pass_ == question.pass_]
    ended = {f"{r.status.words} at {r.case.describe()}: {r.reason}" for r in own}
    ended |= {
        f"wrong in {r.case.pass_} at {r.case.describe()}: {r.reason}"
        for r in of(run, name)
        if r.status is Status.WRONG
    }
    if reason.startswith("verification"):
        return is_refuted(run, name)
    here = at_place(run, question, name)
    if reason.startswith("not timed"):
        return not any(r.time_samples_s for r in asked_of(run, question) if r in own)
    if reason.startswith(("needs ", "may need ")):
        inputs = question.batch_size * 4 * (2 * 64 + question.dims)
        limit = question.memory_bytes or 0
        return limit > 0 and (not here or (here.peak_bytes or 0) + inputs > limit)
    if "its memory" in reason:
        peaks = [r for r in own if r.peak_bytes is not None]
        return bool(peaks) is ("too few" in reason) and (here not in peaks)
    unknown = reason.startswith(("timed at", "timed only at"))
    return (unknown and here is None) or (not unknown and reason in ended)


def only_one(run: Known, *, name: str, question: Question) -> bool:
    return {r.implementation for r in asked_of(run, question)} == {name}


def extrapolated(run: Known, *, question: Question) -> bool:
    """Whether somebody was not timed there, and the place is no mean of measured ones."""
    own = asked_of(run, question)
    missing = [n for n in {r.implementation for r in own} if not at_place(run, question, n)]
    return bool(missing)


def several_definitions(run: Known, *, computed: Mapping[str, Sequence[str]]) -> bool:
    return len(computed) > 1 and all(
        of(run, name, which) for which, names in computed.items() for name in names
    )
