"""The sentences on a run. Each states a proposition: a kind, and facts that results can refute.

A function of this module writes the sentences of one kind; its arguments are the facts, plain
values without rounding. ``tests/render/propositions.py`` decides each kind from raw results.
"""
# ruff: noqa: ARG001 - some facts only say of whom a sentence speaks

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec

from supcr_bench.analysis.fastest import Estimate, Question
from supcr_bench.render.cells import ratio_text
from supcr_bench.values.axes import Axis
from supcr_bench.values.case import Case
from supcr_bench.values.definition import TORCHCELL, short_name
from supcr_bench.values.grouping import grouped
from supcr_bench.values.holds import Holds
from supcr_bench.values.units import (
    format_bytes,
    format_duration_s,
    format_limit_bytes,
    format_share,
    listed,
    plural,
)

P = ParamSpec("P")
KINDS: dict[str, Callable[..., str]] = {}
"""The functions that write sentences, by kind."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A proposition of a kind, with its facts, in words."""

    kind: str
    facts: Mapping[str, Any] = field(hash=False)
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> tuple[str, ...]:
        """The implementations that the sentence speaks of; a page hides it with any of them."""
        single = (self.facts.get(key) for key in ("name", "other"))
        return tuple(self.facts.get("names", ())) + tuple(filter(None, single))

    @property
    def label(self) -> str:
        """The first word, up to its colon: ``Right`` or ``WRONG``."""
        return self.text.partition(":")[0]


def sentence(write: Callable[P, str]) -> Callable[P, Sentence]:
    """Turn a function that writes a text into one that makes a sentence of that kind."""
    kind = write.__name__
    KINDS[kind] = write

    @wraps(write)
    def made(*args: P.args, **facts: P.kwargs) -> Sentence:
        return Sentence(kind, facts, write(*args, **facts))

    return made


def span_text(first_s: float, last_s: float) -> str:
    """Two durations, as ``57.9 to 59.1 ms``, or one where they read alike."""
    one, other = format_duration_s(first_s), format_duration_s(last_s)
    if one == other:
        return one
    number, _, unit = one.partition(" ")
    return f"{number if other.endswith(f' {unit}') else one} to {other}"


def sizes_text(sizes: Sequence[int]) -> str:
    return f"N={sizes[0]}" + (f" to {sizes[-1]}" if len(sizes) > 1 else "")


def place(case: Case) -> str:
    """A series: the pass, all of the workload but its batch size, and an unusual definition."""
    whose = "" if case.definition == TORCHCELL.name else f", {short_name(case.definition)}"
    return f"{case.pass_}, {case.describe_series()}{whose}"


# --- Right or not ---


@sentence
def right(*, names: Sequence[str], definition: str, answers: int) -> str:
    which = "the one answer" if answers == 1 else f"all {answers} answers"
    return f"Right: {listed(names)}, in {which} ({short_name(definition)})."


@sentence
def wrong(*, name: str, definition: str, wrong: int, answers: int, first: Case) -> str:
    return (
        f"WRONG: {name}, in {wrong} of {plural(answers, 'answer')} ({short_name(definition)}), "
        f"first in {first.pass_} at {first.describe()}."
    )


@sentence
def refuted(*, name: str, headline: str, answers: int) -> str:
    """Verification finds an implementation wrong, although its answers in the run may agree."""
    agrees = f" In this run it agrees in {plural(answers, 'answer')}." if answers else ""
    return f"WRONG: {headline}{agrees}"


@sentence
def silent(*, name: str, definition: str, ended: Sequence[tuple[str, int]]) -> str:
    which = "" if definition == TORCHCELL.name else f", {short_name(definition)}"
    return f"No answer: {name}{which} ({', '.join(f'{n} {words}' for words, n in ended)})."


@sentence
def verified(*, names: Sequence[str], computes: str, robust: bool) -> str:
    which = "right" if robust else "right, but robustness checks fail"
    return f"Verified: {listed(names)} {'are' if len(names) > 1 else 'is'} {which} ({computes})."


@sentence
def unverified(*, name: str, headline: str) -> str:
    return f"Not verified: {headline}"


# --- What to use ---


@sentence
def use(
    *,
    names: Sequence[str],
    case: Case,
    sizes: Sequence[int],
    times_s: tuple[float, float],
    peak_bytes: int | None,
    baseline: str | None,
    speedup: tuple[int, float] | None,
    floors: float | None,
) -> str:
    """The fastest right one, or those that tie; ``case`` is at the last of the sizes.

    The first one's times are at the first and the last N, its peak is at the last, and the
    ``speedup`` is over the baseline, at the last N where that was timed too. ``floors`` is the time
    at the last, as a multiple of the floor.
    """
    memory = f" and {format_bytes(peak_bytes)}" if peak_bytes is not None else ""
    n, ratio = speedup or (0, 0.0)
    faster = f", and at N={n} is {ratio_text(ratio)} times as fast as {baseline}" if n else ""
    return (
        f"{sizes_text(sizes)} ({place(case)}): {' or '.join(names)}. {names[0]} takes "
        f"{span_text(*times_s)}{f', {ratio_text(floors)} times the floor' if floors else ''}"
        f"{memory}{faster}."
    )


@sentence
def unusable(*, case: Case, sizes: Sequence[int]) -> str:
    return f"{sizes_text(sizes)} ({place(case)}): none was timed and is right."


