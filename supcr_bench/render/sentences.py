"""Writes a run's results as sentences, for the head of the report and for each section."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from supcr_bench.analysis import summary
from supcr_bench.analysis.claims import ClaimRow, Holds
from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import prediction_error
from supcr_bench.analysis.statistics import DECIDES_NOTHING, NoiseFloor
from supcr_bench.analysis.summary import axis_effects
from supcr_bench.render.cells import arm_names, ratio_text, series_text
from supcr_bench.store.loaded_run import Run
from supcr_bench.values import units
from supcr_bench.values.axes import Axis
from supcr_bench.values.case import Pass
from supcr_bench.values.grouping import grouped
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, TIME
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification


def _answers(results: Sequence[Result], *ends: Status) -> Counter[tuple[str, str]]:
    """The number of results with one of the statuses ``ends``, by definition and implementation."""
    return Counter((r.case.definition, r.implementation) for r in results if r.status in ends)


def _agreement(results: Sequence[Result]) -> str:
    answers, wrong = _answers(results, Status.MEASURED), _answers(results, Status.WRONG)
    right = grouped((arm for arm in answers if not wrong[arm]), lambda arm: arm[0])
    parts = []
    for definition, arms in right.items():
        cases = sum(answers[arm] for arm in arms)
        which = "the one answer" if cases == 1 else f"all {cases} answers"
        who = (
            f"{units.listed([name for _, name in arms])} {'agrees' if len(arms) == 1 else 'agree'}"
        )
        parts.append(f"{who} with the definition ({definition}) in {which}")
    parts += [
        f"{arm[1]} is wrong by the definition ({arm[0]}) in {n} of {n + answers[arm]} answers"
        for arm, n in wrong.items()
    ]
    return "; ".join(parts or ["Nothing could be measured"]) + "."


def _fastest(results: Sequence[Result], pass_: Pass) -> list[str]:
    """The fastest implementation by range of batch sizes, for the workload with the most sizes."""
    fastest = summary.fastest_by_size(results, summary.known_wrong(results))
    cases = sorted((c for c in fastest if c.pass_ == pass_), key=lambda case: case.batch_size)
    if not cases:
        return []
    longest = max(grouped(cases, lambda case: case.series()).values(), key=len)
    names = arm_names(results)
    timed = Counter[str]()
    for r in results:
        if (r.case.shared, r.status) in {(case, Status.MEASURED) for case in longest}:
            timed[r.implementation] = max(timed[r.implementation], r.case.batch_size)
    spans = []
    for ahead, same in groupby(longest, key=lambda case: fastest[case]):
        sizes = [case.batch_size for case in same]
        where = f"at N={sizes[0]}" if len(sizes) == 1 else f"from N={sizes[0]} to {sizes[-1]}"
        who = units.listed([names[name] for name in ahead])
        spans.append(f"{who} {'tie ' if len(ahead) > 1 else ''}{where}")
    among = [
        names[name] + (f" (to N={largest})" if largest < longest[-1].batch_size else "")
        for name, largest in timed.items()
    ]
    where = f"in {pass_} ({series_text(longest[0])})"
    several = len(among) > 1
    who = f"Fastest {where} of {units.listed(among)}" if several else f"Only right one {where}"
    return [f"{who}: {', '.join(spans)}."]


def _not_measured(results: Sequence[Result], end: str = ".") -> list[str]:
    counts = Counter(r.status for r in results if not r.status.has_figures)
    if not counts:
        return []
    parts = [f"{counts[status]} {status.words}" for status in Status if counts[status]]
    text = f"Of {len(results)} results: {', '.join(parts)}"
    if failed := next((r for r in results if r.status is Status.FAILED), None):
        where = f"{failed.implementation} {failed.case.pass_} at {failed.case.describe()}"
        text += f" (first {where}: {failed.reason})"
    return [text + end]


def _claims(claims: Sequence[ClaimRow]) -> list[str]:
    broken = [row.claim.rstrip(".") for row in claims if row.verdict is Holds.NO]
    verb = "does" if len(broken) == 1 else "do"
    which = f"{len(broken)} of {len(claims)} claims of the note"
    return [f"{which} {verb} not hold: {'; '.join(broken)}."] if broken else []


def _noise(noise: NoiseFloor | None) -> list[str]:
    if noise is None:
        return []
    if noise.spread > DECIDES_NOTHING:
        return [
            f"Noise floor: identical code took up to {noise.spread + 1:,.0f} times as long as "
            f"itself, in {units.plural(noise.cells, 'timing')}; where it did, the times decide "
            "nothing, and no fastest is named."
        ]
    return [
        f"Noise floor: {noise.spread:.1%}, from {noise.cells} timings of identical code against "
        f"itself; the 95 % interval contains 1 in {noise.covering} of {noise.with_interval}. "
        "Smaller differences are noise here."
    ]


def _process_changes(results: Sequence[Result]) -> list[str]:
    """A sentence on each implementation that changes the process that it shares with others."""
    own = {(r.implementation, r.process_changes) for r in results if r.process_changes}
    return [
        f"Beware: {name} {' and '.join(changes)}, for the whole process. The times of the others "
        "are not affected: each change was undone, or it was measured in a process of its own."
        for name, changes in sorted((n, c) for n, c in own if c)
    ]


def _verified(verifications: Sequence[Verification]) -> list[str]:
    """A sentence on all implementations that passed verification, and one on each that failed."""
    sentences = [found.headline for found in verifications if not found.passed]
    right = grouped(
        (found for found in verifications if found.passed),
        lambda found: f"right: {found.computes}{', but not robust.' if found.findings else '.'}",
    )
    for words, own in right.items():
        names = units.listed([found.implementation for found in own])
        sentences.append(f"{names} {'is' if len(own) == 1 else 'are'} {words}")
    return [f"Verified: {' '.join(sentences)}"] if sentences else []


def headline(run: Run, findings: Findings) -> list[str]:
    results = findings.results
    sentences = [_agreement(results), *_verified(list((run.verification or {}).values()))]
    for own in grouped(results, lambda r: r.case.device).values():
        sentences += [*_fastest(own, "training"), *_fastest(own, "forward")]
    sentences += _process_changes(results)
    sentences += [*_claims(findings.claims), *_noise(findings.noise), *_not_measured(results)]
    unavailable = run.info.get("unavailable") or {}
    return sentences + [f"Left out: {reason}." for reason in unavailable.values()]


def agreement_sentences(findings: Findings) -> list[str]:
    results = findings.results
    sentences = [_agreement(results)]
    known = [(r.tolerances, r.implementation) for r in results if r.tolerances is not None]
    if known and not any(r.status is Status.WRONG for r in results):
        error, name = max(known)
        error_text = f"{units.format_error(error)} of what rounding explains"
        sentences.append(f"The largest error, of {name}, is {error_text}.")
    if none := [r for r in results if r.status is Status.FAILED]:
        names, first = units.listed(summary.implementations_of(none)), none[0].case
        sentences.append(f"{names} failed, first in {first.pass_} at {first.describe()}.")
    return sentences


MOST_SENTENCES = 4


def overtakes(
    row: Crossover, names: Mapping[str, str] | None = None, *, interval: bool = True
) -> str:
    """A crossover in words: ``a overtakes b at N=312, 95 % interval 300 to 325``."""
    small, large = ((names or {}).get(str(name), name) for name in (row.small, row.large))
    text = f"{large} overtakes {small} at N={row.size:.0f}"
    return f"{text}, 95 % interval {row.low:.0f} to {row.high:.0f}" if interval else text


def time_sentences(findings: Findings) -> list[str]:
    rows = findings.crossovers
    if not rows:
        return ["No two right implementations were timed together at two or more sizes."]
    names = arm_names(findings.results)
    sentences = [
        f"In {row.case.pass_} ({series_text(row.case)}) {overtakes(row, names)}."
        for row in rows
        if row.size is not None
    ]
    without = [r for r in rows if r.size is None]
    if len(sentences) > MOST_SENTENCES:
        more = f"And {len(sentences) - MOST_SENTENCES} more crossovers, in the table."
        sentences = [*sentences[:MOST_SENTENCES], more]
    never = [r for r in without if r.small is not None and r.small == r.large]
    of = f"of {len(rows)} pairs"
    if never:
        same = "the same one is faster at the smallest and at the largest size"
        sentences.append(f"In {len(never)} {of} {same}.")
    if undecided := len(without) - len(never):
        sentences.append(f"{undecided} {of} {'is' if undecided == 1 else 'are'} undecided.")
    return sentences


def memory_sentences(findings: Findings) -> list[str]:
    sentences = []
    capacity, pass_ = 24 * 2**30, _main_pass(findings)
    wrong = {name for name, *_ in summary.known_wrong(findings.results)}
    rows = [
        r
        for r in findings.frontier
        if (r.capacity_bytes, r.case.pass_) == (capacity, pass_) and r.implementation not in wrong
    ]
    if rows:
        names, case = arm_names(findings.results), rows[0].case
        own = (r for r in rows if r.case.series() == case.series())
        parts = [f"{names[r.implementation]} up to N={r.batch_size:,}" for r in own]
        sentences.append(
            f"{units.format_limit_bytes(capacity)} hold the tensors of {units.listed(parts)} "
            f"({pass_}, {series_text(case)}), as the growth of the bytes predicts."
        )
    if findings.predictions:
        worst = max(findings.predictions, key=lambda r: abs(prediction_error(r)))
        sentences.append(
            "Peaks of memory predicted from sizes up to a quarter of N were off by up to "
            f"{units.format_share(abs(prediction_error(worst)))} ({worst.implementation} at "
            f"N={worst.case.batch_size})."
        )
    top = max(findings.results, key=lambda r: r.peak_bytes or 0, default=None)
    if sentences or top is None or not top.peak_bytes:
        return sentences or ["No peak was measured."]
    return [
        f"The largest peak is {units.format_bytes(top.peak_bytes)}, of {top.implementation} at "
        f"N={top.case.batch_size}; too few sizes for a growth law."
    ]


def _main_pass(findings: Findings) -> str:
    return max((r.case.pass_ for r in findings.results), default="forward")


def growth_sentences(findings: Findings) -> list[str]:
    told = [g for g in findings.growth if g.metric is ELEMENTS_PROCESSED and g.verdict.law]
    laws = [f"{g.verdict.law} ({g.implementation} in {g.case.pass_})" for g in told]
    broken = [
        f"{g.implementation} claims to grow as {g.claimed}, and grows as {g.verdict.law} in "
        f"{g.case.pass_}."
        for g in told
        if g.claimed and grows_faster(g.verdict.law or "", g.claimed)
    ]
    listed = units.listed(list(dict.fromkeys(laws)))
    sentences = [f"The elements processed grow as {listed}."] if laws else []
    sentences += broken[:4]
    timed = [g for g in findings.growth if g.metric is TIME]
    if timed and not any(g.verdict.law for g in timed):
        longest = max(timed, key=lambda g: len(g.sizes))
        sentences.append(
            f"The times do not decide a growth law; for {longest.implementation}, which was timed "
            f"at the most sizes: {longest.verdict.evidence}."
        )
    return sentences or ["Too few sizes to tell growth laws apart."]


def axis_sentences(findings: Findings, axis: Axis) -> list[str]:
    groups, pass_ = axis_effects(findings.results, axis), _main_pass(findings)
    main = [members for members in groups if members[0].case.pass_ == pass_]
    if not main:
        return []
    sentences, parts = [], []
    for name, own in grouped(main, lambda members: members[0].implementation).items():
        timed = ([r for r in members if r.time_ratio is not None] for members in own)
        longest = max(timed, key=lambda rows: (len(rows), [r.case.batch_size for r in rows]))
        if len(longest) >= 2:
            last = longest[-1]
            start, end = (axis.text(row.value) for row in (longest[0], last))
            text = (
                f"from {start} to {end} {name} takes {ratio_text(last.time_ratio)} times the time"
            )
            if last.memory_ratio is not None:
                text += f" and {ratio_text(last.memory_ratio)} times the memory"
            parts.append(f"{text} ({last.case.describe()})")
    if parts:
        sentences.append(f"Along {axis.label}, in {pass_}: {'; '.join(parts)}.")
    ended = {Status.WRONG: "Wrong results of", Status.FAILED: "No answer from"}
    bad = grouped((r for members in groups for r in members), lambda r: r.status)
    for status, words in ended.items():
        if rows := bad.get(status):
            values = dict.fromkeys(axis.text(r.value) for r in rows)
            names = list(dict.fromkeys(r.implementation for r in rows))
            sentences.append(f"{words} {units.listed(names)} at {', '.join(values)}.")
    if sentences and bad.keys().isdisjoint(ended):
        sentences.append("Agreement holds at every value.")
    return sentences


def measured_sentences(findings: Findings) -> list[str]:
    unknown = "No implementation was timed twice, so the noise of this run is not known."
    sentences = _noise(findings.noise) or [unknown]
    sentences += _not_measured(findings.results, "; the table says why.")
    if stopped := [r.time_stopped_by for r in findings.results if r.time_stopped_by]:
        precise = stopped.count("precision")
        rest = f"{len(stopped) - precise} ended with their budget"
        sentences.append(
            f"Of {len(stopped)} timings {precise} reached the precision asked for, {rest}."
        )
    return sentences
