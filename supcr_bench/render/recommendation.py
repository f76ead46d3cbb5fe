"""The sentences of a recommendation: what to use, and why not each of the others."""
# ruff: noqa: ARG001 - some facts only say of whom a sentence speaks

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from supcr_bench.analysis.recommend import (
    CLOSE,
    Candidate,
    Estimate,
    Question,
    Recommendation,
    Source,
    places,
)
from supcr_bench.analysis.statistics import Interval, ratio_of
from supcr_bench.render.sentences import Sentence, sentence
from supcr_bench.values.case import Case
from supcr_bench.values.result import grouped
from supcr_bench.values.units import format_bytes, format_duration_s, format_share, listed

# --- The sentences: a whole one, and clauses that follow it ---


def _asked(question: Question, case: Case, taus: Sequence[tuple[str, float]]) -> str:
    density = "own" if case.nan_density is None else f"{100 * question.nan_density:.3g}%"
    arms = grouped(taus, lambda arm: arm[1])
    values = "; ".join(
        f"tau={tau:g}" + (f" of {', '.join(name for name, _ in own)}" if len(arms) > 1 else "")
        for tau, own in arms.items()
    )
    return (
        f"At N={question.batch_size}, D={question.dims}, {density} NaN, {question.pass_} on "
        f"{question.device} ({case.dtype}, {values}, d={case.embedding_size})"
    )


@sentence
def not_asked_for(*, question: Question, known: Sequence[str]) -> str:
    of = f" of {question.definition}" if question.definition else ""
    has = ", ".join(known) or "no results"
    return f"This run has no results for {question.pass_} on {question.device}{of}. It has {has}."


@sentence
def not_recommended(*, question: Question, case: Case, taus: Sequence[tuple[str, float]]) -> str:
    return f"{_asked(question, case, taus)} none can be recommended."


@sentence
def recommended(
    *,
    question: Question,
    case: Case,
    taus: Sequence[tuple[str, float]],
    names: Sequence[str],
    decided: bool,
    time: Estimate,
    peak: Estimate | None,
) -> str:
    """The time and the peak are those of the first name; others tie with it."""
    span = ""
    if time.low and time.high:
        span = f", {format_duration_s(time.low)} to {format_duration_s(time.high)}"
    memory = f", {format_bytes(peak.value)} above the inputs" if peak else ""
    use = f"use {' or '.join(names)}:"
    if not decided:
        use = f"the times do not decide between {listed(names)}; {names[0]} takes"
    return (
        f"{_asked(question, case, taus)}, {use} about {format_duration_s(time.value)} a call "
        f"({time.source}){span}{memory}."
    )


@sentence
def takes_longer(*, name: str, other: str, times: float, source: str) -> str:
    said = "about" if times < 1.05 else f"{times:,.{times < 9.95:d}f} times"
    return f"{name} takes {said} as long ({source})"


@sentence
def may_be_noise(*, name: str, other: str, times: float) -> str:
    return f"{name} takes {times:.2f} times as long, which may be noise"


@sentence
def ties(*, name: str, other: str, ratio: Interval, processes: int) -> str:
    """The ratio is of times; that of several processes has no rounds."""
    low, high = ratio.low or 0.0, ratio.high or 0.0
    verb = "may be faster or slower" if low <= 1 <= high else "differs by what may be noise"
    verb = "is as fast within the noise" if high < CLOSE * low else verb
    less, more = (format_share(end - 1, signed=True) for end in (low, high))
    count = f"{processes} processes" if processes > 1 else f"{ratio.samples} samples"
    return f"{name} {verb} ({less} / {more} of its time, {count})"


@sentence
def ruled_out(*, name: str, reason: str, alone: bool) -> str:
    return f"{'' if alone else 'not '}{name}: {reason}"


@sentence
def only_one(*, name: str) -> str:
    return "it is the only one in this run"


@sentence
def extrapolated() -> str:
    return "extrapolated figures were not measured"


@sentence
def several_definitions(*, computed: Mapping[str, Sequence[str]]) -> str:
    said = [f"{which}: {listed(names)}" for which, names in computed.items()]
    return f"they compute several definitions ({'; '.join(said)})"


# --- The sentences of an answer ---


def explanation(found: Recommendation) -> str:
    first, *rest = recommendation_sentences(found)
    if not rest:
        return first.text
    alike = grouped(rest, lambda said: said.facts.get("reason", said.text))
    text = "; ".join(_together(own) for own in alike.values())
    as_it_is = rest[0].facts.get("alone") or ":" in text.split()[0]  # it begins with a name
    return f"{first.text} {text if as_it_is else text[0].upper() + text[1:]}."


def _together(said: Sequence[Sentence]) -> str:
    """One clause for the implementations that are ruled out for the same reason."""
    if len(said) == 1:
        return said[0].text
    facts, names = said[0].facts, [own.facts["name"] for own in said]
    return ruled_out(**{**facts, "name": listed(names, "and" if facts["alone"] else "or")}).text


def recommendation_sentences(found: Recommendation) -> Iterator[Sentence]:
    """The first clause begins a sentence, and the others follow it."""
    question, results = found.question, found.results
    if not results:
        yield not_asked_for(question=question, known=found.available)
        return
    taus = dict.fromkeys((r.implementation, r.case.temperature) for r in results)
    where: dict[str, Any] = {"question": question, "case": results[0].case, "taus": tuple(taus)}
    usable = [c for c in found.candidates if c.ruled_out is None]
    out = [c for c in found.candidates if c.ruled_out is not None]
    best = next((c for c in usable if c.implementation in found.tied), None)
    if best is None or best.time is None:
        yield not_recommended(**where)
    else:
        yield recommended(
            **where,
            names=found.tied,
            decided=found.implementation is not None,
            time=best.time,
            peak=best.peak_bytes,
        )
        yield from (_compared(best, other, found) for other in usable if other is not best)
    for c in out:
        yield ruled_out(name=c.implementation, reason=c.ruled_out or "", alone=best is None)
    if best and len(found.candidates) == 1:
        yield only_one(name=best.implementation)
    if Source.EXTRAPOLATED in (c.time.source for c in usable if c.time):
        yield extrapolated()
    arms = dict.fromkeys((r.case.definition, r.implementation) for r in results)
    computed = grouped(arms, lambda arm: arm[0])
    if best and len(computed) > 1:
        names = {which: tuple(name for _, name in own) for which, own in computed.items()}
        yield several_definitions(computed=names)


def _compared(best: Candidate, other: Candidate, found: Recommendation) -> Sentence:
    assert best.time and other.time
    times = other.time.value / best.time.value
    names = {"name": other.implementation, "other": best.implementation}
    if other.implementation not in found.tied:
        return takes_longer(**names, times=times, source=str(other.time.source))
    at = places(found.results, found.question)
    slow, fast = (at.get(name, {}).get(found.question.place) for name in names.values())
    ratio = ratio_of(slow, fast) if slow and fast else None
    if ratio is None or ratio.low is None or ratio.high is None:
        return may_be_noise(**names, times=times)
    processes = len(slow.processes.keys() & fast.processes.keys()) if slow and fast else 0
    return ties(**names, ratio=ratio, processes=processes)
