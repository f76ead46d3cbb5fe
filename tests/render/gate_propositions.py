"""Decides from what a gate measured whether its verdicts, reasons and sentences are true.

``verdict_holds`` and ``reason_holds`` look at the two runs and at the samples; the function with
the name of a kind of sentence looks at the changes, whose verdicts the former two have decided.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import binom

from supcr_bench.render.sentences import Sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.gate import GatedChange, TimeStudy
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Verdict
from tests.render.simulated_gates import TODAY, Gated

BROKEN = (Status.WRONG, Status.FAILED)
COUNTS = {
    "dispatched_ops": ("dispatched_ops", 0.0),
    "elements_processed": ("elements_processed", 0.0),
    "memory": ("peak_bytes", 0.01),
    "python_instructions": ("python_instructions", 0.05),
}
NUMBER = r"([\d,.e+-]+)"


def holds(gated: Gated, sentence: Sentence) -> bool:
    return bool(globals()[sentence.kind](gated, **sentence.facts))


# --- What was measured ---


def found_in(run: Run, change: GatedChange) -> Result | None:
    key = (change.implementation, change.case)
    return next((r for r in run.results if r.key == key), None)


def both(gated: Gated, change: GatedChange) -> tuple[Result | None, Result | None]:
    return found_in(gated.before, change), found_in(gated.after, change)


def releases(gated: Gated) -> list[str]:
    return [run.environment["torch"].partition("+")[0] for run in (gated.before, gated.after)]


def allowed(gated: Gated, change: GatedChange) -> float:
    if change.metric == "time":
        return gated.allowed[change.implementation]
    one, other = releases(gated)
    return max(COUNTS[change.metric][1], 0.02 if one != other else 0.0)


def failing(run: Run, name: str, verdict: Verdict = Verdict.FAIL) -> set[str]:
    found = (run.verification or {}).get(name)
    return {o.check for o in found.outcomes if o.verdict is verdict} if found is not None else set()


def ratios(gated: Gated, change: GatedChange, version: str = "after") -> list[float]:
    """The ratio of a version's median call to that of the version before, in each process."""
    given = gated.sampler.given if gated.sampler and change.case else {}
    return [
        median(a / b for a, b in zip(own.seconds[version], own.seconds["before"], strict=True))
        for own in given.get((change.implementation, change.case), ())  # type: ignore[arg-type]
        if own.seconds
    ]


def middle(values: Sequence[float]) -> float:
    return float(np.exp(np.median(np.log(values))))


def narrowest(gated: Gated, values: Sequence[float], ratios: int = 1) -> tuple[float, float] | None:
    """Bounds of the median at a first look that is the last; those of all other looks are wider.

    The error is divided among so many ratios.
    """
    assert gated.outcome.time
    rank = _rank(len(values), 0.01 / gated.outcome.time.cells / ratios)
    ordered = sorted(values)
    return (ordered[rank - 1], ordered[-rank]) if rank else None


@cache
def _rank(count: int, alpha: float) -> int:
    rank = 0
    while binom.cdf(rank, count, 0.5) <= alpha:
        rank += 1
    return rank


# --- Verdicts ---


def verdict_holds(gated: Gated, change: GatedChange) -> bool:
    """Whether the raw results speak for the verdict; an accepted one was a regression."""
    judge: Callable[[Gated, GatedChange], set[str]] = {
        "agreement": _of_agreement,
        "verification": _of_verification,
        "time": _of_time,
    }.get(change.metric, _of_count)
    verdict = "regression" if change.verdict == "accepted" else str(change.verdict)
    return verdict in judge(gated, change) and _figures_hold(gated, change)


def _figures_hold(gated: Gated, change: GatedChange) -> bool:
    if change.metric in COUNTS:
        known = [r and getattr(r, COUNTS[change.metric][0]) for r in both(gated, change)]
        ratio = known[1] / known[0] if None not in known and known[0] else None
        return [change.before, change.after, change.ratio] == [*known, ratio]
    if change.metric == "time" and change.ratio is not None:
        return math.isclose(change.ratio, middle(ratios(gated, change)))
    return change.ratio is None