# --- Claims of the note ---


_HOLD = {
    Holds.YES: ("holds", "hold"),
    Holds.CONDITION: ("holds with a condition", "hold with a condition"),
    Holds.NO: ("does not hold", "do not hold"),
    Holds.UNDECIDED: ("cannot be told here", "cannot be told here"),
}


@sentence
def claims_counted(*, verdicts: Sequence[Holds]) -> str:
    counts = {verdict: verdicts.count(verdict) for verdict in _HOLD}
    parts = [f"{n} {_HOLD[verdict][n > 1]}" for verdict, n in counts.items() if n]
    return f"Of {plural(len(verdicts), 'claim')} of the note {', '.join(parts)}."


@sentence
def claim(*, claim: str, verdict: Holds) -> str:
    return f"{verdict.capitalize()}: {claim}"


# --- Beware ---


@sentence
def noise(*, spread: float, cells: int, device: str | None) -> str:
    return (
        f"Differences below {spread:.1%} may be noise: of {_pairs(cells, device)}, 95 % differed "
        "by at most that. What to use is decided by the noise at each N."
    )


@sentence
def noise_hides(*, spread: float, cells: int, device: str | None) -> str:
    return (
        f"By {_pairs(cells, device)}, noise may make a call {spread + 1:,.0f} times as long; where "
        "it does, no fastest is named."
    )


@sentence
def noise_unknown(*, device: str | None) -> str:
    where = f" on {device}" if device else ""
    return f"No implementation was timed twice{where}, so how noisy the times are is not known."


def _pairs(cells: int, device: str | None) -> str:
    where = f" on {device}" if device else ""
    return f"{plural(cells, 'pair')} of timings of identical code{where}"


@sentence
def changes_process(*, name: str, changes: Sequence[str], apart: bool) -> str:
    cure = "it was measured in a process of its own" if apart else "each change was undone"
    said = " and ".join(changes)
    return f"{name} {said}, for the whole process. The others are not affected: {cure}."


@sentence
def missing(*, total: int, ended: Sequence[tuple[str, int]]) -> str:
    count = sum(n for _, n in ended)
    verb = "has" if count == 1 else "have"
    parts = ", ".join(f"{n} {words}" for words, n in ended)
    return f"{count} of {plural(total, 'result')} {verb} no figures: {parts}."


@sentence
def failed(*, name: str, case: Case, reason: str | None) -> str:
    return f"{name} failed, first in {case.pass_} at {case.describe()}: {reason}."


@sentence
def left_out(*, reason: str) -> str:
    return f"Left out: {reason}."


# --- Findings of the sections ---


@sentence
def overtakes(*, name: str, other: str, case: Case, size: float, low: float, high: float) -> str:
    return (
        f"{name} overtakes {other} at N={size:.0f}, 95 % interval {low:.0f} to {high:.0f} "
        f"({place(case)})."
    )


@sentence
def fits(*, name: str, case: Case, capacity_bytes: int, batch_size: int) -> str:
    return (
        f"{format_limit_bytes(capacity_bytes)} hold the tensors of {name} up to N={batch_size:,}, "
        f"as the growth of the bytes predicts ({place(case)})."
    )


@sentence
def mispredicted(*, name: str, case: Case, share: float) -> str:
    return (
        "Peaks predicted from sizes up to a quarter of N were off by up to "
        f"{format_share(share)} ({name}, {case.pass_} at {case.describe()})."
    )


@sentence
def grows(*, name: str, case: Case, law: str, sizes: Sequence[int]) -> str:
    return f"The times of {name} fit {law}, {sizes_text(sizes)} ({place(case)})."


@sentence
def outgrows(*, name: str, case: Case, law: str, claimed: str) -> str:
    return f"{name} claims to grow as {claimed}, and grows as {law} ({place(case)})."


@sentence
def along(*, name: str, axis: Axis, first: Case, last: Case, time_ratio: float) -> str:
    start, end = (axis.text(axis.of(case)) for case in (first, last))
    return (
        f"From {axis.short} {start} to {end} {name} takes {ratio_text(time_ratio)} times the time "
        f"({last.pass_} at {last.describe()})."
    )


# --- Notes of tables: clauses ---


@sentence
def counters_differ(*, low: float, high: float) -> str:
    """The least and the largest relative difference of the bytes that two counters give."""
    span = f"{low:+.1%} to {high:+.1%}"
    return f"a second counter, which follows operations, differs by {span}"


@sentence
def intervals_within(*, share: float) -> str:
    return f"intervals within \u00b1{share:.1%}"


# --- Recommendations: a whole sentence, and clauses that follow it ---


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
def not_asked_for(*, question: Question) -> str:
    of = f" of {question.definition}" if question.definition else ""
    return f"This run has no results for {question.pass_} on {question.device}{of}."


@sentence
def available(*, known: Sequence[str]) -> str:
    return f"it has {', '.join(known) or 'no results'}"


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
def ties(
    *, name: str, other: str, low: float, high: float, rounds: int, processes: int, close: bool
) -> str:
    """``low`` and ``high`` bound the ratio of times; ``close`` says if they are near."""
    verb = "may be faster or slower" if low <= 1 <= high else "differs by what may be noise"
    verb = "is as fast within the noise" if close else verb
    less, more = (format_share(end - 1, signed=True) for end in (low, high))
    count = f"{processes} processes" if processes > 1 else f"{rounds} samples"
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
