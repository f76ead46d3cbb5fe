"""Decides from raw results whether a sentence on a run is true, apart from the code that writes it.

Each function has the name of a kind of sentence and the facts of one as arguments; the first
argument is the run.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from inspect import signature
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.stats import binom

from supcr_bench.analysis.fastest import Estimate, Question
from supcr_bench.render.sentences import Sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import Case
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.holds import Holds
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Verdict

FIGURES = (Status.MEASURED, Status.WRONG)


def holds(run: Run, sentence: Sentence, question: Question | None = None) -> bool:
    """Whether the proposition of a sentence is true of the run; a clause answers a question."""
    decide, facts = globals()[sentence.kind], dict(sentence.facts)
    if "question" in signature(decide).parameters:
        facts.setdefault("question", question)
    return bool(decide(run, **facts))


def median(samples: Iterable[float]) -> float:
    return float(np.median(list(samples)))


def of(run: Run, name: str, definition: str | None = None) -> list[Result]:
    return [
        r
        for r in run.results
        if r.implementation == name and definition in (None, r.case.definition)
    ]


@cache
def place_of(case: Case) -> tuple[object, ...]:
    return case.pass_, case.definition, case.device, case.series()


@cache
def shared(case: Case) -> Case:
    return case.shared


def is_refuted(run: Run, name: str) -> bool:
    """Whether a check that counts failed, or a fault is known."""
    found = (run.verification or {}).get(name)
    return found is not None and bool(
        found.reading.faults
        or any(o.verdict is Verdict.FAIL and o.group != "robustness" for o in found.outcomes)
    )


# --- Right or not ---


def right(run: Run, *, names: Sequence[str], definition: str, answers: int) -> bool:
    statuses = [r.status for name in names for r in of(run, name, definition)]
    return (
        all(any(r.status in FIGURES for r in of(run, name, definition)) for name in names)
        and Status.WRONG not in statuses
        and statuses.count(Status.MEASURED) == answers
        and not any(is_refuted(run, name) for name in names)
    )


def wrong(run: Run, *, name: str, definition: str, wrong: int, answers: int, first: Case) -> bool:
    own = of(run, name, definition)
    bad = [r for r in own if r.status is Status.WRONG]
    known = [r for r in own if r.status in FIGURES]
    return (len(bad), len(known), bad[0].case) == (wrong, answers, first)


def refuted(run: Run, *, name: str, headline: str, answers: int) -> bool:
    counts = Counter(r.status for r in of(run, name))
    agree = counts[Status.MEASURED] == answers and not counts[Status.WRONG]
    return is_refuted(run, name) and "not right" in headline and (agree or not answers)


def silent(run: Run, *, name: str, ended: Sequence[tuple[str, int]]) -> bool:
    # Of one definition; the others of that name have sentences of their own.
    counts = Counter(r.status for r in of(run, name))
    return all(counts[Status(words.replace(" ", "_"))] >= n > 0 for words, n in ended)


def verified(run: Run, *, names: Sequence[str], computes: str, robust: bool) -> bool:
    found = [(run.verification or {})[name] for name in names]
    return all(
        not is_refuted(run, v.implementation)
        and all(o.verdict is not Verdict.NOT_RUN for o in v.outcomes)
        and any(o.verdict is Verdict.FAIL for o in v.outcomes) is not robust
        and v.reading.nearest in computes
        for v in found
    )


def unverified(run: Run, *, name: str, headline: str) -> bool:
    found = (run.verification or {})[name]
    late = any(o.verdict is Verdict.NOT_RUN for o in found.outcomes)
    return not is_refuted(run, name) and (late or found.uncallable is not None)


# --- What to use ---


def usable(run: Run, case: Case, n: int) -> list[Result]:
    """What is right and was timed at a batch size, under the definition and place of a case."""

    distrusted = {
        (r.implementation, r.case.dtype, r.case.temperature)
        for r in run.results
        if r.status is Status.WRONG
    }
    return [
        r
        for r in run.results
        if r.case.batch_size == n
        and place_of(r.case) == place_of(case)
        and r.status is Status.MEASURED
        and r.time_samples_s
        and (r.implementation, r.case.dtype, r.case.temperature) not in distrusted
        and not is_refuted(run, r.implementation)
    ]


def beats(run: Run, one: Result, other: Result) -> bool:
    """Whether one took less time beyond doubt: by a sign test, and by more than the A/A noise."""
    a, b = (np.log(r.time_samples_s or ()) for r in (one, other))
    rounds = min(len(a), len(b))
    ratios = b[:rounds] - a[:rounds]
    noise = noise_of(
        r
        for r in run.results
        if r.aa_samples_s and r.session == one.session and shared(r.case) == shared(one.case)
    )
    if noise is not None and noise > 1:
        return False
    bounds = bounds_of(tuple(ratios.tolist()))
    if bounds is None:
        return bool(ratios.min() > math.log(2))
    return bool(bounds[0] > 0 and math.expm1(np.median(ratios)) > (noise or 0.0))


@cache
def bounds_of(ratios: tuple[float, ...]) -> tuple[float, float] | None:
    """The 95 % interval of their median, of fewer samples where these come in runs."""
    middle, n = float(np.median(ratios)), len(ratios)
    sides = np.array([ratio > middle for ratio in ratios if ratio != middle])
    steps, changes = len(sides) - 1, int(np.sum(sides[1:] != sides[:-1]))
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
    return max(within, float(np.median(widths)) if widths else 0.0)


@cache
def deviation_of(
    again: tuple[float, ...], samples: tuple[float, ...]
) -> tuple[float, float | None]:
    """The share that identical code differs by, and half the interval of that."""
    ratios = tuple(math.log(a / b) for a, b in zip(again, samples, strict=True))
    middle = float(np.median(ratios))
    deviation, bounds = math.expm1(abs(middle)), bounds_of(ratios)
    if bounds is None:
        return deviation, None
    return deviation, math.expm1(max(bounds[1] - middle, middle - bounds[0]))


def use(
    run: Run,
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
    ends = tuple(median(r.time_samples_s or ()) for r in (first, last))
    least = min(median(at[sizes[-1]][name].time_samples_s or ()) for name in names)
    told = ends == times_s and ends[1] == least and last.peak_bytes == peak_bytes
    told &= floors == (last.floor_s and ends[1] / last.floor_s)
    if speedup is None:
        return told
    n, ratio = speedup
    base = [r for r in of(run, str(baseline)) if shared(r.case) == shared(at[n][names[0]].case)]
    own = median(at[n][names[0]].time_samples_s or ())
    return told and math.isclose(median(base[0].time_samples_s or ()) / own, ratio)


def unusable(run: Run, *, case: Case, sizes: Sequence[int]) -> bool:
    return not any(usable(run, case, n) for n in sizes)


# --- Claims of the note ---


def claims_counted(run: Run, *, verdicts: Sequence[Holds]) -> bool:
    return len(verdicts) == 16 and any(
        r.implementation in ("loopy", "broadcast", "rowsort") for r in run.results
    )


def claim_fails(run: Run, *, claim: str) -> bool:
    """Whether some measured results speak against a claim."""
    name, _, rest = claim.partition(" ")
    if " work: " in rest or ("memory" in rest and "O(" in rest) or "memory N^2" in rest:
        law = rest.partition("O(")[2].partition(")")[0] or "N^2"
        pass_ = rest.removesuffix(".").rpartition(": ")[2] if "work" in rest else "training"
        field = "elements_processed" if "work" in rest else "peak_bytes"
        return any(
            power > local_power(law, small, large) + 0.01
            for small, large, power in powers(run, name, pass_, field)
        )
    if claim == "rowsort takes less memory than broadcast.":
        pairs = [(a, b) for a in of(run, name) for b in of(run, "broadcast") if a.case == b.case]
        return any(a.peak_bytes >= b.peak_bytes for a, b in pairs if a.peak_bytes and b.peak_bytes)
    slower = {
        "rowsort is the fastest, so it is the one to use.": [("rowsort", o) for o in NOTE[:2]],
        "rowsort is faster than broadcast for large N.": [("rowsort", "broadcast")],
        "broadcast is fine for small batches.": [("broadcast", "rowsort")],
        "loopy is the slowest.": [(o, "loopy") for o in NOTE[1:]],
    }
    if claim in slower:  # the first of some pair took longer than the other, or did not end
        passes = ("forward", "training") if "large N" in claim else ("training",)
        return any(
            not a.time_samples_s or median(b.time_samples_s or ()) < median(a.time_samples_s)
            for one, other in slower[claim]
            for a, b in meetings(run, one, other, passes)
        )
    if claim.startswith("The loopy"):
        return any(r.status is Status.WRONG for r in of(run, "loopy"))
    return any(r.status is Status.WRONG for name in NOTE for r in of(run, name))


NOTE = ("loopy", "broadcast", "rowsort")


def local_power(law: str, small: int, large: int) -> float:
    return math.log(get_law(law).ratio(small, large)) / math.log(large / small)


def powers(run: Run, name: str, pass_: str, field: str) -> Iterable[tuple[int, int, float]]:
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


def meetings(
    run: Run, name: str, other: str, passes: Sequence[str]
) -> Iterable[tuple[Result, Result]]:
    """Results of one, timed or without an end, beside another one's times on that case."""
    ended = (Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.SKIPPED)
    for own in of(run, name):
        for their in of(run, other):
            met = own.time_samples_s or own.status in ended
            same = their.case == own.case and own.case.pass_ in passes
            if same and met and their.time_samples_s:
                yield own, their