def _of_agreement(gated: Gated, change: GatedChange) -> set[str]:
    before, after = both(gated, change)
    if after is None:
        return {"undecided"}
    if before is None:
        if after.status is Status.MEASURED:
            return {"pass" if change.implementation in gated.terms.new else "new"}
        return {"regression"} if after.status in BROKEN else {"undecided"}
    if after.status is Status.MEASURED:
        return {"pass"}
    if after.status in BROKEN and before.status not in BROKEN:
        return {"regression"}
    if after.status is Status.FAILED and before.status is Status.WRONG:
        return {"regression"}
    if after.status is before.status:
        farther = (after.value_tolerances or 0) > 2 * (before.value_tolerances or 0)
        worse = after.status is Status.WRONG and farther
        return {"regression"} if worse else {"unchanged"}
    if after.status in BROKEN:
        return {"unchanged"}
    if after.status is Status.OUT_OF_MEMORY and before.status.has_figures:
        lower = (after.memory_limit_bytes or 0) < (before.memory_limit_bytes or 0)
        return {"undecided"} if lower else {"regression"}
    return {"regression", "undecided"} if before.status.has_figures else {"undecided"}


def _of_verification(gated: Gated, change: GatedChange) -> set[str]:
    name = change.implementation
    found = [(run.verification or {}).get(name) for run in (gated.before, gated.after)]
    if found[1] is None:
        return {"undecided"}
    if found[1].uncallable:
        return {"unchanged" if found[0] is not None and found[0].uncallable else "regression"}
    then, now = (failing(run, name) for run in (gated.before, gated.after))
    counting = now - {"low temperature"}  # of robustness
    if found[0] is None:
        if counting:
            return {"regression"}
        if failing(gated.after, name, Verdict.NOT_RUN):
            return {"undecided"}
        known = name in {r.implementation for r in gated.before.results}
        passes = name in gated.terms.new or (known and not gated.terms.baseline)
        return {"pass" if passes and not now else "new"}
    if now - then:
        return {"regression", "undecided"}
    if failing(gated.after, name, Verdict.NOT_RUN):
        return {"undecided"}
    return {"unchanged"} if counting else {"pass", "undecided"}


def _of_count(gated: Gated, change: GatedChange) -> set[str]:
    before, after = both(gated, change)
    field, _ = COUNTS[change.metric]
    old, new = (None if r is None else getattr(r, field) for r in (before, after))
    if old is None:
        return {"new"}
    if new is None:
        return {"undecided"}
    return {"regression"} if new - old > allowed(gated, change) * old else {"pass"}


def _of_time(gated: Gated, change: GatedChange) -> set[str]:
    values, noise = (ratios(gated, change, version) for version in ("after", "again"))
    given = gated.sampler.given if gated.sampler and change.case else {}
    own = given.get((change.implementation, change.case), ())  # type: ignore[arg-type]
    if raised := [times.raised_by for times in own if times.raised_by]:
        return {"regression" if raised[0] == "after" else "undecided"}
    before, _ = both(gated, change)
    if before is None or not before.status.has_figures:
        return {"new"}
    if len(values) < fewest(gated):
        return {"undecided"}
    limit = 1 + allowed(gated, change)
    means = [times.totals["after"] / times.totals["before"] for times in own if times.totals]
    slower, mean_slower = narrowest(gated, values, ratios=2), narrowest(gated, means, ratios=2)
    passing, far = narrowest(gated, values), narrowest(gated, noise)
    assert slower and mean_slower and passing and far
    found = {"undecided"}
    if slower[0] > limit or mean_slower[0] > 1 + max(0.2, 2 * (limit - 1)):
        found.add("regression")
    if passing[1] < limit and max(far[1], 1 / far[0]) < limit:
        found.add("pass")
    return found


# --- Reasons ---


