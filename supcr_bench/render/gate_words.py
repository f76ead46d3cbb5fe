"""Describes a gate's outcome in words: each change, and the whole in a few sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite

from supcr_bench.render.cells import ratio_text
from supcr_bench.render.sentences import Sentence, sentence
from supcr_bench.values.case import Case
from supcr_bench.values.definition import TORCHCELL
from supcr_bench.values.gate import (
    DECIDED,
    Evidence,
    GatedChange,
    GateOutcome,
    GateVerdict,
    TimeStudy,
)
from supcr_bench.values.metrics import METRICS
from supcr_bench.values.result import grouped
from supcr_bench.values.units import (
    MISSING,
    format_clock,
    format_error,
    format_share,
    listed,
    plural,
)

NOTABLE = 0.95
"""A ratio up to this is an improvement; for time, the whole interval must lie below."""
MEAN_APART = 1.1
"""The mean call is shown beside the median call if their ratios differ by this factor."""
LONG_COUNT = 10**7
"""Counts of at least this are written with four digits."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ASIDE = {
    GateVerdict.PASS: "passed",
    GateVerdict.ACCEPTED: "worse, but accepted",
    GateVerdict.UNDECIDED: "undecided",
    GateVerdict.UNCHANGED: "without a right result, as before",
    GateVerdict.NEW: "new",
}


def plain(text: str) -> str:
    """The text on one line, without characters that a terminal or XML cannot hold."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    r"""The text with control characters written out, as ``\x1b``; a command keeps its spaces."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def case_text(case: Case | None) -> str:
    """A case, as in ``training N=64 D=2 NaN 20%``, or a dash for a change of several cases."""
    if case is None:
        return MISSING
    usual = case.definition == TORCHCELL.name
    return f"{case.pass_} {case.describe()}" + ("" if usual else f" ({case.definition})")


Figure = tuple[str, str, Case | None]
"""An implementation, the title of a metric, and a case."""


def figure_of(change: GatedChange) -> Figure:
    return change.implementation, change.title, change.case


def figure_name(implementation: str, title: str, case: Case | None) -> str:
    """A figure in words: ``rowsort time, training N=64 D=2 NaN 20%``."""
    return plain(f"{implementation} {title}{f', {case_text(case)}' if case else ''}")


def _by_implementation(figures: Iterable[Figure]) -> str:
    """Sums up figures, as in ``rowsort (peak memory in 8 cases, time), scan (agreement)``."""
    texts = []
    for name, own in grouped(figures, lambda figure: plain(figure[0])).items():
        counts = Counter(title for _, title, _ in own).items()
        titles = (title if n == 1 else f"{title} in {n} cases" for title, n in counts)
        texts.append(f"{name} ({', '.join(titles)})")
    return ", ".join(texts)


def value_text(change: GatedChange, value: float | None) -> str:
    if value is None:
        return MISSING
    metric = METRICS.get(change.metric)
    if metric is not None and metric.unit:
        return metric.format(value)
    if not float(value).is_integer():
        return format_error(value)
    return f"{value:,.0f}" if abs(value) < LONG_COUNT else f"{value:.4g}"


def ratio_change_text(change: GatedChange, study: TimeStudy | None = None) -> str:
    """The ratio: ``x1.12 [1.09, 1.15]`` for time, ``+12%`` or ``x3.40`` for a count."""
    ratio, low, high = change.ratio, change.low, change.high
    if ratio is None or not isfinite(ratio):
        return MISSING
    if change.evidence is Evidence.TIME:
        marks = [1 + share for share in (0.0, *(study.allowed if study else ()))]
        ends = f"{ratio_text(low, marks)}, {ratio_text(high, marks)}"
        interval = f" [{ends}]" if low and high else ""
        mean = change.mean_ratio
        apart = mean and not 1 / MEAN_APART < mean / ratio < MEAN_APART
        return f"x{ratio_text(ratio)}{interval}" + (f", mean x{ratio_text(mean)}" if apart else "")
    if ratio == 1:
        return "same"
    return format_share(ratio - 1, signed=True) if ratio < 2 else f"x{ratio_text(ratio)}"


def sureness_text(change: GatedChange, study: TimeStudy | None) -> str:
    """The confidence in all verdicts on time; for a count ``exact``, unless a limit decided."""
    if change.evidence is not Evidence.TIME:
        return "exact" if change.exact else "by a limit"
    return f"{100 * (1 - study.error):.4g}%" if study else MISSING


def reason_text(change: GatedChange) -> str:
    return plain(change.reason) if change.reason else MISSING


# --- The sentences; tests/render/gate_propositions.py decides each from raw results ---


@sentence
def gate_verdict(
    *,
    verdict: GateVerdict,
    against: str,
    counts: Mapping[GateVerdict, int],
    leading: Sequence[Figure],
    following: int,
) -> str:
    """The overall verdict, the number of figures by verdict, and those that got worse.

    ``following`` counts figures in an implementation that is no longer right; they are not named.
    """
    figures = plural(counts.get(verdict, 0), "figure")
    aside = {v: n for v, n in counts.items() if v is not verdict}
    if verdict is GateVerdict.REGRESSION:
        text = f"{figures} got worse against {plain(against)}: {_by_implementation(leading)}"
        if following:
            text += f", and {following:,} more of what is no longer right"
    elif verdict is GateVerdict.PASS:
        new = " are right, or" if GateVerdict.NEW in counts else ""
        text = f"{figures}{new} got no worse than is allowed against {plain(against)}"
    elif counts.keys() & DECIDED:
        text = f"{figures} could not be decided against {plain(against)}"
    else:
        text, aside = f"no figure passed or got worse against {plain(against)}", dict(counts)
    others = [f"{aside[v]:,} {words}" for v, words in _ASIDE.items() if v in aside]
    return f"{verdict}: {text}" + (f"; {listed(others)}." if others else ".")


