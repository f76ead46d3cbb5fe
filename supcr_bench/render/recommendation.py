"""The sentences of a recommendation: what to use, then what speaks against each of the others."""

from collections.abc import Iterator
from typing import Any

from supcr_bench.analysis.fastest import CLOSE, Candidate, Source, places, shared_ratio
from supcr_bench.analysis.recommend import Recommendation
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
    by_name = {c.implementation: c for c in found.candidates}
    usable = [c for c in found.candidates if c.ruled_out is None]
    if not usable:
        yield say.not_recommended(**where)
        for c in found.candidates:
            yield say.ruled_out(name=c.implementation, reason=c.ruled_out or "", alone=True)
        return
    best = by_name[found.tied[0]]
    assert best.time
    yield say.recommended(
        **where,
        names=found.tied,
        decided=found.implementation is not None,
        time=best.time,
        peak=best.peak_bytes,
    )
    others = [c for c in usable if c is not best]
    out = [c for c in found.candidates if c.ruled_out]
    for other in others:
        yield _compared(best, other, found)
    for c in out:
        yield say.ruled_out(name=c.implementation, reason=c.ruled_out or "", alone=False)
    if not others and not out:
        yield say.only_one(name=best.implementation)
    if Source.EXTRAPOLATED in (c.time.source for c in usable if c.time):
        yield say.extrapolated()
    arms = grouped(
        dict.fromkeys((r.case.definition, r.implementation) for r in results), lambda arm: arm[0]
    )
    if len(arms) > 1:
        computed = {which: tuple(name for _, name in own) for which, own in arms.items()}
        yield say.several_definitions(computed=computed)


def _compared(best: Candidate, other: Candidate, found: Recommendation) -> Sentence:
    assert best.time and other.time
    times, names = other.time.value / best.time.value, (other.implementation, best.implementation)
    if other.implementation not in found.tied:
        return say.takes_longer(
            name=names[0], other=names[1], times=times, source=str(other.time.source)
        )
    asked, at = found.question, places(found.results, found.question)
    place = (asked.batch_size, asked.dims, asked.nan_density)
    ratio = shared_ratio(*(at.get(name, {}).get(place) for name in names[::-1]))
    if ratio is None or ratio.low is None or ratio.high is None:
        return say.may_be_noise(name=names[0], other=names[1], times=times)
    return say.ties(
        name=names[0],
        other=names[1],
        low=ratio.low,
        high=ratio.high,
        samples=ratio.samples,
        close=ratio.high < CLOSE * ratio.low,
    )