def reason_holds(gated: Gated, change: GatedChange) -> bool:
    """Whether some pattern has the reason, and what it says is so."""
    reason = change.reason or ""
    for pattern, decide in _REASONS:
        if (found := re.fullmatch(pattern, reason, re.DOTALL)) is not None:
            return bool(decide(gated, change, *found.groups()))
    raise AssertionError(f"no proposition for {change.metric}: {reason}")


def _words(result: Result | None) -> str:
    return f"{result.status.words}: {result.reason}" if result else "not run"


def _status(gated: Gated, change: GatedChange, said: str) -> bool:
    return said == _words(both(gated, change)[1])


def _became(gated: Gated, change: GatedChange, status: str, reason: str) -> bool:
    before, after = both(gated, change)
    return (
        before is not None
        and after is not None
        and (after.status, after.reason) == (status, reason)
        and before.status not in BROKEN
    )


def _was(gated: Gated, change: GatedChange, was: str, said: str) -> bool:
    before, _ = both(gated, change)
    same = was == "as" and before is not None and _words(before) == said
    return (same or (before is not None and before.status.words == was)) and _status(
        gated, change, said
    )


def _took(gated: Gated, change: GatedChange, said: str, seconds: str) -> bool:
    before, _ = both(gated, change)
    took_s = float(seconds.split()[0]) / {"s": 1, "ms": 1000}[seconds.split()[1]]
    return (
        before is not None
        and math.isclose(before.spent_s or 0, took_s)
        and (_status(gated, change, said))
    )


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _bytes(text: str) -> float:
    number, _, unit = text.partition(" ")
    return _number(number) * {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


def _grew(gated: Gated, change: GatedChange, *said: str | None) -> bool:
    title, one, two, grown, most, torch, law_now, law_then = said
    assert change.before and change.after and one and two and grown
    limit, ratio = allowed(gated, change), change.after / change.before
    shown = [_bytes(text.removesuffix(" or more")) for text in (one, two)]
    exact = all(
        math.isclose(a, b, rel_tol=5e-3)
        for a, b in zip(shown, (change.before, change.after), strict=True)
    )
    by = _number(grown[1:]) if grown[0] == "x" else 1 + _number(grown[3:-1]) / 100
    says_more = by > 1 + limit and math.isclose(by - 1, ratio - 1, rel_tol=0.051)
    says_limit = (most is None) == (limit == 0) and (not most or _number(most) == 100 * limit)
    one_torch, other = releases(gated)
    laws = law_now is None or ("N^3" in str(law_now) and "N^2" in str(law_then))
    return (
        title == change.title
        and exact
        and says_more
        and says_limit
        and (torch is None) == (one_torch == other)
        and laws
    )


def _fails(gated: Gated, change: GatedChange, checks: str, _rest: str) -> bool:
    now = failing(gated.after, change.implementation)
    then = failing(gated.before, change.implementation)
    told = set(checks.split(", "))
    return told <= now and not told & then


def _not_checked(gated: Gated, change: GatedChange, checks: str) -> bool:
    return set(checks.split(", ")) <= failing(
        gated.after, change.implementation, Verdict.NOT_RUN
    ) | (failing(gated.before, change.implementation, Verdict.PASS))


def _still_fails(gated: Gated, change: GatedChange, checks: str) -> bool:
    runs = (gated.before, gated.after)
    return all(set(checks.split(", ")) <= failing(run, change.implementation) for run in runs)


def _passes_now(gated: Gated, change: GatedChange, checks: str) -> bool:
    own = set(checks.split(", "))
    return own == failing(gated.before, change.implementation) and not own & failing(
        gated.after, change.implementation
    )


def _verified(gated: Gated, change: GatedChange) -> bool:
    return change.implementation not in (gated.after.verification or {})


def _timed(gated: Gated, change: GatedChange, reason: str) -> bool:
    """Each part of a reason on time, by the ratios of the processes."""
    return all(_part(gated, change, part) for part in re.split("; ", reason))


def _part(gated: Gated, change: GatedChange, part: str) -> bool:
    values, limit = ratios(gated, change), allowed(gated, change)
    for pattern, decide in _TIMES:
        if (found := re.fullmatch(pattern, part)) is not None:
            return bool(decide(gated, change, values, limit, *map(_number, found.groups())))
    raise AssertionError(f"no proposition for: {part}")


def _slower(_g: Gated, change: GatedChange, _v: Any, limit: float, share: float) -> bool:
    low = (change.low or 0.0) - 1
    return low > limit and share / 100 > limit and math.isclose(low, share / 100, rel_tol=0.051)


def _mean(_g: Gated, change: GatedChange, _v: Any, limit: float, share: float) -> bool:
    most = max(0.2, 2 * limit)
    return share / 100 > most and (change.mean_ratio or 0.0) > 1 + most


def _median_by(_g: Gated, change: GatedChange, values: Any, _l: float, share: float) -> bool:
    return math.isclose(float(np.median(values)) - 1, share / 100, rel_tol=0.051, abs_tol=1e-12)


def _modes(sign: int) -> Callable[..., bool]:
    def decide(
        _g: Gated, _c: GatedChange, values: Any, _l: float, some: float, of: float, share: float
    ) -> bool:
        """So many processes lie apart from the others by about that share."""
        ordered = sorted(values)[:: -1 if sign > 0 else 1]
        apart, rest = ordered[: int(some)], ordered[int(some) :]
        return of == len(values) and (np.median(apart) / np.median(rest) - 1) * sign > 0 < share

    return decide


def _contains(_g: Gated, change: GatedChange, _v: Any, limit: float, share: float) -> bool:
    within = (change.low or 0) <= 1 + limit <= (change.high or 0)
    return within and math.isclose(share / 100, limit)


def _within_noise(gated: Gated, change: GatedChange, _v: Any, limit: float, share: float) -> bool:
    near = narrowest(gated, ratios(gated, change, "again"))
    assert near
    at_least = max(near[1], 1 / near[0]) - 1
    return (change.low or 0) - 1 > limit and share / 100 >= (1 - 0.051) * max(
        at_least, (change.low or 0) - 1
    )


def _noise_above(
    gated: Gated, change: GatedChange, _v: Any, limit: float, share: float, most: float
) -> bool:
    near = narrowest(gated, ratios(gated, change, "again"))
    assert near
    at_least = max(near[1], 1 / near[0]) - 1
    told = share / 100 >= limit and share / 100 >= (1 - 0.051) * at_least
    return told and math.isclose(most / 100, limit) and (change.high or 9) < 1 + limit


def _few(gated: Gated, change: GatedChange, values: Any, _l: float, count: float) -> bool:
    return count == len(values) and change.verdict == "undecided"


def _any(*_given: Any) -> bool:
    return True


def _too_dear(gated: Gated, change: GatedChange, _v: Any, _l: float, seconds: float) -> bool:
    """The budget that would do is larger than the one that did not."""
    return seconds >= gated.terms.time_budget_s and math.isclose(
        seconds, math.ceil((change.needs_s or 0) / 10) * 10
    )


_TIMES: Sequence[tuple[str, Callable[..., bool]]] = (
    (f"slower by at least {NUMBER}%", _slower),
    (f"the mean call is slower by at least {NUMBER}%", _mean),
    (f"the median call by {NUMBER}%", _median_by),
    (f"{NUMBER} of {NUMBER} processes {NUMBER}% slower(?:: more would show how many)?", _modes(1)),
    (f"{NUMBER} of {NUMBER} processes {NUMBER}% faster(?:: more would show how many)?", _modes(-1)),
    (f"its interval contains the allowed slowdown, {NUMBER}%", _contains),
    (f"within the noise floor of {NUMBER}%: identical code differs as much", _within_noise),
    (f"the noise floor of {NUMBER}% is not below the allowed {NUMBER}%", _noise_above),
    (f"the mean call's interval reaches the allowed {NUMBER}%", _any),
    ("too few processes to judge the mean call", _any),
    (f"{NUMBER} processes are too few to decide", _few),
    (f"about --time-budget {NUMBER}s would be enough", _too_dear),
    ("longer timing would not decide it here", lambda _g, c, *_: c.needs_s is None),
    ("left out, since it does not fit the time budget", lambda g, c, v, *_: len(v) < fewest(g)),
)


def _raised(gated: Gated, change: GatedChange, version: str, reason: str) -> bool:
    own = gated.sampler.given[change.implementation, change.case] if gated.sampler else ()  # type: ignore[index]
    side = {"now": "after", "before": "before"}[version]
    return any((times.raised_by, times.reason) == (side, reason) for times in own)


def _not_timed(gated: Gated, change: GatedChange, said: str) -> bool:
    before, after = both(gated, change)
    if said.endswith(" before"):
        return said == f"{before.status.words if before else 'not run'} before"
    if said.startswith("it "):
        changes = [c for r in (before, after) if r for c in r.process_changes or ()]
        return bool(changes) and all(c in said for c in changes)
    return not ratios(gated, change) and said in (gated.error, "no process ended in time")


def _no_longer_named(gated: Gated, change: GatedChange) -> bool:
    return change.implementation not in gated.terms.implementations and any(
        r.implementation == change.implementation for r in gated.before.results
    )


def _accepted(gated: Gated, change: GatedChange, until: str, reason: str) -> bool:
    return change.verdict == "accepted" and any(
        str(entry.expires) == until and entry.reason == reason and entry.expires >= TODAY
        for entry in gated.accepted
    )


_REASONS: Sequence[tuple[str, Callable[..., bool]]] = (
    ("", lambda g, c: c.verdict in ("pass", "new")),
    (r"accepted until ([\d-]+): (.*)", _accepted),
    ("not run now; is it no longer in the suite\\?", lambda g, c: both(g, c)[1] is None),
    ("the suite no longer has it, but the baseline does; .*", _no_longer_named),
    ("not verified now", _verified),
    ("became (wrong|failed): (.*)", _became),
    ("became (.*); its calls took (.*) before", _took),
    ("became (.*)", _status),
    (
        "ran out of memory: (.*)",
        lambda g, c, why: _status(g, c, f"out of memory: {why}") and not c.exact,
    ),
    ("new, and fails ([^.]*)(.*)", _fails),
    ("new, and (.*)", lambda g, c, said: both(g, c)[0] is None and _status(g, c, said)),
    (
        "now right; it was (.*?)(?:; record again)?",
        lambda g, c, was: (
            str(getattr(both(g, c)[0], "status", "")).replace("_", " ")
            in (was, was.replace("_", " "))
        ),
    ),
    ("was wrong, and is now (.*)", _status),
    ("was wrong, and is farther off now: (.*)", lambda g, c, why: _status(g, c, f"wrong: {why}")),
    ("fails (.*), and whether it did before is not known(?:; record again)?", _any),
    ("fails ([^.]*)(.*)", _fails),
    (r"not checked: (.*) \(.*\)", _not_checked),
    (
        "not robust: fails (.*)",
        lambda g, c, checks: set(checks.split(", ")) == failing(g.after, c.implementation),
    ),
    ("still fails (.*), as (?:before|in the baseline)", _still_fails),
    ("passes (.*) now(?:; record again)?", _passes_now),
    ("one cannot be constructed: it needs margin.*", lambda g, c: c.metric == "verification"),
    (
        rf"(.*) grew from (.*?) to (.*?), (x{NUMBER[1:-1]}|by {NUMBER[1:-1]}%)"
        rf"(?:, where {NUMBER}% is allowed)?(; the version of torch differs too)?"
        r"(?:; its growth law is (.*) now, and was (.*) before)?",
        _grew,
    ),
    (
        "no (.*) (before|now): (.*)",
        lambda g, c, title, when, words: (
            title == c.title
            and getattr(both(g, c)[when == "now"], "status", None) == words.replace(" ", "_")
        ),
    ),
    ("less than (?:before|in the baseline)(?:; record again)?", lambda g, c: (c.ratio or 9) < 1),
    ("the version (now|before) raised while it was timed: (.*)", _raised),
    ("not timed: (.*)", _not_timed),
    (
        "(wrong|failed|out of memory|timed out|skipped): .*",
        lambda g, c, words: getattr(both(g, c)[1], "status", None) == words.replace(" ", "_"),
    ),
    ("(.*) (?:before|in the baseline), (.*)", _was),
    ("(.*)", _timed),
)


# --- The sentences ---


def of(gated: Gated, *verdicts: str) -> list[GatedChange]:
    return [c for c in gated.outcome.changes if c.verdict in verdicts]


def figure(change: GatedChange) -> tuple[Any, ...]:
    return change.implementation, change.title, change.case


def broken_now(gated: Gated, name: str) -> bool:
    """Whether it is not right any more: a result that it had became wrong or failed."""
    return any(
        c.verdict == "regression"
        and c.metric == "agreement"
        and getattr(both(gated, c)[1], "status", None) in BROKEN
        for c in gated.outcome.changes
        if c.implementation == name
    )


def gate_verdict(
    gated: Gated,
    *,
    verdict: str,
    against: str,
    counts: Mapping[str, int],
    leading: Sequence[Any],
    following: int,
) -> bool:
    found = Counter(str(c.verdict) for c in gated.outcome.changes)
    worse = [figure(c) for c in of(gated, "regression")]
    passes = found["pass"] or found["accepted"]
    overall = "pass" if passes and not found["undecided"] else "undecided"
    return (
        {str(v): n for v, n in counts.items()} == found
        and verdict == ("regression" if worse else overall)
        and against == gated.outcome.against
        and len(leading) + following == len(worse)
        and not Counter(leading) - Counter(worse)
    )


def not_shown(gated: Gated, *, name: str, figures: Sequence[Any]) -> bool:
    worse = [figure(c) for c in of(gated, "regression")]
    known = broken_now(gated, name) and {own[0] for own in figures} == {name}
    return known and not Counter(figures) - Counter(worse)


def because(gated: Gated, *, figures: Sequence[Any], reason: str) -> bool:
    having = Counter(figure(c) for c in gated.outcome.changes if c.reason == reason)
    return bool(figures) and not Counter(figures) - having


def better(
    gated: Gated, *, name: str, figure: str, ratios: tuple[float, float], cases: int
) -> bool:
    own = [c for c in of(gated, "pass") if (c.implementation, c.title) == (name, figure)]
    if any(c.implementation == name and c.evidence == "agreement" for c in of(gated, "regression")):
        return False
    below = [c.ratio for c in own if c.ratio and (c.high or c.ratio) <= 0.95]
    return len(below) == cases > 0 and (min(below), max(below)) == tuple(ratios)


def time_not_judged(gated: Gated) -> bool:
    return not [c for c in of(gated, "pass", "regression", "accepted") if c.metric == "time"]


def timed_cells(gated: Gated) -> dict[Any, Sequence[Any]]:
    return dict(gated.sampler.given) if gated.sampler else {}


def time_allowed(gated: Gated, *, study: TimeStudy) -> bool:
    cells = [c for c in gated.outcome.changes if c.metric == "time" and _was_planned(gated, c)]
    shares = sorted({allowed(gated, c) for c in cells})
    return list(study.allowed) == shares and study.cells == len(cells) and study.error == 0.01


def _was_planned(gated: Gated, change: GatedChange) -> bool:
    """Whether it was to be timed, though it may have been left out."""
    reason = change.reason or ""
    before, after = both(gated, change)
    have = all(r and r.status.has_figures for r in (before, after))
    return have and not reason.startswith("not timed: it ")


def fewest(gated: Gated) -> int:
    """The fewest processes that give bounds and meet a mode of 3 in 10 of them."""
    alpha = 0.01 / (gated.outcome.time.cells if gated.outcome.time else 1)
    modes = math.ceil(math.log(alpha) / math.log(0.7))
    return max(math.ceil(-math.log2(alpha / 2 / 2)), modes)


def _arms(gated: Gated) -> list[list[float]]:
    """The A/A ratios of each cell that was timed in enough processes for an interval."""
    keys = {key: own for key, own in timed_cells(gated).items() if any(t.seconds for t in own)}
    found = []
    for own in keys.values():
        pairs = [(t.seconds["again"], t.seconds["before"]) for t in own if t.seconds]
        if len(pairs) >= fewest(gated):
            found.append([float(np.median(np.array(a) / np.array(b))) for a, b in pairs])
    return found


def time_noise(gated: Gated, *, study: TimeStudy) -> bool:
    arms = _arms(gated)
    if study.noise_floor is None:
        return not arms and study.judged == 0
    low, high = study.again_low or 0.0, study.again_high or 0.0
    halves = [
        abs(math.log(middle(own[: len(own) // 2]) / middle(own[len(own) // 2 :]))) for own in arms
    ]
    in_some_arm = any(
        all(any(math.isclose(end, x) for x in own) for end in (low, high)) for own in arms
    )
    return (
        math.isclose(study.noise_floor, max(high, 1 / low) - 1)
        and in_some_arm
        and study.judged == len(arms)
        and 0 <= (study.again_covers or 0) <= len(arms)
        and math.isclose(study.moved or 0.0, math.expm1(max(halves)), rel_tol=1e-6)
    )


def time_detectable(gated: Gated, *, study: TimeStudy) -> bool:
    """At least what is allowed and the spread of the noise, if any cell could be judged."""
    arms = _arms(gated)
    if study.detectable is None:
        return not arms
    return study.judged == len(arms) > 0 and study.detectable >= min(study.allowed)


def time_spent(gated: Gated, *, study: TimeStudy) -> bool:
    given = timed_cells(gated)
    timed = sum(any(t.seconds for t in own) for own in given.values())
    processes = max(map(len, given.values()), default=0)
    assert gated.sampler
    return (study.processes, study.timed, study.spent_s, study.budget_s) == (
        processes,
        timed,
        gated.sampler.now,
        gated.terms.time_budget_s,
    )


def gate_took(gated: Gated, *, spent_s: float) -> bool:
    return spent_s == gated.outcome.spent_s


# --- Notes ---


def note_holds(gated: Gated, note: str) -> bool:
    for pattern, decide in _NOTES:
        if (found := re.fullmatch(pattern, note)) is not None:
            return bool(decide(gated, *found.groups()))
    raise AssertionError(f"no proposition for the note: {note}")


def _torch(gated: Gated, was: str, now: str, share: str) -> bool:
    runs = (gated.before, gated.after)
    one, other = releases(gated)
    return (
        [run.environment["torch"] for run in runs] == [was, now] and one != other and share == "2"
    )


def _instructions(gated: Gated, *said: str) -> bool:
    whose = [
        (run.environment["python"].rpartition(".")[0], run.environment["torch"].partition("+")[0])
        for run in (gated.before, gated.after)
    ]
    compared = any(c.metric == "python_instructions" for c in gated.outcome.changes)
    return whose == [said[:2], said[2:]] and whose[0] != whose[1] and not compared


def _still_wrong(gated: Gated, name: str, count: str) -> bool:
    broken = {r.key for r in gated.before.results if r.status in BROKEN}
    own = [r for r in gated.after.results if r.implementation == name and r.status in BROKEN]
    return sum(r.key in broken for r in own) == int(count)


def _costs_less(gated: Gated, name: str, count: str) -> bool:
    own = [c for c in gated.outcome.changes if c.implementation == name and c.metric in COUNTS]
    return len({c.case for c in own if (c.ratio or 1) < 1}) == int(count)


def _entries(gated: Gated, what: str) -> Iterator[Any]:
    return (entry for entry in gated.accepted if entry.describe() == what)


def _was_accepted(gated: Gated, what: str, until: str, _reason: str) -> bool:
    return any(str(e.expires) == until for e in _entries(gated, what)) and bool(
        of(gated, "accepted")
    )


def _void(gated: Gated, what: str, one: str | None, two: str | None) -> bool:
    known = [
        (c.before, c.after) if c.metric != "time" else (1, c.ratio)
        for c in gated.outcome.changes
        for entry in _entries(gated, what)
        if entry.is_of(c)
    ]
    if one is None or two is None:
        return any(None in pair for pair in known)
    told = [_number(one), _number(two)]
    return any(
        None not in pair
        and all(math.isclose(a, b, rel_tol=1e-5) for a, b in zip(pair, told, strict=True))  # type: ignore[arg-type]
        for pair in known
    )


_NOTES: Sequence[tuple[str, Callable[..., bool]]] = (
    (r"torch was (.*) and is (.*): counts may differ by (\d) %\.", _torch),
    (
        r"Python instructions are not compared: Python (.*), torch (.*) before, and Python (.*), "
        r"torch (.*) now\.",
        _instructions,
    ),
    (r"(.*) is wrong or fails in (\d+) cases?, as (?:before|in the baseline)\.", _still_wrong),
    (
        r"A cost of (.*) is lower than recorded in (\d+) cases?: record the baseline again, or .*",
        _costs_less,
    ),
    (
        r"Accepted until ([\d-]+), and judged again: (.*)\.",
        lambda g, until, what: any(
            str(e.expires) == until and e.expires < TODAY for e in _entries(g, what)
        ),
    ),
    (r"Accepted: (.*), until ([\d-]+) \((.*)\)\.", _was_accepted),
    (
        r"Void, since it no longer fits: (.*?)"
        rf"(?:; it went from {NUMBER} to {NUMBER})?; delete it\.",
        _void,
    ),
)


# --- Contradictions ---

OF_TIME = {"time_allowed", "time_noise", "time_detectable", "time_spent"}
WORSE = re.compile(r".* grew from|became (wrong|failed)|the version now raised|slower by at least")


def contradict(one: Sentence, other: Sentence) -> bool:
    """Whether two sentences of one gate cannot both be true, or read as if they could not."""
    a, b = sorted((one, other), key=lambda s: s.kind)
    facts, kinds = {a.kind: a.facts, b.kind: b.facts}, {a.kind, b.kind}
    if kinds <= OF_TIME and a.kind != b.kind:
        unknown = {"time_noise", "time_detectable"} == kinds and a.facts[
            "study"
        ].noise_floor is None
        known = unknown and a.facts["study"].detectable is not None
        return bool(a.facts["study"] != b.facts["study"] or known)
    if "time_not_judged" in kinds and kinds & OF_TIME:
        return True
    if kinds == {"time_spent", "gate_took"}:
        return bool(facts["time_spent"]["study"].spent_s > facts["gate_took"]["spent_s"])
    if kinds == {"because"}:
        return bool(set(a.facts["figures"]) & set(b.facts["figures"]))
    if a.kind == b.kind:
        return a.kind not in {"better", "not_shown"} or all(
            a.facts[k] == b.facts[k] for k in ("name", "figure") if k in a.facts
        )
    if "gate_verdict" in kinds:
        return _against_the_verdict(facts.pop("gate_verdict"), *facts.items())
    if kinds == {"better", "not_shown"}:
        return bool(facts["better"]["name"] == facts["not_shown"]["name"])
    return False


def _against_the_verdict(verdict: Mapping[str, Any], other: tuple[str, Mapping[str, Any]]) -> bool:
    kind, facts = other
    counts = {str(v): n for v, n in verdict["counts"].items()}
    if kind == "not_shown":
        shown = set(verdict["leading"]) & set(facts["figures"])
        return bool(shown or len(facts["figures"]) > verdict["following"])
    if kind == "better":
        not_right = (facts["name"], "agreement") in {own[:2] for own in verdict["leading"]}
        return bool(facts["cases"] > counts.get("pass", 0) or not_right)
    if kind == "because" and WORSE.match(facts["reason"]):
        return bool(len(facts["figures"]) > counts.get("regression", 0) + counts.get("accepted", 0))
    return False


def contradictions(said: Sequence[Sentence]) -> list[tuple[str, str]]:
    return [(a.text, b.text) for a, b in combinations(said, 2) if contradict(a, b)]
