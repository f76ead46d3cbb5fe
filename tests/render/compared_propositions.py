"""Decides from two raw runs whether a sentence of their comparison is true, by plain computation.

Each function has the name of a kind of sentence and its facts as arguments, after the pair.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import binom
from scipy.stats import t as student

from supcr_bench.render.sentences import Sentence
from supcr_bench.values.result import Key, Result, Status
from tests.render.simulated_pairs import Pair

BROKEN = (Status.WRONG, Status.FAILED)
MACHINE = ("cpu", "cpus_usable", "threads", "accelerators", "os")


def holds(pair: Pair, sentence: Sentence) -> bool:
    return bool(globals()[sentence.kind](pair, **sentence.facts))


# --- What the runs hold ---


@cache
def both(pair: Pair) -> dict[Key, tuple[Result, Result]]:
    first, second = ({r.key: r for r in run.results} for run in (pair.first, pair.second))
    return {key: (first[key], second[key]) for key in first if key in second}


def differing(pair: Pair, keys: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    one, two = pair.first.environment, pair.second.environment
    return {key: (one[key], two[key]) for key in keys if one[key] != two[key]}


def apart(pair: Pair, one: Result, two: Result) -> bool:
    places = ((pair.first, one), (pair.second, two))
    a, b = ([run.environment_of(r)[key] for key in MACHINE] for run, r in places)
    return a != b


def timed(pair: Pair) -> Iterator[tuple[Result, Result]]:
    return ((a, b) for a, b in both(pair).values() if a.time_samples_s and b.time_samples_s)


def log_ratio(one: Result, two: Result) -> float:
    return math.log(median(two.time_samples_s or ()) / median(one.time_samples_s or ()))


@cache
def moves(pair: Pair) -> dict[str, list[float]]:
    """The log-ratios of times whose work is known and the same, by implementation."""
    found: dict[str, list[float]] = {}
    for a, b in timed(pair):
        work = [(r.dispatched_ops, r.elements_processed) for r in (a, b)]
        if work[0] == work[1] and None not in work[0] and not apart(pair, a, b):
            found.setdefault(a.implementation, []).append(log_ratio(a, b))
    return found


@cache
def moved(pair: Pair, name: str) -> float | None:
    """The log-ratio that 95 % of the others' unchanged times, and one more, stay within."""
    others = sorted(abs(x) for other, own in moves(pair).items() if other != name for x in own)
    return others[math.ceil(0.95 * (len(others) + 1) - 1e-9) - 1] if len(others) >= 19 else None


@cache
def median_ends(samples: tuple[float, ...]) -> tuple[float, float]:
    rank = lower_rank(len(samples))
    return sorted(samples)[rank - 1], sorted(samples)[-rank]


@cache
def lower_rank(count: int) -> int:
    return int(binom.ppf(0.0125, count, 0.5)) or 1


@cache
def interval(pair: Pair, key: Key) -> tuple[float, float] | None:
    """The ends of the log-ratio of times: of the medians' intervals, and of the drift."""
    one, two = both(pair)[key]
    bound = moved(pair, one.implementation)
    if apart(pair, one, two) or bound is None or not one.time_samples_s or not two.time_samples_s:
        return None
    if min(len(one.time_samples_s), len(two.time_samples_s)) < 6:
        return None
    (low_1, high_1), (low_2, high_2) = (median_ends(r.time_samples_s or ()) for r in (one, two))
    middle = log_ratio(one, two)
    reach = [middle - math.log(low_2 / high_1), math.log(high_2 / low_1) - middle]
    below, above = (x + math.sqrt(max(bound**2 - x**2, 0.0)) for x in reach)
    return middle - below, middle + above


