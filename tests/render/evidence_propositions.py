"""Decides from raw results whether the evidence for a claim is true, by the words of its table.

Evidence is a list of parts, each of some series (pass and workload), of which every named one has
to be as the part says. Laws are fitted again, and pairs of times compared again.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, pairwise
from operator import attrgetter

import numpy as np
from scipy.optimize import linprog, minimize_scalar, nnls
from scipy.stats import f as fisher

from supcr_bench.render.sentences import Sentence
from supcr_bench.values.case import Case
from supcr_bench.values.growth_law import LAWS, Holds
from supcr_bench.values.result import Result, Status
from tests.render.counted_sums import (
    EXACTLY,
    Points,
    best_sum,
    fitted,
    plain,
    rising_by,
    slower_than,
    spans,
    terms_at,
    terms_of,
)
from tests.render.propositions import (
    DUELS,
    FIGURES,
    NOTE,
    Known,
    beats,
    met,
    of,
    time_of,
)

LAW = r"(constant|N(?:\^[234])?(?: log N)?)"
SHARE = r"([\d.]+)%"
NUMBER = r"([\d.]+)"
FEWEST = {
    "work": "fewer than two sizes were measured",
    "duel": "no two right ones were timed together",
    "peak": "their memory was not measured together, both being right",
}
Series = Sequence[Result]
Part = tuple[list[str], int, str]
"""The series that are named, how many more there are, and what is said of them."""


def evidence_holds(run: Known, claim: str, verdict: Holds, text: str) -> bool:
    if claim.startswith("All three"):
        return _agreement_holds(run, text)
    if claim.startswith("The loopy"):
        return _formula_holds(run, text)
    series, decide = _asked(run, claim)
    if not series:
        return text in FEWEST.values() and verdict is Holds.UNDECIDED
    parts, hidden = split(text, list(series))
    told = sum(len(names) + more for names, more, _ in parts)
    return (
        all(_of_series(series, part, decide) for part in parts)
        and (told + hidden <= len(series) if hidden else told == len(series))
        and (len(parts) == 3 or not hidden)
    )


def parts(run: Known, claim: str, text: str) -> Iterator[Sentence]:
    """What the evidence says of each series that it names, to be compared with other sentences."""
    if claim.startswith(("All three", "The loopy")):
        return
    series, _ = _asked(run, claim)
    if not series:
        return
    cases = {w: r.case for r in run.results for w in _wheres(r.case)}
    for names, _, said in split(text, list(series))[0]:
        for name in names:
            facts = {"claim": claim, "said": said, "case": cases[name], "where": name}
            if claim not in DUELS:
                facts |= {"name": claim.partition(" ")[0], "pass_": _pass_of(claim)}
            yield Sentence("evidence", facts, f"{claim} {name}: {said}")


def _wheres(case: Case) -> tuple[str, str]:
    return case.describe_series(), f"{case.pass_} {case.describe_series()}"


def _pass_of(claim: str) -> str:
    return claim.removesuffix(".").rpartition(": ")[2] if " work: " in claim else "training"


def _of_series(
    series: Mapping[str, object], part: Part, decide: Callable[[object, str], bool]
) -> bool:
    names, more, said = part
    if not all(decide(series[name], said) for name in names):
        return False
    return not more or sum(decide(own, said) for own in series.values()) >= len(names) + more


def split(text: str, names: Sequence[str]) -> tuple[list[Part], int]:
    """The parts, and how many others are counted at the end."""
    hidden = re.search(r"; and (\d+) more$", text)
    text = text[: hidden.start()] if hidden else text
    one = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    head = rf"(?:^|; )((?:{one})(?:, (?:{one}))*(?: and \d+ more)?): "
    pieces = re.split(head, text)[1:]
    assert pieces, f"no proposition for: {text}"
    parts = []
    for told, said in zip(pieces[::2], pieces[1::2], strict=True):
        more = re.search(r" and (\d+) more$", told)
        found = re.findall(one, told[: more.start()] if more else told)
        parts.append((found, int(more[1]) if more else 0, said))
    return parts, int(hidden[1]) if hidden else 0


def _asked(run: Known, claim: str) -> tuple[Mapping[str, object], Callable[..., bool]]:
    """What decides a claim, by series in words, and what decides a part of its evidence."""
    if claim in DUELS:
        passes, pairs, _ = DUELS[claim]
        found = duels(run, passes, pairs)
        return found, lambda own, said: duel_holds(claim, own, said)
    if claim == "rowsort takes less memory than broadcast.":
        peaks: dict[str, dict[int, tuple[int, int]]] = {}
        for a, b in met(run, "rowsort", "broadcast", ["training"]):
            if a.peak_bytes and b.peak_bytes:
                own = peaks.setdefault(a.case.describe_series(), {})
                own[a.case.batch_size] = a.peak_bytes, b.peak_bytes
        return peaks, smaller_holds
    work = " work: " in claim
    name = claim.partition(" ")[0]
    pass_ = _pass_of(claim)
    field = "elements_processed" if work else "peak_bytes"
    series: dict[str, list[Result]] = {}
    for r in sorted(of(run, name), key=lambda r: r.case.batch_size):
        if r.case.pass_ == pass_:
            series.setdefault(r.case.describe_series(), []).append(r)
    known = {k: own for k, own in series.items() if len(rising(own, field)) > 1}
    return known, lambda own, said: growth_holds(own, field, said)


# --- Agreement ---


def _agreement_holds(run: Known, text: str) -> bool:
    own = [
        (r, values)
        for name in NOTE
        for r in of(run, name)
        if (values := [v for n, v in (r.value_difference or {}).items() if n in NOTE])
    ]
    cases = {r.case for r, _ in own}
    apart = {r.case for r, values in own if r.status is Status.WRONG or None in values}
    if told := re.fullmatch(r"in all (\d+) cases; the largest .* in value is (\S+)", text):
        worst = max(v or 0.0 for _, values in own for v in values)
        return not apart and int(told[1]) == len(cases) and f"{worst:.1e}" == told[2]
    if told := re.fullmatch(r"not in (\d+) of (\d+) cases: (.*)", text):
        named = {case.describe() for case in apart}
        shown = set(told[3].split(", "))
        counts = (int(told[1]), int(told[2])) == (len(apart), len(cases))
        return counts and shown <= named and len(shown) == min(3, len(named))
    assert text == "no two of them ran on the same tensors", text
    return not own


def _formula_holds(run: Known, text: str) -> bool:
    own = [r for r in of(run, "loopy") if r.status in FIGURES]
    wrong = [f"{r.case.describe()}: {r.reason}" for r in own if r.status is Status.WRONG]
    errors = [r.no_self_error for r in own if r.no_self_error is not None]
    tied = any("tied" in r.case.labels for r in own)
    if wrong or not own:
        return text in wrong or (not own and text == "loopy was not measured")
    if told := re.match(r"of its own definition; on tied labels it differs by (\d+)% from", text):
        return int(told[1]) == round(100 * max(errors)) > 0 and tied
    if told := re.fullmatch(r"in (\d+) cases, some of them with tied labels", text):
        return int(told[1]) == len(own) and tied and max(errors) <= 0.01
    if text == "no result was compared with `no-self`":
        return not errors
    assert text == "for labels without ties; tied labels were not measured", text
    return not tied and max(errors) <= 0.01


# --- Times of two, and of three ---

Duel = Mapping[int, list[str]]
"""For each size, how each other one is compared with the first: slower, faster, hidden."""


def duels(
    run: Known, passes: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> dict[str, dict[int, list[str]]]:
    claimed = pairs[0][0] if len({pair[0] for pair in pairs}) == 1 else pairs[0][1]
    ran = {
        (r.implementation, r.case.series())
        for r in run.results
        if r.time_samples_s or r.status in (Status.TIMED_OUT, Status.OUT_OF_MEMORY)
    }
    found: dict[str, dict[int, list[str]]] = {}
    for pair in pairs:
        other = next(name for name in pair if name != claimed)
        for a, b in met(run, claimed, other, passes):
            if a.time_samples_s and b.time_samples_s:
                how = "slower" if beats(run, a, b) else "faster" if beats(run, b, a) else "hidden"
            elif a.time_samples_s and _ended(b, ran):
                how = "slower, ended"
            elif b.time_samples_s and _ended(a, ran):
                how = "faster, ended"
            else:
                continue
            where = f"{a.case.pass_} {a.case.describe_series()}"
            at = found.setdefault(where, {})
            at.setdefault(a.case.batch_size, []).append(how)
    return {where: dict(sorted(own.items())) for where, own in found.items()}


def _ended(r: Result, ran: set[tuple[str, tuple[object, ...]]]) -> bool:
    known = (r.implementation, r.case.series()) in ran
    return known and r.status in (Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.SKIPPED)


def duel_holds(claim: str, duel: Duel, said: str) -> bool:
    """Whether the first is faster than the others, or slower, at the sizes that are said."""
    plain, _, ended = said.partition(" (one of them did not finish at N=")
    unfinished = [n for n, own in duel.items() if any("ended" in how for how in own)]
    if unfinished != [int(n) for n in ended.rstrip(")").split(", ") if n]:
        return False
    at = {n: {how.partition(",")[0] for how in own} for n, own in duel.items()}
    won = [n for n, own in at.items() if own == {"slower"}]
    lost = [n for n, own in at.items() if "faster" in own]
    hidden = [n for n, own in at.items() if "hidden" in own]
    sizes, slowest = list(at), claim.startswith("loopy is")
    good = [n for n, own in at.items() if own == {"faster"}] if slowest else won
    several = r"(of the (two|three) that were timed, )?(?:at every N from )?(?:at )?N=(.*)"
    if told := re.fullmatch(several, plain):
        fewest = {1: "two", 2: "three"}[min(map(len, duel.values()))]
        return good == sizes and told[2] in (None, fewest) and _span(told[3]) == _ends(sizes)
    if told := re.fullmatch(
        r"(the other one is faster|noise hides which is faster) at N=(\d+)", plain
    ):
        end = max(at) if "large" in claim else min(at)
        return int(told[2]) == end and end in (lost if "the other" in told[1] else hidden)
    if told := re.fullmatch(r"from N=(\d+) on, not at N=(\d+)", plain):
        first, last = map(int, told.groups())
        below = [n for n in sizes if n < first]
        return [n for n in sizes if n >= first] == [n for n in won if n >= first] and (
            last == below[-1] and last not in won
        )
    if told := re.fullmatch(r"up to N=(\d+), not at N=(\d+)", plain):
        last, first = map(int, told.groups())
        above = [n for n in sizes if n > last]
        return [n for n in sizes if n <= last] == [n for n in won if n <= last] and (
            first == above[0] and first not in won
        )
    if told := re.fullmatch(r"not at N=(.*)", plain):
        return slowest and _sizes(told[1]) == [n for n, own in at.items() if "slower" in own]
    if told := re.fullmatch(r"noise hides it at N=(.*)", plain):
        beaten = [n for n, own in at.items() if "slower" in own] if slowest else lost
        return _sizes(told[1]) == hidden and not beaten
    if told := re.fullmatch(r"another is faster up to N=(\d+)", plain):
        return int(told[1]) == max(lost) and not [n for n in won if n > max(lost)]
    told = re.fullmatch(r"only from N=(\d+) on; up to N=(\d+), another one is faster", plain)
    assert told, f"no proposition for: {said}"
    first, end = map(int, told.groups())
    return end == max(lost) and first == min(n for n in won if n > end)


def _sizes(text: str) -> list[int]:
    return [int(n) for n in text.split(", ")]


def _span(text: str) -> list[int]:
    return [int(n) for n in text.split(" to ")]


def _ends(sizes: Sequence[int]) -> list[int]:
    return [sizes[0], sizes[-1]] if len(sizes) > 1 else [sizes[0]]


# --- Memory of two ---


def smaller_holds(peaks: Mapping[int, tuple[int, int]], said: str) -> bool:
    told = re.fullmatch(
        r"(?:not at N=([\d, ]+); )?(\S+ \S+), and broadcast (\S+ \S+), at N=(\d+) in training", said
    )
    assert told, f"no proposition for: {said}"
    larger = [n for n, (own, other) in sorted(peaks.items()) if own >= other]
    n = max(peaks)
    return (
        (_sizes(told[1]) if told[1] else []) == larger
        and int(told[4]) == n
        and all(is_quantity(text, y) for text, y in zip(told.groups()[1:3], peaks[n], strict=True))
    )


UNITS = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
UNITS |= {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
UNITS |= {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def quantity(text: str) -> float:
    number, unit = text.split()
    return float(number.replace(",", "")) * UNITS[unit]


def is_quantity(text: str, size: float) -> bool:
    return math.isclose(quantity(text), size, rel_tol=0.0051)


# --- Growth ---


def rising(own: Series, field: str) -> Points:
    return rising_by(own, time_of if field == "time" else attrgetter(field))


def growth_holds(own: Series, field: str, said: str) -> bool:
    points = rising(own, field)
    law: str | None = None
    if told := re.search(r"; its time (.*?), N=(\d+) to (\d+)(?:, which does .* N\^(\S+))?$", said):
        if not time_holds(own, told[1], (int(told[2]), int(told[3])), told[4], points):
            return False
        said = said[: told.start()]
    if told := re.match(r"it grows as (.*?), N=(\d+) to (\d+): ", said):
        span = points[0][0].case.batch_size, points[-1][0].case.batch_size
        if (int(told[2]), int(told[3])) != span or not course_holds(points, told[1]):
            return False
        law = told[1].partition(" from ")[0].rpartition(", ")[2]
        said = said[told.end() :]
    if told := re.search(
        r"; yet it ran out of (\S+ \S+) at N=(\d+), where its tensors take only (\S+ \S+)$", said
    ):
        said = said[: told.start()]
        ended = [r for r in own if r.status is Status.OUT_OF_MEMORY]
        ended = [r for r in ended if r.case.batch_size == int(told[2])]
        if len(ended) != 1 or not ran_out_holds(points, ended[0], law, said, (told[1], told[3])):
            return False
    return why_holds(points, said)


def near(shown: str, share: float) -> bool:
    """Whether a share in percent is shown in the digits that it has."""
    unit = 10.0 ** -len(shown.partition(".")[2])
    return abs(float(shown) - 100 * share) <= 0.51 * unit + 1e-3 * float(shown)


def course_holds(points: Points, course: str) -> bool:
    """Whether the counts follow the law, or the laws in turn, each at the sizes that are said."""
    told = re.fullmatch(
        rf"(?:(?:{LAW}|N\^{NUMBER}), )?(?:{LAW}|N\^{NUMBER}|other)(?: from N=(\d+) on)?", course
    )
    assert told, f"no proposition for: {course}"
    before, power_before, law, power, start = told.groups()
    if start is None:
        alone = before is None and power_before is None and law is not None
        return alone and any(_follows(own, law) for own in spans(points))
    sizes = [r.case.batch_size for r, _ in points]
    if int(start) not in sizes:
        return False
    at = sizes.index(int(start))
    if before:
        stops = range(4, at + 1) if law else (at,)
        ran = any(_path(points, a, b, before) for b in stops for a in range(b - 3))
    else:
        ran = power_before is not None and _is_power(points[:at], power_before)
    after = points[at:]
    if law:
        return ran and len(after) >= 5 and _follows(after, law)
    return ran and (_is_power(after, power) if power else len(after) <= 2)


def _follows(own: Points, law: str) -> bool:
    error, slower = fitted(own, law), slower_than(law)
    return error <= 0.0301 and (not slower or fitted(own, slower) > 5 * max(error, 2e-5))


def _path(points: Points, first: int, stop: int, law: str) -> bool:
    """Whether the counts follow a law exactly from a place up to another one, and no further."""
    own, slower = points[first:stop], slower_than(law)
    return (
        fitted(own, law) <= EXACTLY
        and (not slower or fitted(own, slower) > 0.85 * EXACTLY)
        and fitted(points[first : stop + 1], law) > 1.5e-5
    )


def _is_power(own: Points, power: str) -> bool:
    """Whether it is the power of N from the first to the last of at least three sizes."""
    if len(own) < 3:
        return False
    (a, x), (b, y) = own[0], own[-1]
    step = math.log(b.case.labelled_rows / a.case.labelled_rows)
    return abs(math.log(y / x) / step - float(power)) <= 0.051


def ran_out_holds(
    points: Points, ended: Result, law: str | None, why: str, told: tuple[str, str]
) -> bool:
    """Whether it is the limit that was set, and the sums that fit take so little of it."""
    limit = ended.memory_limit_bytes
    if not limit or not is_quantity(told[0], limit) or quantity(told[1]) >= 0.503 * limit:
        return False
    start = re.match(r"meets the counts .*? from N=(\d+) on", why)
    if law:
        since = int(start[1] if start else 0)
        fits: list[Points] = [[p for p in points if p[0].case.batch_size >= since]]
    else:
        rivals = re.match(rf"{LAW} or {LAW}(?: or {LAW})*: {LAW} misses the counts by only", why)
        nearest = re.match(rf"{LAW} or |no law leads: the nearest sum, up to {LAW}", why)
        assert nearest, f"no law that fits: {why}"
        law, fits = rivals[2] if rivals else nearest[1] or nearest[2], list(spans(points))
    for own in fits:
        error, at = fitted(own, law), (ended, own[-1][1])
        ends = reach(own, law, at, error + 1e-5) if error <= 0.0301 else None
        if ends and 0.9949 * ends[0] <= quantity(told[1]) <= 1.0051 * ends[1]:
            return True
    return False


def reach(
    own: Points, law: str, at: tuple[Result, float], slack: float
) -> tuple[float, float] | None:
    """The least and the most that sums of laws up to one, which meet the counts, give at a size."""
    terms = terms_of([*own, at], law)
    scale = terms[:-1].max(axis=0)
    *meets, beyond = terms / scale
    limits = np.concatenate([np.full(len(own), slack + 1), np.full(len(own), slack - 1)])
    ends = []
    for sign in (1, -1):
        objective = sign * beyond / beyond.max()
        found = linprog(objective, np.vstack([meets, -np.array(meets)]), limits).x
        if found is None:
            return None
        ends.append(at[1] * float(beyond @ found))
    return ends[0], ends[1]


def why_holds(points: Points, said: str) -> bool:
    for pattern, decide in WHYS:
        if told := re.fullmatch(pattern, said):
            return decide(points, *told.groups())
    raise AssertionError(f"no proposition for: {said}")


def _too_few(points: Points, count: str) -> bool:
    return len(points) == int(count) < 5


def _meets(points: Points, off: str | None, start: str | None, slower: str, by: str) -> bool:
    """Whether a sum with a law next to the slower one meets the counts, which that one misses."""
    own = [p for p in points if p[0].case.batch_size >= int(start or 0)]
    assert own[0][0].case.batch_size == int(start or own[0][0].case.batch_size)
    law = list(LAWS)[list(LAWS).index(slower) + 1] if slower else "constant"
    error = fitted(own, law)
    return (error < 2e-5 if off is None else near(off, error)) and (
        not slower or near(by, fitted(own, slower))
    )


def _several(points: Points, laws: str, reasons: str, size: str | None) -> bool:
    """Whether sums of the same counts give each reason for each of several laws that follow."""
    names = laws.split(" or ")
    if any(slower_than(faster) != slower for slower, faster in pairwise(names)):
        return False
    return any(_reasons_hold(own, names, reasons.split("; "), size) for own in spans(points))


def _reasons_hold(own: Points, names: list[str], reasons: list[str], size: str | None) -> bool:
    """Whether they hold, and tell of all of these laws and of no other."""
    law, beyond, told_of = names[0], names[0], names[:1]
    for reason in reasons:
        if told := re.fullmatch(rf"{LAW} misses the counts by only {SHARE}", reason):
            law = beyond = names[1]
            told_of.append(law)
            error = fitted(own, names[0])
            if told[1] != names[0] or error > 10.5 * max(fitted(own, law), 2e-5):
                return False
            holds = near(told[2], error)
        elif told := re.fullmatch(
            rf"{LAW} misses the counts by {SHARE}, and sums of more laws by nothing", reason
        ):
            error, beyond = fitted(own, law), names[-1]
            told_of = names
            holds = told[1] == law and near(told[2], error) and fitted(own, beyond) <= EXACTLY
            holds = holds and 1.2 * fitted(own, names[-2]) > EXACTLY
        else:
            holds = _hides(own, law, names, reason)
            told_of = names
        if not holds:
            return False
    return told_of == names and needs_holds(own, beyond, size)


def _hides(own: Points, law: str, names: list[str], reason: str) -> bool:
    """Whether a sum with this share of the next law, and none with more, meets the counts."""
    told = re.fullmatch(rf"a share of {LAW} up to (\d+)% at N=(\d+) would not show", reason)
    assert told, f"no proposition for: {reason}"
    name, share, last = told.groups()
    error = fitted(own, law)
    if error > 0.0301 or int(last) != own[-1][0].case.batch_size or int(share) < 5:
        return False
    most = _most(*plain(own), law, name, 2 * error + 2e-5)
    return names == [law, name] and abs(float(share) - 100 * most) <= 0.51 + 0.03 * float(share)


def _most(
    sizes: tuple[tuple[float, float], ...],
    counts: tuple[float, ...],
    law: str,
    until: str,
    slack: float,
) -> float:
    """The largest share, at the last size, of laws after one until another in sums that fit."""
    terms = terms_at(sizes, "N^4") / np.array(counts)[:, None]
    scale = terms.max(axis=0)
    meets, shares = terms / scale, terms[-1] / scale
    first, stop = (terms_at(sizes, name).shape[1] for name in (law, until))
    shares[:first], shares[stop:] = 0, 0
    limits = np.concatenate([np.full(len(sizes), slack + 1), np.full(len(sizes), slack - 1)])
    found = linprog(-shares / max(shares.max(), 1e-300), np.vstack([meets, -meets]), limits).x
    return 0.0 if found is None else float(shares @ found)


def needs_holds(own: Points, law: str, size: str | None) -> bool:
    """Whether counts that go on as a sum up to a law would decide at about a size, and not before.

    They are continued here at sizes each a root of two larger, ten doublings far. Several sums may
    meet the counts, which do not go on alike, so it may be the size before or after.
    """
    sizes, n = [], own[-1][0].case.batch_size
    for _ in range(20):
        n = math.ceil(n * math.sqrt(2))
        sizes.append(n)
    if size is None:
        return not _decides(*plain(own), law, tuple(sizes), 1.25)
    if int(size) not in sizes:
        return False
    at = sizes.index(int(size))
    return _decides(*plain(own), law, tuple(sizes[: at + 2]), 0.8) and not (
        at > 1 and _decides(*plain(own), law, tuple(sizes[: at - 1]), 1.25)
    )


@cache
def _decides(
    sizes: tuple[tuple[float, float], ...],
    counts: tuple[float, ...],
    law: str,
    further: tuple[int, ...],
    margin: float,
) -> bool:
    """Whether slower laws miss by ten times as much, and faster ones can have only 5 %."""
    (m, n), slower = sizes[-1], slower_than(law)
    longer = (*sizes, *((m / n * more, float(more)) for more in further))
    error, weights = best_sum(sizes, counts, law)
    figures = (*counts, *map(float, (terms_at(longer, law) @ weights)[len(sizes) :]))
    if slower and best_sum(longer, figures, slower)[0] <= 10 * margin * max(error, 2e-5):
        return False
    return _most(longer, figures, law, "N^4", 2 * error + 2e-5) <= 0.05 / margin


def _no_law(points: Points) -> bool:
    """Whether no two laws alone meet the last counts, nor all of them together."""
    last = list(points[-5:])
    return fitted(last, "N^4") > 0.03 and _best_pair(last) > 0.03


def _unknown_sum(points: Points, count: str) -> bool:
    """Whether all laws together meet the counts, and no single one does."""
    alone = min(fitted_alone(points, [name]) for name in LAWS)
    return int(count) == len(points) and fitted(points[-5:], "N^4") <= 0.03 and alone > 1e-4


def _best_pair(points: Points) -> float:
    return min(fitted_alone(points, pair) for pair in combinations(LAWS, 2))


def fitted_alone(points: Points, names: Sequence[str]) -> float:
    terms = np.array(
        [[LAWS[name].of(r.case.labelled_rows) / figure for name in names] for r, figure in points]
    )
    weights, _ = nnls(terms / terms.max(axis=0), np.ones(len(terms)))
    return float(np.abs(terms / terms.max(axis=0) @ weights - 1).max())


def _leaves(
    points: Points, law: str, first: str, last: str, off: str, less: str, size: str, path: str
) -> bool:
    """Whether sums that meet the counts up to a size give so much more, or less, at the next.

    Less than another point of a program would give is always another path.
    """
    sizes = [r.case.batch_size for r, _ in points]
    if not {int(first), int(last), int(size)} <= set(sizes) or (less == "less" and not path):
        return False
    start, stop = sizes.index(int(first)), sizes.index(int(last)) + 1
    if sizes[stop : stop + 1] != [int(size)] or not _path(points, start, stop, law):
        return False
    ends = reach(points[start:stop], law, points[stop], 3e-5)
    told = float(off) / 100 * (-1 if less == "less" else 1)
    slack = 0.51e-2 * 10.0 ** -len(off.partition(".")[2]) + 1e-4
    count = points[stop][1]
    return ends is not None and count / ends[1] - 1 - slack <= told <= count / ends[0] - 1 + slack


def _falls(points: Points, by: str) -> bool:
    """Whether it is the first fall by more than a half, after three steps or more."""
    steps = [
        math.log(y / x) / math.log(b.case.labelled_rows / a.case.labelled_rows)
        for (a, x), (b, y) in pairwise(points)
    ]
    drops = [steps[i - 1] - steps[i] for i in range(3, len(steps))]
    first = next((drop for drop in drops if drop > 0.5), 0.0)
    return first > 0 and abs(float(by) - first) <= 0.051


_NEEDS = r"; (?:needs N up to about (\d+)|no feasible size would decide)"
_NAME = LAW.replace("(", "(?:", 1)
_PATH = "(?:, where it takes another path)?"
WHYS: tuple[tuple[str, Callable[..., bool]], ...] = (
    (r"counted at (\d+) sizes; it takes 5 to tell laws apart", _too_few),
    (
        rf"meets the counts (?:exactly|to {SHARE}) (?:at every size|from N=(\d+) on)"
        rf"(?:; {LAW} misses by {SHARE})?",
        _meets,
    ),
    (rf"({_NAME}(?: or {_NAME})+): (.+?){_NEEDS}", _several),
    (
        rf"no law leads: the nearest sum, up to {LAW}, misses by {SHARE}",
        lambda p, law, off: any(near(off, max(fitted(own, law), 2e-5)) for own in spans(p)),
    ),
    (rf"no sum of growth laws comes within 3% of the counts{_PATH}", _no_law),
    (
        rf"(\d+) sizes do not tell which sum of growth laws the counts follow{_PATH}",
        _unknown_sum,
    ),
    (
        rf"{LAW} exactly from N=(\d+) to (\d+), and {SHARE} (less|more) at N=(\d+)({_PATH})",
        _leaves,
    ),
    (rf"the power of N falls by {NUMBER}, where it takes another path", _falls),
)


# --- The law or the power of a time ---


def time_holds(
    own: Series, said: str, span: tuple[int, int], work: str | None, counted: Points
) -> bool:
    points = rising(own, "time")
    if (points[0][0].case.batch_size, points[-1][0].case.batch_size) != span:
        return False
    told = re.fullmatch(rf"grows as (?:{LAW}|N\^{NUMBER} \[{NUMBER}, {NUMBER}\])", said)
    assert told, f"no proposition for: {said}"
    law, power, low, high = told[1], *(float(x) if x else None for x in told.groups()[1:])
    model = Times(own, points)
    if law:
        best = min(LAWS, key=lambda name: model.squares(LAWS[name].of))
        return best == law and model.worst(LAWS[law].of) < 1.6
    assert power is not None and low is not None and high is not None
    smallest = model.of_power(power)
    freedom = len(points) - 3
    allowed = smallest * (1 + float(fisher.ppf(0.95, 1, freedom)) / freedom)
    ends = all(model.of_power(p) <= 1.01 * allowed for p in (low + 0.01, high - 0.01))
    beyond = all(model.of_power(p) >= 0.95 * allowed for p in (low - 0.02, high + 0.02))
    if work is not None:
        (a, x), (b, y) = counted[-2:]
        local = math.log(y / x) / math.log(b.case.labelled_rows / a.case.labelled_rows)
        if low <= float(work) <= high or abs(local - float(work)) > 0.5:
            return False
    return low <= power <= high and ends and beyond


class Times:
    """A cost of dispatching and a law, fitted to the logarithms of times; bounds only push up."""

    def __init__(self, own: Series, points: Points) -> None:
        def size(r: Result) -> float:
            density = r.case.nan_density or 0.0
            return r.case.batch_size if density == 1 else r.case.labelled_rows / (1 - density)

        self.sizes = np.array([size(r) for r, _ in points])
        self.logs = np.log([y for _, y in points])
        ops = [float(r.dispatched_ops or 0) for r, _ in points]
        self.ops = np.array(ops if all(ops) else [1.0] * len(ops))
        late, bounds = False, []
        for r in own:
            late |= r.status is Status.TIMED_OUT
            if late and not r.time_samples_s and r.status in (Status.TIMED_OUT, Status.SKIPPED):
                bounds.append((size(r), math.log(r.time_limit_s or 1.0)))
        self.bounds = bounds
        step = math.log(self.ops[-1] / self.ops[-2]) / math.log(self.sizes[-1] / self.sizes[-2])
        self.grown = [(n / self.sizes[-1]) ** step for n, _ in bounds]

    def _fit(self, of: Callable[[float], float]) -> tuple[float, np.ndarray]:
        last = of(float(self.sizes[-1]))
        shape = np.array([of(float(n)) / last for n in self.sizes])
        ops = self.ops / self.ops[-1]

        bounds = [
            (bound, more, of(n) / last)
            for (n, bound), more in zip(self.bounds, self.grown, strict=True)
        ]

        def at(logit: float) -> tuple[float, np.ndarray]:
            w = 1 / (1 + math.exp(-logit))
            off = self.logs - np.log((1 - w) * ops + w * shape)
            middle = float(off.sum()) / len(off)
            off -= middle
            squares = float(off @ off)
            for bound, more, grown in bounds:
                model = middle + math.log((1 - w) * more + w * grown)
                squares += max(0.0, bound - model) ** 2
            return squares, off

        start = min((at(x)[0], x) for x in range(-24, 25, 3))[1]
        found = minimize_scalar(lambda x: at(x)[0], bounds=(start - 3, start + 3), method="bounded")
        return min((at(float(found.x)), at(start)), key=lambda own: own[0])

    def squares(self, of: Callable[[float], float]) -> float:
        return self._fit(of)[0]

    def of_power(self, power: float) -> float:
        return self.squares(lambda n: n**power)

    def worst(self, of: Callable[[float], float]) -> float:
        return math.exp(float(np.abs(self._fit(of)[1]).max()))


KINDS = {
    **{pattern: pattern for pattern, _ in WHYS},
    "its time": "; its time ",
    "an interval": r"its time grows as N\^[\d.]+ \[",
    "a size that would decide": "needs N up to about",
    "no size would": "no feasible size would decide",
    "laws in turn": r"it grows as N\S*(?: log N)?, .* from N=\d+ on",
    "ran out": "; yet it ran out of",
    "not for larger N": "does not hold for larger N",
    "at every N": "at every N from",
    "only at one N": r"(^|: )(of the \w+ that were timed, )?at N=",
    "from N on": "from N=\\d+ on, not at",
    "up to N": "up to N=\\d+, not at",
    "not at": "(^|: )not at N=",
    "hidden": "noise hides",
    "the other one": "the other one is faster|another is faster|another one is faster",
    "unfinished": "did not finish",
    "peaks of two": "and broadcast .* in training",
    "agreement": "in all .* cases; the largest|not in .* cases",
    "the formula": "of its own definition|labels were not measured|some of them with tied",
    "unknown": "were measured|were timed together|was not measured|same tensors|was compared",
}


def evidence_kinds(text: str) -> Mapping[str, int]:
    """How often a text has each kind of evidence, 0 where it has none."""
    return {kind: len(re.findall(pattern, text)) for kind, pattern in KINDS.items()}