# --- Beware ---


def noise(run: Run, *, spread: float, cells: int) -> bool:
    own = noise_of(run.results)
    pairs = sum(r.aa_samples_s is not None for r in run.results)
    return own is not None and math.isclose(own, spread) and own <= 1 and pairs == cells


def noise_hides(run: Run, *, spread: float, cells: int) -> bool:
    own = noise_of(run.results)
    return own is not None and math.isclose(own, spread) and own > 1


def noise_unknown(run: Run) -> bool:
    return not any(r.aa_samples_s for r in run.results)


def changes_process(run: Run, *, name: str, changes: Sequence[str], apart: bool) -> bool:
    facts = (tuple(changes), apart)
    return any((r.process_changes, bool(r.own_process)) == facts for r in of(run, name))


def missing(run: Run, *, total: int, ended: Sequence[tuple[str, int]]) -> bool:
    counts = Counter(r.status.words for r in run.results if r.status not in FIGURES)
    return total == len(run.results) and dict(ended) == counts


def failed(run: Run, *, name: str, case: Case, reason: str | None) -> bool:
    first = next(r for r in of(run, name) if r.status is Status.FAILED)
    return (first.case, first.reason) == (case, reason)


def left_out(run: Run, *, reason: str) -> bool:
    return reason in run.info["unavailable"].values()