def time_way(pair: Pair, key: Key) -> str | None:
    one, two = both(pair)[key]
    if not one.time_samples_s or not two.time_samples_s:
        return None
    ends = interval(pair, key)
    if ends is None:
        if apart(pair, one, two):
            return "undecided (other machine)"
        if min(len(one.time_samples_s), len(two.time_samples_s)) < 6:
            return "undecided (fewer than 6 samples)"
        return (
            "undecided (the machine's drift is unknown: other implementations have fewer than 19 "
            "unchanged results)"
        )
    low, high = map(math.exp, ends)
    if 1 - pair.margin <= low and high <= 1 + pair.margin:
        return "same"
    if low > 1 or high < 1:
        return "slower" if low > 1 else "faster"
    share = math.expm1(moved(pair, one.implementation) or 0.0)
    if share <= pair.margin:
        return "undecided"
    spread = calls_spread(pair)
    if spread > 0.2:
        text = f"{100 * spread:.2g}" if spread < 0.995 else f"{100 * spread:,.0f}"
        busy = f"the middle half of equal calls spread by {text}%"
        return f"undecided (the machine was too busy: {busy})"
    return "undecided (one process is one sample; `--processes 20` gives more)"


@cache
def calls_spread(pair: Pair) -> float:
    """The usual share by which the middle half of the calls of a result spreads."""
    by_count: dict[int, list[tuple[float, ...]]] = {}
    for r in (*pair.first.results, *pair.second.results):
        if samples := r.time_samples_s:
            by_count.setdefault(len(samples), []).append(samples)
    spreads = [
        high / low - 1
        for own in by_count.values()
        for low, high in [np.quantile(own, [0.25, 0.75], axis=1, method="weibull")]
    ]
    return float(np.median(np.concatenate(spreads))) if spreads else 0.0


def count_way(one: float | None, two: float | None, allowed: float = 0.0) -> str | None:
    if one is None or two is None:
        return None
    if abs(two - one) <= allowed * one:
        return "same"
    return "more" if two > one else "less"


@cache
def ways(pair: Pair, key: Key) -> dict[str, str | None]:
    one, two = both(pair)[key]
    work = {
        count_way(one.dispatched_ops, two.dispatched_ops),
        count_way(one.elements_processed, two.elements_processed),
    } - {None}
    changed = work - {"same"}
    versions = [
        [run.environment[k] for k in ("python", "torch")] for run in (pair.first, pair.second)
    ]
    alike = versions[0][0][:4] == versions[1][0][:4] and versions[0][1] == versions[1][1]
    return {
        "work": "mixed" if len(changed) > 1 else next(iter(changed or work), None),
        "peak memory": count_way(one.peak_bytes, two.peak_bytes, 0.01),
        "python instructions": count_way(one.python_instructions, two.python_instructions, 0.05)
        if alike
        else None,
        "time": time_way(pair, key),
    }


@cache
def worse_in(pair: Pair, key: Key) -> frozenset[str]:
    """In what a result got worse, time apart."""
    one, two = both(pair)[key]
    short = {"work": "work", "peak memory": "memory", "python instructions": "Python instructions"}
    own = ways(pair, key)
    found = {name for way, name in short.items() if own[way] == "more"}
    if two.status in BROKEN and one.status not in BROKEN:
        found.add("outcome")
    limits = (one.memory_limit_bytes or 0), (two.memory_limit_bytes or 0)
    if two.status is Status.OUT_OF_MEMORY and one.status.has_figures and limits[1] >= limits[0]:
        found.add("outcome")
    drift = moved(pair, one.implementation)
    if (
        two.status is Status.TIMED_OUT
        and one.time_samples_s
        and drift is not None
        and not apart(pair, one, two)
        and (two.time_limit_s or 0.0) > math.exp(drift) * max(one.time_samples_s)
    ):
        found.add("outcome")
    return frozenset(found)


@cache
def session_of(pair: Pair, name: str) -> float:
    """By Student's t, of the others' median moves and of two like them at 8 %."""
    shifts = [float(np.median(own)) for other, own in moves(pair).items() if other != name]
    names = {r.implementation for run in (pair.first, pair.second) for r in run.results}
    squares, freedom = 2 * 0.08**2 + sum(x**2 for x in shifts), 2 + len(shifts)
    quantile = student.ppf(1 - 0.05 / len(names), freedom)
    return float(math.exp(quantile * math.sqrt(squares / freedom)))


@cache
def slower_cases(pair: Pair, name: str) -> tuple[int, int, int, float]:
    """The slower cases, those beyond what a session does, all judged ones, and that ratio."""
    own = [key for key in both(pair) if key[0] == name and interval(pair, key)]
    slower = [key for key in own if time_way(pair, key) == "slower"]
    session = session_of(pair, name)
    beyond = sum(math.exp((interval(pair, key) or (0, 0))[0]) > session for key in slower)
    return len(slower), beyond, len(own), session


