"""Whether two sentences of one run cannot both be true, or read as if they could not.

A rule has the two kinds that it is of, in the order of the alphabet. Numbers that are true of the
raw results cannot contradict each other, so the rules are of what is decided and recommended.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, product

from supcr_bench.analysis.recommend import Question
from supcr_bench.render.sentences import Sentence
from supcr_bench.values.case import Case
from supcr_bench.values.growth_law import Holds, grows_faster
from tests.render.propositions import (
    DUELS,
    ENDED,
    Known,
    log_ratios,
    met,
    of,
    place_of,
    shared,
    usable,
)

Rule = Callable[[Known, Sentence, Sentence], bool]


def contradictions(
    run: Known, said: Sequence[Sentence], others: Sequence[Sentence] = ()
) -> list[tuple[str, str]]:
    """The pairs of sentences that contradict each other; of ``others``, only with what is said."""
    pairs: Iterable[tuple[Sentence, Sentence]] = combinations(said, 2)
    if others:
        pairs = product(said, others)
    return [(a.text, b.text) for a, b in pairs if contradict(run, a, b)]


def contradict(run: Known, one: Sentence, other: Sentence) -> bool:
    a, b = sorted((one, other), key=lambda s: s.kind)
    rule = RULES.get((a.kind, b.kind))
    return rule is not None and rule(run, a, b)


def of_one(_run: Known, a: Sentence, b: Sentence) -> bool:
    """They speak of the same implementation."""
    return bool(set(a.names) & set(b.names))


def of_one_arm(run: Known, a: Sentence, b: Sentence) -> bool:
    """They speak of the same implementation and definition."""
    definitions = [
        _case(s).definition if s.kind == "use" else s.facts["definition"] for s in (a, b)
    ]
    return of_one(run, a, b) and definitions[0] == definitions[1]


def of_one_precision(run: Known, a: Sentence, b: Sentence) -> bool:
    one, two = _case(a), _case(b)
    alike = (one.dtype, one.temperature) == (two.dtype, two.temperature)
    return of_one(run, a, b) and alike


def _case(sentence: Sentence) -> Case:
    case = sentence.facts.get("case") or sentence.facts["first"]
    assert isinstance(case, Case)
    return case


def of_one_place(_run: Known, a: Sentence, b: Sentence) -> bool:
    return place_of(_case(a)) == place_of(_case(b))


def at_one_size(run: Known, a: Sentence, b: Sentence) -> bool:
    return of_one_place(run, a, b) and bool(set(a.facts["sizes"]) & set(b.facts["sizes"]))


def of_one_device(_run: Known, a: Sentence, b: Sentence) -> bool:
    return bool(a.facts["device"] == b.facts["device"])


def of_one_claim(_run: Known, a: Sentence, b: Sentence) -> bool:
    return bool(a.facts["claim"] == b.facts["claim"])


def uncounted(_run: Known, a: Sentence, b: Sentence) -> bool:
    """A claim has a verdict that is not among those counted."""
    return a.facts["verdict"] not in b.facts["verdicts"]


def more_than_missing(_run: Known, a: Sentence, b: Sentence) -> bool:
    """More results of an implementation have no figures than of all together."""
    by_kind = {a.kind: a.facts, b.kind: b.facts}
    known = dict(by_kind["missing"]["ended"])
    told = dict(by_kind["silent"]["ended"]) if "silent" in by_kind else {"failed": 1}
    return any(n > known.get(words, 0) for words, n in told.items())


def crossing_twice(run: Known, a: Sentence, b: Sentence) -> bool:
    """Two that overtake each other at one size."""
    swapped = (a.facts["name"], a.facts["other"]) == (b.facts["other"], b.facts["name"])
    near = abs(a.facts["size"] - b.facts["size"]) < 1
    return swapped and near and of_one_place(run, a, b)


def against_the_leader(run: Known, a: Sentence, b: Sentence) -> bool:
    """At the measured sizes next to a crossing the slower one is to be used, without the faster."""
    if not of_one_place(run, a, b):
        return False
    name, other, case = a.facts["name"], a.facts["other"], _case(a)
    theirs = {shared(r.case): r for r in of(run, other) if r.time_samples_s}
    sizes = [
        r.case.batch_size
        for r in of(run, name)
        if place_of(r.case) == place_of(case)
        and r.time_samples_s
        and shared(r.case) in theirs
        and log_ratios(r, theirs[shared(r.case)])
    ]
    below = max((n for n in sizes if n <= a.facts["low"] + 1e-6), default=None)
    above = min((n for n in sizes if n >= a.facts["high"] - 1e-6), default=None)
    return any(
        n in b.facts["sizes"] and slower in b.names and faster not in b.names
        for n, faster, slower in ((below, other, name), (above, name, other))
    )


def against_the_claim(run: Known, a: Sentence, b: Sentence) -> bool:
    """At a size that decides a claim, the slower one by its verdict is to be used."""
    if a.facts["claim"] not in DUELS:
        return False
    passes, pairs, which = DUELS[a.facts["claim"]]
    verdict, case, names = a.facts["verdict"], _case(b), set(b.names)
    if case.pass_ not in passes or verdict is Holds.CONDITION:
        return False
    together = {
        x.case.batch_size
        for one, other in pairs
        for x, y in met(run, one, other, passes)
        if place_of(x.case) == place_of(case)
        and (x.time_samples_s or y.time_samples_s)
        and all(r.time_samples_s or r.status in ENDED for r in (x, y))
    }
    deciding = {"all": together, "first": {*sorted(together)[:1]}, "last": {*sorted(together)[-1:]}}
    if verdict is Holds.NO and which == "all":
        which = "last"
    for n in deciding[which] & set(b.facts["sizes"]):
        here = {r.implementation for r in usable(run, case, n)}
        wins = [(w, s) for w, s in pairs if {w, s} <= here]
        if verdict is Holds.YES and any(s in names and w not in names for w, s in wins):
            return True
        # One claim's first is slower than some other; all its others are slower here.
        denied = verdict is Holds.NO and len(wins) == len(pairs) and pairs[0][1] != "loopy"
        if denied and all(w in names and s not in names for w, s in wins):
            return True
    return False


def _one_series(a: Sentence, b: Sentence) -> bool:
    """Whether evidence on growth is of the series and implementation of the other sentence."""
    case = _case(b)
    there = a.facts.get("name") == b.facts["name"] and a.facts["pass_"] == case.pass_
    return bool(there and a.facts["where"] == case.describe_series())


def another_time_law(_run: Known, a: Sentence, b: Sentence) -> bool:
    """Evidence and another sentence give the time of one series two laws, or one and none."""
    told = re.search(r"its time grows as ([^,[]+?)(?: \[|, N=)", a.facts["said"])
    return bool(told and _one_series(a, b) and told[1] != b.facts["law"])


def another_work_law(_run: Known, a: Sentence, b: Sentence) -> bool:
    told = re.match(r"it grows as ([^:]*?)(?: from N=\d+ on)?, N=\d+ to ", a.facts["said"])
    work = " work: " in a.facts["claim"] and _one_series(a, b)
    return bool(told and work and told[1].split(", ")[-1] != b.facts["law"])


def _faster_throughout(a: Sentence) -> tuple[int, int, list[tuple[str, str]]] | None:
    """The sizes between which the first of each pair is faster, by evidence on a claim."""
    told = re.match(r"(?:of the \w+ )?at every N from N=(\d+) to (\d+)", a.facts["said"])
    if not told or a.facts["claim"] not in DUELS or "of the two" in told[0]:
        return None
    return int(told[1]), int(told[2]), list(DUELS[a.facts["claim"]][1])


def crossing_in_evidence(_run: Known, a: Sentence, b: Sentence) -> bool:
    """One is faster at every size by the evidence, and overtaken between two of them."""
    known, case = _faster_throughout(a), _case(b)
    pair = {b.facts["name"], b.facts["other"]}
    return bool(
        known
        and f"{case.pass_} {case.describe_series()}" == a.facts["where"]
        and any(set(own) == pair for own in known[2])
        and known[0] <= b.facts["low"] <= b.facts["high"] <= known[1]
    )


def evidence_against_use(run: Known, a: Sentence, b: Sentence) -> bool:
    """The slower of a pair at every size is to be used at one of them, without the faster."""
    known, case = _faster_throughout(a), _case(b)
    if not known or f"{case.pass_} {case.describe_series()}" != a.facts["where"]:
        return False
    return any(
        slower in b.names and faster not in b.names
        for n in b.facts["sizes"]
        for faster, slower in known[2]
        if known[0] <= n <= known[1]
        if {faster, slower} <= {r.implementation for r in usable(run, case, n)}
    )


def claimed_law(sentence: Sentence) -> tuple[str, str, str] | None:
    """The implementation, pass and law of a claim on work."""
    name, found, rest = sentence.facts["claim"].partition(" takes O(")
    law, work, pass_ = rest.partition(") work: ")
    return (name, pass_.removesuffix("."), law) if found and work else None


def another_law(_run: Known, a: Sentence, b: Sentence) -> bool:
    """A claim on work holds although the other sentence says that it grows faster, or not."""
    own = claimed_law(a)
    if own is None or own[:2] != (b.facts["name"], _case(b).pass_):
        return False
    faster = grows_faster(b.facts["law"], own[2])
    return a.facts["verdict"] is (Holds.YES if faster else Holds.NO)


def two_laws(run: Known, a: Sentence, b: Sentence) -> bool:
    different = a.facts["law"] != b.facts["law"]
    return different and of_one(run, a, b) and of_one_place(run, a, b)


def far_off(run: Known, a: Sentence, b: Sentence) -> bool:
    """A batch that is to fit is predicted although such a prediction was far off."""
    return b.facts["share"] > 0.1 and of_one(run, a, b) and of_one_place(run, a, b)


def cured_otherwise(run: Known, a: Sentence, b: Sentence) -> bool:
    return of_one(run, a, b) and a.facts["apart"] is not b.facts["apart"]


# --- A recommendation: its sentences, and what the page of the same run says ---


def asks_for(run: Known, question: Question, sentence: Sentence) -> bool:
    """Whether a sentence on what to use answers the question, which any definition may."""
    case = _case(sentence)
    asked = (question.pass_, question.device, question.dims, question.nan_density, "continuous")
    here = (case.pass_, case.device, case.dims, case.nan_density, case.labels)
    alone = {r.case.definition for r in run.results} == {case.definition}
    same = asked == here and alone and question.memory_bytes is None
    return same and question.batch_size in sentence.facts["sizes"]


def another_choice(run: Known, a: Sentence, b: Sentence) -> bool:
    return asks_for(run, a.facts["question"], b) and set(a.names) != set(b.names)


def a_choice_of_none(run: Known, a: Sentence, b: Sentence) -> bool:
    known = a.facts["time"].source == "measured" if a.kind == "recommended" else True
    return known and asks_for(run, a.facts["question"], b)


def recommended_too(_run: Known, a: Sentence, b: Sentence) -> bool:
    """What is recommended is said to be ruled out, or to take longer."""
    first, other = (a, b) if a.kind == "recommended" else (b, a)
    return other.facts["name"] in first.names


def not_recommended_too(_run: Known, a: Sentence, b: Sentence) -> bool:
    """What is said to tie with the recommended is not among them, or they are not alike."""
    first, other = (a, b) if a.kind == "recommended" else (b, a)
    ratio = other.facts.get("ratio")
    close = ratio is not None and ratio.high < 1.25 * ratio.low
    unlike = first.facts["decided"] and not close
    return other.facts["name"] not in first.names or unlike


def not_alone(_run: Known, _a: Sentence, _b: Sentence) -> bool:
    return True


def wrong_recommended(_run: Known, a: Sentence, b: Sentence) -> bool:
    one, two = a.facts["case"], b.facts["first"]
    taus = dict(a.facts["taus"])
    return (
        b.facts["name"] in a.names
        and one.dtype == two.dtype
        and (taus[b.facts["name"]] == two.temperature)
    )


RULES: Mapping[tuple[str, str], Rule] = {
    ("changes_process", "changes_process"): cured_otherwise,
    ("claim", "claim"): of_one_claim,
    ("claim", "claims_counted"): uncounted,
    ("claim", "grows"): another_law,
    ("claim", "outgrows"): another_law,
    ("claim", "use"): against_the_claim,
    ("evidence", "grows"): another_time_law,
    ("evidence", "outgrows"): another_work_law,
    ("evidence", "overtakes"): crossing_in_evidence,
    ("evidence", "use"): evidence_against_use,
    ("failed", "missing"): more_than_missing,
    ("fits", "fits"): lambda r, a, b: of_one(r, a, b) and of_one_place(r, a, b),
    ("fits", "mispredicted"): far_off,
    ("fits", "refuted"): of_one,
    ("fits", "wrong"): of_one_precision,
    ("grows", "grows"): two_laws,
    ("grows", "outgrows"): two_laws,
    ("may_be_noise", "only_one"): not_alone,
    ("may_be_noise", "recommended"): not_recommended_too,
    ("missing", "missing"): not_alone,
    ("missing", "silent"): more_than_missing,
    ("noise", "noise"): of_one_device,
    ("noise", "noise_unknown"): of_one_device,
    ("not_recommended", "recommended"): not_alone,
    ("not_recommended", "use"): a_choice_of_none,
    ("only_one", "takes_longer"): not_alone,
    ("only_one", "ties"): not_alone,
    ("only_one", "ruled_out"): not_alone,
    ("overtakes", "overtakes"): crossing_twice,
    ("overtakes", "refuted"): of_one,
    ("overtakes", "use"): against_the_leader,
    ("overtakes", "wrong"): of_one_precision,
    ("recommended", "refuted"): of_one,
    ("recommended", "ruled_out"): recommended_too,
    ("recommended", "takes_longer"): recommended_too,
    ("recommended", "ties"): not_recommended_too,
    ("recommended", "unusable"): a_choice_of_none,
    ("recommended", "use"): another_choice,
    ("recommended", "wrong"): wrong_recommended,
    ("refuted", "refuted"): of_one,
    ("refuted", "right"): of_one,
    ("refuted", "use"): of_one,
    ("refuted", "verified"): of_one,
    ("right", "silent"): of_one_arm,
    ("right", "wrong"): of_one_arm,
    ("ruled_out", "ruled_out"): of_one,
    ("ruled_out", "takes_longer"): lambda _r, a, b: a.facts["name"] == b.facts["name"],
    ("ruled_out", "ties"): lambda _r, a, b: a.facts["name"] == b.facts["name"],
    ("silent", "use"): of_one_arm,
    ("silent", "wrong"): of_one_arm,
    ("unusable", "unusable"): at_one_size,
    ("unusable", "use"): at_one_size,
    ("unverified", "verified"): of_one,
    ("use", "use"): at_one_size,
    ("use", "wrong"): of_one_precision,
}