# --- Findings of the sections ---


def overtakes(
    run: Run, *, name: str, other: str, case: Case, size: float, low: float, high: float
) -> bool:
    """Whether the other one was faster at a size up to there, and this one at one from there on."""
    signs = {}
    for own in of(run, name):
        for their in of(run, other):
            same = (own.case.pass_, own.case.series()) == (case.pass_, case.series())
            if shared(own.case) == shared(their.case) and same and own.session == their.session:
                pairs = zip(own.time_samples_s or (), their.time_samples_s or (), strict=False)
                logs = [math.log(a / b) for a, b in pairs]
                if logs:
                    signs[own.case.batch_size] = float(np.median(logs))
    slower_below = any(sign > 0 for n, sign in signs.items() if n <= high)
    faster_above = any(sign < 0 for n, sign in signs.items() if n >= low)
    return slower_below and faster_above and low <= size <= high


def fits(run: Run, *, name: str, case: Case, capacity_bytes: int, batch_size: int) -> bool:
    """Whether the power of the two largest sizes leads to about that batch."""
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
    return bool(0.3 <= needed / capacity_bytes <= 3)


def mispredicted(run: Run, *, name: str, case: Case, share: float) -> bool:
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


def grows(run: Run, *, name: str, case: Case, law: str, sizes: Sequence[int]) -> bool:
    """Whether an overhead and the law meet each median by a factor of less than 2."""
    timed = [
        r
        for r in of(run, name)
        if (r.case.pass_, r.case.series()) == (case.pass_, case.series()) and r.time_samples_s
    ]
    own = {r.case.batch_size: median(r.time_samples_s or ()) for r in timed}
    ops = {r.case.batch_size: float(r.dispatched_ops or 1) for r in timed}
    measured = np.array([own[n] for n in sizes])
    terms = np.array([[ops[n], get_law(law).of(n)] for n in sizes]) / measured[:, None]
    weights, _ = nnls(terms, np.ones(len(sizes)))
    return bool(np.abs(np.log(terms @ weights)).max() < math.log(2))


