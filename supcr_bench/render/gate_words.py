"""Describes a gate's outcome in words: each change, and the whole in a few sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isfinite

from supcr_bench.render.cells import ratio_text
from supcr_bench.values.case import Case
from supcr_bench.values.definition import TORCHCELL
from supcr_bench.values.gate import Evidence, GatedChange, GateOutcome, GateVerdict, TimeStudy
from supcr_bench.values.grouping import grouped
from supcr_bench.values.metrics import METRICS
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
    GateVerdict.UNDECIDED: "undecided",
    GateVerdict.UNCHANGED: "not right, as before",
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


def change_name(change: GatedChange) -> str:
    """Implementation, metric and case: ``rowsort time, training N=64 D=2 NaN 20%``."""
    whose = f"{change.implementation} {change.title}"
    return plain(f"{whose}, {case_text(change.case)}" if change.case else whose)


def value_text(change: GatedChange, value: float | None) -> str:
    if value is None:
        return MISSING
    metric = METRICS.get(change.metric)
    if metric is not None and metric.unit:
        return metric.format(value)
    if not float(value).is_integer():
        return format_error(value)
    return f"{value:,.0f}" if abs(value) < LONG_COUNT else f"{value:.4g}"


def ratio_change_text(change: GatedChange) -> str:
    """The ratio: ``x1.12 [1.09, 1.15]`` for time, ``+12%`` or ``x3.40`` for a count."""
    ratio, low, high = change.ratio, change.low, change.high
    if ratio is None or not isfinite(ratio):
        return MISSING
    if change.evidence is Evidence.TIME:
        interval = f" [{ratio_text(low)}, {ratio_text(high)}]" if low and high else ""
        mean = change.mean_ratio
        apart = mean and not 1 / MEAN_APART < mean / ratio < MEAN_APART
        return f"x{ratio_text(ratio)}{interval}" + (f", mean x{ratio_text(mean)}" if apart else "")
    if ratio == 1:
        return "same"
    return format_share(ratio - 1, signed=True) if ratio < 2 else f"x{ratio_text(ratio)}"


def sureness_text(change: GatedChange, study: TimeStudy | None) -> str:
    """For time, the confidence in all verdicts on time; else ``exact``, but for a time limit."""
    if change.evidence is not Evidence.TIME:
        return "exact" if change.exact else "by a limit"
    return f"{100 * (1 - study.error):.4g}%" if study else MISSING


def reason_text(change: GatedChange) -> str:
    return plain(change.reason) if change.reason else MISSING


def _by_implementation(changes: Iterable[GatedChange]) -> str:
    """Sums up changes, as in ``rowsort (peak memory in 8 cases, time), scan (agreement)``."""
    texts = []
    for name, own in grouped(changes, lambda change: plain(change.implementation)).items():
        counts = Counter(change.title for change in own).items()
        titles = (title if n == 1 else f"{title} in {n} cases" for title, n in counts)
        texts.append(f"{name} ({', '.join(titles)})")
    return ", ".join(texts)


def verdict_sentence(outcome: GateOutcome) -> str:
    """The overall verdict, the number of figures, and what they were compared with."""
    named: GateVerdict | None = outcome.verdict
    counts = {verdict: len(outcome.with_verdict(verdict)) for verdict in GateVerdict}
    count, against = counts[outcome.verdict], plain(outcome.against)
    if outcome.verdict is GateVerdict.REGRESSION:
        text = f"{plural(count, 'figure')} got worse against {against}: "
        text += _by_implementation(outcome.leading)
        if outcome.following:
            text += f", and {len(outcome.following):,} that follow from that"
    elif outcome.measured_nothing:
        named = None
        text = f"no figure could be compared with {against}"
    elif outcome.verdict is GateVerdict.UNDECIDED:
        text = f"{plural(count, 'figure')} could not be decided against {against}"
    else:
        verb = "is" if count == 1 else "are"
        text = f"{plural(count, 'figure')} {verb} no worse than {against}"
    others = [f"{counts[v]:,} {w}" for v, w in _ASIDE.items() if counts[v] and v is not named]
    return f"{outcome.verdict}: {text}" + (f"; {listed(others)}." if others else ".")


def following_sentences(outcome: GateOutcome) -> list[str]:
    """The figures that changed because a result became wrong, counted."""
    return [
        f"Follows from the wrong result: {_by_implementation(own)}. The JSON file has each figure."
        for own in grouped(outcome.following, lambda c: c.implementation).values()
    ]


def reason_sentences(changes: Sequence[GatedChange]) -> list[str]:
    return [
        f"{change_name(own[0]) if len(own) == 1 else _by_implementation(own)}: {reason}"
        for reason, own in grouped(changes, reason_text).items()
        if reason != MISSING
    ]


def better_sentences(outcome: GateOutcome) -> list[str]:
    def is_better(change: GatedChange) -> bool:
        farthest = change.high if change.evidence is Evidence.TIME else change.ratio
        return change.ratio is not None and farthest is not None and farthest <= NOTABLE

    better = filter(is_better, outcome.with_verdict(GateVerdict.PASS))
    sentences = []
    for (name, figure), own in grouped(better, lambda c: (c.implementation, c.title)).items():
        ratios = [change.ratio or 0.0 for change in own]
        span = dict.fromkeys(f"x{ratio_text(r)}" for r in (min(ratios), max(ratios)))
        cases = plural(len(own), "case")
        sentences.append(f"Better: {plain(name)}, {figure} {' to '.join(span)} in {cases}.")
    return sentences


def time_sentences(study: TimeStudy | None) -> list[str]:
    """How time was judged: the allowed slowdown, the confidence, and the detectable slowdown."""
    if study is None:
        return ["Time was not judged."]
    cells = plural(study.cells, "cell")
    allowed, error = format_share(study.max_slowdown), format_share(study.error)
    floor = "Too few processes ran to time identical code against itself (A/A)."
    if study.noise_floor is not None:
        share = format_share(study.noise_floor)
        floor = f"Noise floor {share}: identical code against itself (A/A)"
        if study.again_low is not None and study.again_high is not None:
            floor += f" gave up to [{study.again_low:.3f}, {study.again_high:.3f}]"
        if study.again_covers is not None:
            floor += f"; {study.again_covers} of {study.cells} intervals cover 1"
        floor += "."
    moved = ""
    if study.moved is not None:
        share = format_share(study.moved)
        moved = f" Identical code moved by up to {share} between the halves of the session."
    seen = "The slowdown that could have been detected is not known."
    if study.detectable is not None:
        share = format_share(study.detectable)
        seen = (
            f"A slowdown of {share} could have been detected here in every cell, as 95 of 100 "
            "simulated runs do."
        )
    return [
        f"Time: up to {allowed} slower is allowed. The chance that any of {cells} gets a wrong "
        f"verdict is at most {error}, on this machine and in this session.",
        f"{floor} {seen}{moved}",
        f"{study.processes} processes timed {cells} in {format_clock(study.spent_s)} of "
        f"the {format_clock(study.budget_s)} allowed.",
    ]