@sentence
def not_shown(*, name: str, figures: Sequence[Figure]) -> str:
    return (
        f"Not shown, since {plain(name)} is no longer right: {_by_implementation(figures)}. "
        "The JSON file has each figure."
    )


@sentence
def because(*, figures: Sequence[Figure], reason: str) -> str:
    which = figure_name(*figures[0]) if len(figures) == 1 else _by_implementation(figures)
    return f"{which}: {plain(reason)}"


@sentence
def better(*, name: str, figure: str, ratios: tuple[float, float], cases: int) -> str:
    """The least and the largest ratio of a figure that improved notably."""
    span = " to ".join(dict.fromkeys(f"x{ratio_text(ratio)}" for ratio in ratios))
    return f"Better: {plain(name)}, {figure} {span} in {plural(cases, 'case')}."


@sentence
def time_not_judged() -> str:
    return "Time was not judged."


@sentence
def time_allowed(*, study: TimeStudy) -> str:
    shares = ", ".join(format_share(share) for share in study.allowed)
    return (
        f"Time: up to {shares} slower is allowed{', by cell' * (len(study.allowed) > 1)}. The "
        f"chance that any of {plural(study.cells, 'cell')} gets a wrong verdict is at most "
        f"{format_share(study.error)}, on this machine and in this session."
    )


@sentence
def time_noise(*, study: TimeStudy) -> str:
    if study.noise_floor is None:
        return "No cell was timed in enough processes to tell the noise of identical code (A/A)."
    low, high = study.again_low or 0.0, study.again_high or 0.0
    verb = "covers" if study.again_covers == 1 else "cover"
    moved = f"; it moved by up to {format_share(study.moved or 0.0)} from one half to the other"
    return (
        f"Noise floor {format_share(study.noise_floor)}: identical code against itself (A/A) gave "
        f"up to [{low:.3f}, {high:.3f}], and {study.again_covers} of "
        f"{plural(study.judged, 'interval')} {verb} 1{moved} of the session."
    )


@sentence
def time_detectable(*, study: TimeStudy) -> str:
    if study.detectable is None:
        return "The slowdown that could have been detected is not known."
    which = f"each of {study.judged} cells" if study.judged > 1 else "the one cell that was judged"
    return (
        f"A slowdown of {format_share(study.detectable)} could have been detected here in {which}, "
        "as in 95 of 100 simulated runs."
    )


@sentence
def time_spent(*, study: TimeStudy) -> str:
    of = "" if study.timed == study.cells else f"{study.timed} of "
    return (
        f"{study.processes} process{'es' * (study.processes != 1)} timed {of}"
        f"{plural(study.cells, 'cell')} in {format_clock(study.spent_s)}; "
        f"{format_clock(study.budget_s)} were allowed."
    )


@sentence
def gate_took(*, spent_s: float) -> str:
    return f"The gate took {format_clock(spent_s)}."


# --- The sentences of an outcome ---


def verdict_sentence(outcome: GateOutcome) -> Sentence:
    found = Counter(change.verdict for change in outcome.changes)
    return gate_verdict(
        verdict=outcome.verdict,
        against=outcome.against,
        counts={verdict: found[verdict] for verdict in GateVerdict if found[verdict]},
        leading=tuple(map(figure_of, outcome.leading)),
        following=len(outcome.following),
    )


def following_sentences(outcome: GateOutcome) -> list[Sentence]:
    return [
        not_shown(name=name, figures=tuple(map(figure_of, own)))
        for name, own in grouped(outcome.following, lambda c: c.implementation).items()
    ]


def reason_sentences(changes: Sequence[GatedChange]) -> list[Sentence]:
    return [
        because(figures=tuple(map(figure_of, own)), reason=reason)
        for reason, own in grouped(changes, lambda change: change.reason).items()
        if reason
    ]


def better_sentences(outcome: GateOutcome) -> list[Sentence]:
    worse = outcome.with_verdict(GateVerdict.REGRESSION)
    broken = {c.implementation for c in worse if c.evidence is Evidence.AGREEMENT}
    found: dict[tuple[str, str], list[float]] = {}
    for c in outcome.with_verdict(GateVerdict.PASS):
        farthest = c.high if c.evidence is Evidence.TIME else c.ratio
        notable = farthest is not None and farthest <= NOTABLE
        if notable and c.ratio is not None and c.implementation not in broken:
            found.setdefault((c.implementation, c.title), []).append(c.ratio)
    return [
        better(name=name, figure=figure, ratios=(min(own), max(own)), cases=len(own))
        for (name, figure), own in found.items()
    ]


def time_sentences(study: TimeStudy | None) -> list[Sentence]:
    if study is None:
        return [time_not_judged()]
    return [w(study=study) for w in (time_allowed, time_noise, time_detectable, time_spent)]