def is_slower(pair: Pair, name: str) -> bool:
    _, beyond, cases, _ = slower_cases(pair, name)
    judged = {key[0] for key in both(pair) if interval(pair, key)}
    return bool(cases) and bool(binom.sf(beyond - 1, cases, 0.05) <= 0.01 / len(judged))


# --- Why times of runs of several processes are undecided ---


@cache
def spread_of(pair: Pair) -> tuple[float, float, float]:
    """The variance of a log time between processes, that of a log-ratio, and what is beyond it.

    The last one is the median over results of that of all other implementations.
    """
    own, shares, moved = [], [], []
    for one, two in both(pair).values():
        logs = [np.log(r.process_medians_s) for r in (one, two)]
        if min(map(len, logs)) < 2:
            continue
        own += [np.var(x, ddof=1) for x in logs]
        shares.append(sum(1 / len(x) for x in logs))
        works = [(r.dispatched_ops, r.elements_processed) for r in (one, two)]
        if works[0] == works[1] and None not in works[0]:
            moved.append((one.implementation, float(logs[1].mean() - logs[0].mean())))
    variance = float(np.mean(own))
    noise = variance * float(np.mean(shares))
    beyond = [
        max(float(np.mean([x**2 for other, x in moved if other != name])) - noise, 0.0)
        for name, _ in moved
        if {other for other, _ in moved} > {name}
    ]
    return variance, noise, float(np.median(beyond))


def reason_holds(pair: Pair, reason: str, margin: float = 0.05) -> bool:
    """Whether so many processes, and not many fewer, make the interval as narrow as the margin.

    An interval of 90 % has to be that narrow in 80 % of cases. How much is beyond the noise is an
    estimate, so the number may be that without it.
    """
    variance, noise, beyond = spread_of(pair)
    allowed = (math.log1p(margin) / (1.645 + 1.282)) ** 2
    if reason == "the machine changed between the runs":
        return beyond > 0.35 * allowed or beyond > 0.7 * noise
    told = re.fullmatch(
        r"the processes of each run differ(?:; `--processes (\d+)` would decide most)?", reason
    )
    assert told, f"no proposition for: {reason}"
    least, most = (2 * variance / max(allowed - more, 1e-9) for more in (0.0, beyond))
    processes = min(len(r.process_medians_s) for known in both(pair).values() for r in known)
    if told[1] is None:
        return most > 60
    return least / 1.5 <= int(told[1]) <= 1.5 * most + 10 and int(told[1]) > processes


# --- The sentences ---


def machines_differ(pair: Pair, *, differences: Any, times: int, apart: int) -> bool:
    differ = globals()["apart"]
    pairs = [differ(pair, a, b) for a, b in timed(pair)]
    said = differences == differing(pair, MACHINE) and (sum(pairs), len(pairs)) == (apart, times)
    return said and bool(differences or apart)


def software_differs(pair: Pair, *, differences: Any) -> bool:
    return bool(differences) and differences == differing(pair, ("python", "torch"))


def in_both(pair: Pair, **counts: int) -> bool:
    one, two = ({r.key for r in run.results} for run in (pair.first, pair.second))
    return counts == {"both": len(one & two), "first": len(one - two), "second": len(two - one)}


def directions(pair: Pair, *, what: str, counts: Mapping[str, int]) -> bool:
    return counts == Counter(
        filter(None, (ways(pair, key).get(what.lower()) for key in both(pair)))
    )


def drift(pair: Pair, *, bounds: Mapping[str, float]) -> bool:
    if set(bounds) != {key[0] for key in both(pair) if interval(pair, key)}:
        return False
    for name, bound in bounds.items():
        others = [abs(x) for other, own in moves(pair).items() if other != name for x in own]
        within = sum(x <= math.log(bound) + 1e-9 for x in others)
        least = max(x for x in others if x <= math.log(bound) + 1e-9)
        reach = [
            min(high - log_ratio(*both(pair)[key]), log_ratio(*both(pair)[key]) - low)
            for key in both(pair)
            if key[0] == name and (ends := interval(pair, key))
            for low, high in [ends]
        ]
        if within < 0.95 * len(others) or min(reach) < math.log(bound) - 1e-9:
            return False
        if not math.isclose(math.exp(least), bound):
            return False
    return True