def outgrows(run: Run, *, name: str, case: Case, law: str, claimed: str) -> bool:
    return any(
        power > local_power(claimed, small, large) + 0.01
        for small, large, power in powers(run, name, case.pass_, "elements_processed")
    )


def along(run: Run, *, name: str, axis: Any, first: Case, last: Case, time_ratio: float) -> bool:
    own = {r.case: median(r.time_samples_s) for r in of(run, name) if r.time_samples_s}
    values = {k: (v, last.to_mapping()[k]) for k, v in first.to_mapping().items()}
    differ = {k for k, (a, b) in values.items() if a != b}
    return math.isclose(own[last] / own[first], time_ratio) and differ == {axis.name}


# --- Recommendations ---


def asked_of(run: Run, question: Question) -> list[Result]:
    """The results that a question is about, in a run that varies no other axis than its."""
    asked = question.device, question.pass_, "continuous"
    return [r for r in run.results if (r.case.device, r.case.pass_, r.case.labels) == asked]


def at_place(run: Run, question: Question, name: str) -> Result | None:
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
    run: Run, question: Question, name: str, found: Estimate, figure: Callable[[Result], Any]
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


def time_of(result: Result) -> float | None:
    return median(result.time_samples_s) if result.time_samples_s else None


def peak_of(result: Result) -> float | None:
    return None if result.peak_bytes is None else max(float(result.peak_bytes), 1.0)


def not_asked_for(run: Run, *, question: Question) -> bool:
    return not any(
        (r.case.device, r.case.pass_) == (question.device, question.pass_)
        and question.definition in (None, r.case.definition)
        for r in run.results
    )


def available(run: Run, *, known: Sequence[str]) -> bool:
    return {f"{r.case.pass_} on {r.case.device}" for r in run.results} <= set(known)


def right_at(run: Run, question: Question) -> dict[str, Result]:
    """Who is right wherever it answered, and was timed at the place itself."""
    wrong = {r.implementation for r in run.results if r.status is Status.WRONG}
    names = {r.implementation for r in asked_of(run, question)} - wrong
    return {name: r for name in names if (r := at_place(run, question, name))}


def not_recommended(
    run: Run, *, question: Question, case: Case, taus: Sequence[tuple[str, float]]
) -> bool:
    return question.memory_bytes is not None or not right_at(run, question)


def recommended(
    run: Run,
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
        and not any(r.status is Status.WRONG for r in own if r.implementation in names)
        and (decided or len(names) > 1)
        and (not beaten or question.memory_bytes is not None)
        and estimate_holds(run, question, names[0], time, time_of)
        and (peak is None or estimate_holds(run, question, names[0], peak, peak_of))
    )


def both(run: Run, question: Question, name: str, other: str) -> list[Result]:
    return [r for n in (name, other) if (r := at_place(run, question, n))]


def log_ratios(one: Result, two: Result) -> list[float]:
    pairs = zip(one.time_samples_s or (), two.time_samples_s or (), strict=False)
    return [math.log(a / b) for a, b in pairs]


def takes_longer(
    run: Run, *, name: str, other: str, times: float, source: str, question: Question
) -> bool:
    """Whether that is the ratio where both were measured, and somebody there beats it."""
    met = both(run, question, name, other)
    if len(met) < 2:
        return times > 0 and (source != "measured" or at_place(run, question, name) is not None)
    ratio = median(met[0].time_samples_s or ()) / median(met[1].time_samples_s or ())
    beaten = any(beats(run, r, met[0]) for r in right_at(run, question).values())
    return math.isclose(times, ratio) and beaten


