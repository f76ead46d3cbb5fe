"""The sentences of a recommendation: what to use, then what speaks against each of the others."""

from collections.abc import Iterator
from typing import Any

from supcr_bench.analysis.fastest import CLOSE, Candidate, Source, places
from supcr_bench.analysis.recommend import Recommendation
from supcr_bench.analysis.statistics import ratio_of
from supcr_bench.render import sentences as say
from supcr_bench.render.sentences import Sentence
from supcr_bench.values.grouping import grouped


def explanation(found: Recommendation) -> str:
    """The sentences of a recommendation, joined into one paragraph."""
    first, *rest = recommendation_sentences(found)
    text = "; ".join(sentence.text for sentence in rest)
    named = rest[0].facts.get("alone")  # it begins with a name
    return f"{first.text} {text if named else text[0].upper() + text[1:]}."


def recommendation_sentences(found: Recommendation) -> Iterator[Sentence]:
    """The first is a whole one, and those after it are clauses."""
    question, results = found.question, found.results
    if not results:
        yield say.not_asked_for(question=question)
        yield say.available(known=found.available)
        return
    taus = dict.fromkeys((r.implementation, r.case.temperature) for r in results)
    where: dict[str, Any] = {"question": question, "case": results[0].case, "taus": tuple(taus)}
    usable = [c for c in found.candidates if c.ruled_out is None]
    out = [c for c in found.candidates if c.ruled_out is not None]
    best = next((c for c in usable if c.implementation in found.tied), None)
    if best is None or best.time is None:
        yield say.not_recommended(**where)
    else:
        yield say.recommended(
            **where,
            names=found.tied,
            decided=found.implementation is not None,
            time=best.time,
            peak=best.peak_bytes,
        )
        yield from (_compared(best, other, found) for other in usable if other is not best)
    for c in out:
        yield say.ruled_out(name=c.implementation, reason=c.ruled_out or "", alone=best is None)
    if best and len(found.candidates) == 1:
        yield say.only_one(name=best.implementation)
    if Source.EXTRAPOLATED in (c.time.source for c in usable if c.time):
        yield say.extrapolated()
    arms = dict.fromkeys((r.case.definition, r.implementation) for r in results)
    computed = grouped(arms, lambda arm: arm[0])
    if best and len(computed) > 1:
        names = {which: tuple(name for _, name in own) for which, own in computed.items()}
        yield say.several_definitions(computed=names)


def _compared(best: Candidate, other: Candidate, found: Recommendation) -> Sentence:
    assert best.time and other.time
    times = other.time.value / best.time.value
    names = {"name": other.implementation, "other": best.implementation}
    if other.implementation not in found.tied:
        return say.takes_longer(**names, times=times, source=str(other.time.source))
    asked, at = found.question, places(found.results, found.question)
    place = (asked.batch_size, asked.dims, asked.nan_density)
    slow, fast = (at.get(name, {}).get(place) for name in names.values())
    ratio = ratio_of(slow, fast) if slow and fast else None
    if ratio is None or ratio.low is None or ratio.high is None:
        return say.may_be_noise(**names, times=times)
    processes = len(slow.processes.keys() & fast.processes.keys()) if slow and fast else 0
    return say.ties(
        **names,
        low=ratio.low,
        high=ratio.high,
        rounds=ratio.samples,
        processes=processes,
        close=ratio.high < CLOSE * ratio.low,
    )