def _session(pair: Pair, name: str, **facts: float) -> bool:
    keys = ("slower", "beyond", "cases", "session")
    known = dict(zip(keys, slower_cases(pair, name), strict=True))
    return all(math.isclose(known[key], facts[key]) for key in keys) and facts["slower"] > 0


def processes_spread(pair: Pair, *, processes: int) -> bool:
    """Whether the time of each result that several processes timed in both runs is of so many."""
    counts = [[len(r.process_medians_s) for r in known] for known in both(pair).values()]
    return processes > 1 and min(min(own) for own in counts if min(own) > 1) == processes


def became_slower(pair: Pair, *, name: str, **facts: float) -> bool:
    return _session(pair, name, **facts) and is_slower(pair, name)


def may_be_session(pair: Pair, *, name: str, **facts: float) -> bool:
    return _session(pair, name, **facts) and not is_slower(pair, name)


def got_worse(pair: Pair, *, results: int, kinds: Sequence[str]) -> bool:
    worse = [found for key in both(pair) if (found := worse_in(pair, key))]
    return len(worse) == results > 0 and set(kinds) == set().union(*worse)


def without_figures(pair: Pair, *, ended: Mapping[str, int]) -> bool:
    known = Counter(
        b.status.words
        for key, (a, b) in both(pair).items()
        if a.status.has_figures and not b.status.has_figures and not worse_in(pair, key)
    )
    return ended == known and bool(ended)


def shares_nothing(pair: Pair) -> bool:
    return not any(
        any(ways(pair, key).values()) or a.status is not b.status
        for key, (a, b) in both(pair).items()
    )


def nothing_shared(pair: Pair) -> bool:
    return shares_nothing(pair)


def nothing_worse(pair: Pair) -> bool:
    names = {key[0] for key in both(pair)}
    slower = any(is_slower(pair, name) for name in names)
    return not (slower or shares_nothing(pair) or any(worse_in(pair, key) for key in both(pair)))


# --- Contradictions, between sentences and with the tables beside them ---

VERDICTS = {"nothing_worse", "nothing_shared", "became_slower", "got_worse"}


def contradict(one: Sentence, other: Sentence) -> bool:
    """Whether two sentences of one comparison cannot both be true, or read as if they could not."""
    a, b = sorted((one, other), key=lambda s: s.kind)
    kinds = {a.kind, b.kind}
    if a.kind == b.kind:
        return a.kind not in ("became_slower", "directions", "may_be_session") or (
            a.facts.get("name", a.facts.get("what")) == b.facts.get("name", b.facts.get("what"))
        )
    if kinds & {"nothing_worse", "nothing_shared"} and kinds <= VERDICTS:
        return True
    if kinds == {"became_slower", "may_be_session"}:
        return bool(a.facts["name"] == b.facts["name"])
    by_kind = {a.kind: a.facts, b.kind: b.facts}
    if counts := by_kind.get("directions"):
        slower = counts["counts"].get("slower", 0)
        is_time = counts["what"] == "Time"
        total = sum(counts["counts"].values())
        if own := by_kind.get("became_slower") or by_kind.get("may_be_session"):
            return is_time and not own["slower"] <= min(slower, own["cases"])
        if found := by_kind.get("got_worse"):
            short = counts["what"].removeprefix("Peak ")
            said = next((k for k in found["kinds"] if k.lower() == short.lower()), None)
            return not is_time and (said is not None) is not ("more" in counts["counts"])
        if "nothing_worse" in kinds:
            return "more" in counts["counts"]
        if "in_both" in kinds:
            return bool(total > by_kind["in_both"]["both"])
        if found := by_kind.get("machines_differ"):
            other_machine = counts["counts"].get("undecided (other machine)", 0)
            return is_time and (total, other_machine) != (found["times"], found["apart"])
    return False


def contradictions(said: Sequence[Sentence]) -> list[tuple[str, str]]:
    return [(a.text, b.text) for a, b in combinations(said, 2) if contradict(a, b)]
