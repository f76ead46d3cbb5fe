"""The sentences on a run. Each states a proposition: a kind, and facts that results can refute.

A function of this module writes the sentences of one kind; its arguments are the facts, plain
values without rounding. ``tests/render/propositions.py`` decides each kind from raw results.
"""
# ruff: noqa: ARG001 - some facts only say of whom a sentence speaks

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec

from supcr_bench.render.cells import ratio_text
from supcr_bench.values.axes import Axis
from supcr_bench.values.case import Case
from supcr_bench.values.definition import TORCHCELL, short_name
from supcr_bench.values.growth_law import Holds
from supcr_bench.values.units import (
    format_bytes,
    format_duration_s,
    format_limit_bytes,
    format_share,
    listed,
    plural,
)

P = ParamSpec("P")
NO_ERROR = 1e-3
"""A peak that is off by less than this share of it is said to be off by less."""
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
        """The implementations that the sentence names; hiding any of them hides the sentence."""
        single = (self.facts.get(key) for key in ("name", "other"))
        return tuple(self.facts.get("names", ())) + tuple(filter(None, single))


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


def counts_text(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{n} {words}" for words, n in counts)


def place(case: Case, among: Collection[Case] = ()) -> str:
    """A series: the pass, all of the workload but its batch size, and an unusual definition.

    A usual definition, precision, temperature or device is named if the cases ``among`` which it
    stands have others. A definition has its short name if that stands for no other among them.
    """
    others, short = {c.definition for c in among}, short_name(case.definition)
    usual = others <= {TORCHCELL.name} == {case.definition}
    alone = among and not any(short_name(d) == short for d in others - {case.definition})
    whose = "" if usual else f", {short if alone else case.definition}"
    return f"{case.pass_}, {case.describe_series(among)}{whose}"


# --- Right or not ---


@sentence
def right(*, names: Sequence[str], definition: str, answers: int) -> str:
    which = "the one answer" if answers == 1 else f"all {answers} answers"
    return f"Right: {listed(names)}, in {which} ({definition})."


@sentence
def wrong(*, name: str, definition: str, wrong: int, answers: int, first: Case) -> str:
    return (
        f"WRONG: {name}, in {wrong} of {plural(answers, 'answer')} ({definition}), "
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
    return f"No answer: {name}{which} ({counts_text(ended)})."


@sentence
def verified(*, names: Sequence[str], computes: str, robust: bool) -> str:
    verb, but = "are" if len(names) > 1 else "is", "" if robust else ", but robustness checks fail"
    return f"Verified: {listed(names)} {verb} right{but} ({computes})."


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
    """The fastest right implementation, or those that tie; ``case`` is at the last of the sizes.

    The times are the first one's at the first and the last N, its peak is at the last N, and the
    ``speedup`` is over the baseline, at the last N at which that was timed too. ``floors`` is the
    time at the last N as a multiple of the floor.
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
    return f"{sizes_text(sizes)} ({place(case)}): none is both timed and right."


def use_cells(said: Sentence) -> tuple[str, str, str, str, str]:
    """What to use: names, times, memory, times as fast as the baseline, multiples of the floor."""
    if said.kind == "unusable":
        return "none is both timed and right", "", "", "", ""
    facts = said.facts
    memory, (_, ratio) = facts["peak_bytes"], facts["speedup"] or (0, None)
    return (
        " or ".join(facts["names"]),
        span_text(*facts["times_s"]),
        format_bytes(memory) if memory is not None else "",
        ratio_text(ratio) if ratio else "",
        ratio_text(facts["floors"]) if facts["floors"] else "",
    )


# --- Claims of the note ---


_HOLD = {
    Holds.YES: ("holds", "hold"),
    Holds.CONDITION: ("holds with a condition", "hold with a condition"),
    Holds.NO: ("does not hold", "do not hold"),
    Holds.UNDECIDED: ("is not decided by this run", "are not decided by this run"),
}


@sentence
def claims_counted(*, verdicts: Sequence[Holds]) -> str:
    counts = {verdict: verdicts.count(verdict) for verdict in _HOLD}
    if counts[Holds.UNDECIDED] == len(verdicts):
        return f"This run decides none of the {plural(len(verdicts), 'claim')} of the note."
    parts = [f"{n} {_HOLD[verdict][n > 1]}" for verdict, n in counts.items() if n]
    return f"Of {plural(len(verdicts), 'claim')} of the note {', '.join(parts)}."


@sentence
def claim(*, claim: str, verdict: Holds) -> str:
    return f"{verdict.capitalize()}: {claim}"


# --- Beware ---


@sentence
def noise(*, spread: float, cells: int, device: str | None) -> str:
    pairs = f"{plural(cells, 'pair')} of timings of identical code{_on(device)}"
    which = f"of {pairs}, 95%" if cells >= 20 else pairs  # of fewer, that is all
    return (
        f"Differences below {spread:.1%} may be noise: {which} differed by at most that. What to "
        "use is decided by the noise at each N."
    )


@sentence
def noise_unknown(*, device: str | None) -> str:
    return f"No implementation was timed twice{_on(device)}, so the noise of times is not known."


def _on(device: str | None) -> str:
    return f" on {device}" if device else ""


@sentence
def changes_process(*, name: str, changes: Sequence[str], apart: bool) -> str:
    cure = "it was measured in a process of its own" if apart else "each change was undone"
    did = " and ".join(changes)
    return f"{name} {did}, for the whole process. The others are not affected: {cure}."


@sentence
def missing(*, total: int, ended: Sequence[tuple[str, int]]) -> str:
    count = sum(n for _, n in ended)
    verb, parts = "has" if count == 1 else "have", counts_text(ended)
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
    by = f"up to {format_share(share)}" if share >= NO_ERROR else f"less than {NO_ERROR:.1%}"
    where = f"{name}, {case.pass_} at {case.describe()}"
    return f"Peaks predicted from sizes up to a quarter of N were off by {by} ({where})."


@sentence
def grows(*, name: str, case: Case, law: str, sizes: Sequence[int]) -> str:
    return f"The times of {name} fit {law}, {sizes_text(sizes)} ({place(case)})."


@sentence
def outgrows(*, name: str, case: Case, law: str, claimed: str) -> str:
    return f"{name} claims to grow as {claimed}, and its work grows as {law} ({place(case)})."


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
    least, most = f"{low:+.1%}", f"{high:+.1%}"
    by = least if least == most else f"{least} to {most}"
    by = by if max(-low, high) >= NO_ERROR / 2 else f"less than {NO_ERROR:.1%}"
    return f"a second counter, of operations, differs by {by}"


@sentence
def intervals_within(*, share: float) -> str:
    return f"intervals within \u00b1{share:.1%}"