def may_be_noise(run: Run, *, name: str, other: str, times: float, question: Question) -> bool:
    """Whether nothing tells more: they share no rounds at the place, or too few."""
    met = both(run, question, name, other)
    apart = len(met) < 2 or met[0].session != met[1].session
    return apart or bounds_of(tuple(log_ratios(*met))) is None


def ties(
    run: Run,
    *,
    name: str,
    other: str,
    low: float,
    high: float,
    samples: int,
    close: bool,
    question: Question,
) -> bool:
    logs = log_ratios(*both(run, question, name, other))
    bounds = bounds_of(tuple(logs)) or (math.nan, math.nan)
    return (
        len(logs) == samples
        and all(math.isclose(math.exp(b), end) for b, end in zip(bounds, (low, high), strict=True))
        and close is (high < 1.25 * low)
    )


def ruled_out(run: Run, *, name: str, reason: str, alone: bool, question: Question) -> bool:
    own = [r for r in run.results if r.implementation == name and r.case.pass_ == question.pass_]
    ended = {f"{r.status.words} at {r.case.describe()}: {r.reason}" for r in own}
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


def only_one(run: Run, *, name: str, question: Question) -> bool:
    return {r.implementation for r in asked_of(run, question)} == {name}


def extrapolated(run: Run, *, question: Question) -> bool:
    """Whether somebody was not timed there, and the place is no mean of measured ones."""
    own = asked_of(run, question)
    missing = [n for n in {r.implementation for r in own} if not at_place(run, question, n)]
    return bool(missing)


def several_definitions(run: Run, *, computed: Mapping[str, Sequence[str]]) -> bool:
    return len(computed) > 1 and all(
        of(run, name, which) for which, names in computed.items() for name in names
    )


# --- Contradictions ---


def contradict(one: Sentence, other: Sentence) -> bool:
    """Whether two sentences of one run cannot both be true, or read as if they could not."""
    a, b = sorted((one, other), key=lambda s: s.kind)
    kinds, shared = (a.kind, b.kind), set(a.names) & set(b.names)
    if kinds in {("refuted", "right"), ("refuted", "verified"), ("unverified", "verified")}:
        return bool(shared)
    if kinds == ("silent", "use"):
        return bool(shared) and b.facts["case"].definition == a.facts.get("definition")
    if kinds in {("refuted", "use"), ("use", "wrong")}:
        return bool(shared) and (a.kind == "refuted" or same_precision(a, b))
    if kinds in {("right", "wrong"), ("right", "silent")}:
        return bool(shared) and a.facts["definition"] == b.facts.get(
            "definition", a.facts["definition"]
        )
    if kinds in {("use", "use"), ("unusable", "use"), ("unusable", "unusable")}:
        at = [place_of(s.facts["case"]) for s in (a, b)]
        return at[0] == at[1] and bool(set(a.facts["sizes"]) & set(b.facts["sizes"]))
    if kinds == ("overtakes", "overtakes"):
        swapped = (a.facts["name"], a.facts["other"]) == (b.facts["other"], b.facts["name"])
        return (
            swapped
            and place_of(a.facts["case"]) == place_of(b.facts["case"])
            and abs(a.facts["size"] - b.facts["size"]) < 1
        )
    if kinds == ("claim_fails", "claims_counted"):
        return Holds.NO not in b.facts["verdicts"]
    noises = {"noise", "noise_hides", "noise_unknown"}
    return {a.kind, b.kind} <= noises


def same_precision(a: Sentence, b: Sentence) -> bool:
    one, two = (s.facts.get("case") or s.facts.get("first") for s in (a, b))
    assert one and two
    return (one.dtype, one.temperature) == (two.dtype, two.temperature)


def contradictions(said: Sequence[Sentence]) -> list[tuple[str, str]]:
    return [(a.text, b.text) for a, b in combinations(said, 2) if contradict(a, b)]
