"""What a run found, in sentences: for the head of the report, and for each of its sections."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from supcr_bench.analysis.axis_effect import AxisEffectRow, axis_effect_rows
from supcr_bench.analysis.claims import ClaimRow, Holds
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import prediction_error
from supcr_bench.analysis.growth import Growth
from supcr_bench.analysis.noise import NoiseFloor
from supcr_bench.analysis.summary import (
    by_series,
    fastest_by_size,
    known_wrong,
)
from supcr_bench.render.cells import arm_names, listed, series_text
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.axes import Axis
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, TIME
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_error, format_limit_bytes, format_share
from supcr_bench.verification.verification import Verification


def answers_of(results: Sequence[Result]) -> dict[tuple[str, str], tuple[int, int]]:
    """How many answers agree, and how many there are, by definition and implementation."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for r in results:
        if r.status.has_figures:
            key = (r.case.definition, r.implementation)
            agree, cases = found.get(key, (0, 0))
            found[key] = (agree + (r.status is Status.MEASURED), cases + 1)
    return found


def wrong_texts(results: Sequence[Result]) -> list[str]:
    return [
        f"{name} is wrong by the definition ({definition}) in {cases - agree} of {cases} answers"
        for (definition, name), (agree, cases) in answers_of(results).items()
        if agree < cases
    ]


def _agreement(results: Sequence[Result]) -> str:
    answers = answers_of(results)
    parts = []
    for definition in dict.fromkeys(definition for definition, _ in answers):
        own = {name: n for (d, name), n in answers.items() if d == definition}
        right = [name for name, (agree, cases) in own.items() if agree == cases]
        if not right:
            continue
        verb = "agrees" if len(right) == 1 else "agree"
        cases = sum(own[name][1] for name in right)
        which = "the one answer" if cases == 1 else f"all {cases} answers"
        parts.append(f"{listed(right)} {verb} with the definition ({definition}) in {which}")
    return "; ".join([*parts, *wrong_texts(results)] or ["Nothing could be measured"]) + "."


def _fastest(results: Sequence[Result], pass_: Pass) -> str | None:
    """Ranges of batch sizes with the same fastest implementation, in the longest series."""
    fastest = fastest_by_size(by_series(results, pass_), known_wrong(results))
    of_series: dict[tuple[object, ...], list[Case]] = {}
    for case in fastest:
        of_series.setdefault(case.series(), []).append(case)
    if not of_series:
        return None
    longest = max(of_series, key=lambda series: len(of_series[series]))
    cases = sorted(of_series[longest], key=lambda c: c.batch_size)
    names = arm_names(results)
    spans = []
    for name, same in groupby(cases, key=lambda case: names[fastest[case]]):
        sizes = [case.batch_size for case in same]
        one = len(sizes) == 1
        spans.append(f"{name} {f'at N={sizes[0]}' if one else f'from N={sizes[0]} to {sizes[-1]}'}")
    return f"Fastest in {pass_} ({series_text(cases[0])}): {', '.join(spans)}."


def _not_measured(results: Sequence[Result]) -> str | None:
    ends = (Status.OUT_OF_MEMORY, Status.TIMED_OUT, Status.SKIPPED, Status.FAILED)
    counts = Counter(r.status for r in results)
    parts = [f"{counts[end]} {end.words}" for end in ends if counts[end]]
    if not parts:
        return None
    text = f"Of {len(results)} results: {', '.join(parts)}"
    failed = next((r for r in results if r.status is Status.FAILED), None)
    if failed:
        where = f"{failed.implementation} {failed.case.pass_} at {failed.case.describe()}"
        text += f" (first {where}: {failed.reason})"
    return f"{text}."


def _claims(claims: Sequence[ClaimRow]) -> str | None:
    broken = [row.claim.rstrip(".") for row in claims if row.verdict is Holds.NO]
    if not broken:
        return None
    verb = "does" if len(broken) == 1 else "do"
    return (
        f"{len(broken)} of {len(claims)} claims of the note {verb} not hold: {'; '.join(broken)}."
    )


def _noise(noise: NoiseFloor | None) -> str | None:
    if noise is None:
        return None
    return (
        f"Noise floor: {noise.spread:.1%}, from {noise.cells} timings of identical code against "
        f"itself; the 95 % interval contains 1 in {noise.covering} of {noise.with_interval}. "
        "Smaller differences are noise here."
    )


def _verified(verifications: Sequence[Verification]) -> list[str]:
    """One sentence on the verified implementations that are right, one on each other."""
    right: dict[tuple[str, bool], list[str]] = {}
    for found in verifications:
        if found.passed:
            key = (found.definition, bool(found.findings))
            right.setdefault(key, []).append(found.implementation)
    sentences = [found.headline for found in verifications if not found.passed]
    for (definition, fragile), names in right.items():
        verb = "is" if len(names) == 1 else "are"
        text = f"{listed(names)} {verb} right by the definition ({definition})"
        sentences.append(f"{text}, but not robust." if fragile else f"{text}.")
    return [f"Verified: {' '.join(sentences)}"] if sentences else []


def headline(run: Run, findings: Findings) -> list[str]:
    results = findings.results
    sentences = [_agreement(results)]
    sentences += _verified(list((run.verification or {}).values()))
    for device in dict.fromkeys(r.case.device for r in results):
        own = [r for r in results if r.case.device == device]
        sentences += [s for p in ("training", "forward") if (s := _fastest(own, p))]
    rest = (_claims(findings.claims), _noise(findings.noise), _not_measured(results))
    unavailable = run.info.get("unavailable") or {}
    left_out = [f"Left out: {reason}." for reason in unavailable.values()]
    return sentences + [s for s in rest if s] + left_out


def agreement_sentences(findings: Findings) -> list[str]:
    results = findings.results
    failed = _failed(results)
    if wrong := wrong_texts(results):
        return [f"{'; '.join(wrong)}.", *failed]
    answered = [r for r in results if r.status.has_figures]
    if not answered:
        return ["No implementation returned an answer, so there is no agreement to show.", *failed]
    definitions = listed(list(dict.fromkeys(r.case.definition for r in answered)))
    several = "its own definition" if " and " in definitions else "the definition"
    sentences = [f"Every answer agrees with {several} ({definitions})."]
    known = [
        (x, r)
        for r in answered
        for x in (r.value_tolerances, r.gradient_tolerances)
        if x is not None
    ]
    if known:
        worst, result = max(known, key=lambda pair: pair[0])
        sentences.append(
            f"The largest error, of {result.implementation}, is {format_error(worst)} of what "
            "rounding explains."
        )
    return [" ".join(sentences), *failed]


def _failed(results: Sequence[Result]) -> list[str]:
    failed = [r for r in results if r.status is Status.FAILED]
    names = list(dict.fromkeys(r.implementation for r in failed))
    if not failed:
        return []
    first = failed[0].case
    return [f"{listed(names)} failed, first in {first.pass_} at {first.describe()}."]


MOST_SENTENCES = 4


def time_sentences(findings: Findings) -> list[str]:
    rows = findings.crossovers
    if not rows:
        return ["No two right implementations were timed together at two or more sizes."]
    names = arm_names(findings.results)
    sentences = [
        f"In {row.case.pass_} ({series_text(row.case)}) {names[row.small]} is faster than "
        f"{names[row.large]} below N={row.size:.0f} (95 % interval {row.low:.0f} to "
        f"{row.high:.0f}), and slower above."
        for row in rows
        if row.size is not None and row.low is not None and row.high is not None
        if row.small is not None and row.large is not None
    ]
    more = len(sentences) - MOST_SENTENCES
    if more > 0:
        sentences = [*sentences[:MOST_SENTENCES], f"And {more} more crossovers, in the table."]
    without = [r for r in rows if r.size is None]
    never = [r for r in without if r.small is not None and r.small == r.large]
    if never:
        sentences.append(
            f"In {len(never)} of {len(rows)} pairs the same one is faster at both ends of the "
            "measured sizes."
        )
    if undecided := len(without) - len(never):
        sentences.append(
            f"{undecided} of {len(rows)} pairs {'is' if undecided == 1 else 'are'} undecided."
        )
    return sentences


def memory_sentences(findings: Findings) -> list[str]:
    sentences = []
    capacity, pass_ = 24 * 2**30, _main_pass(findings)
    wrong = {name for name, *_ in known_wrong(findings.results)}
    rows = [
        r
        for r in findings.frontier
        if (r.capacity_bytes, r.case.pass_) == (capacity, pass_) and r.implementation not in wrong
    ]
    if rows:
        names = arm_names(findings.results)
        series = rows[0].case.series()
        parts = [
            f"{names[r.implementation]} up to N={r.batch_size:,}"
            for r in rows
            if r.case.series() == series
        ]
        sentences.append(
            f"In {format_limit_bytes(capacity)} fit the tensors of {listed(parts)} "
            f"({pass_}, {series_text(rows[0].case)}), by the growth law of the bytes."
        )
    if findings.predictions:
        worst = max(findings.predictions, key=lambda r: abs(prediction_error(r)))
        sentences.append(
            f"Peaks predicted from sizes up to a quarter of N were off by up to "
            f"{format_share(abs(prediction_error(worst)))} ({worst.implementation} at "
            f"N={worst.case.batch_size})."
        )
    if not sentences:
        peaks = [r for r in findings.results if r.peak_bytes]
        if not peaks:
            return ["No peak was measured."]
        top = max(peaks, key=lambda r: r.peak_bytes or 0)
        sentences.append(
            f"The largest peak is {format_bytes(top.peak_bytes)}, of {top.implementation} at "
            f"N={top.case.batch_size}; too few sizes for a growth law."
        )
    return sentences


def _main_pass(findings: Findings) -> str:
    passes = {r.case.pass_ for r in findings.results}
    return "training" if "training" in passes else "forward"


def growth_sentences(findings: Findings) -> list[str]:
    told = [g for g in findings.growth if g.verdict.law and g.metric is ELEMENTS_PROCESSED]
    broken = [g for g in told if g.claimed and _breaks(g)]
    sentences = []
    if told:
        laws = dict.fromkeys(f"{g.implementation} {g.verdict.law} in {g.case.pass_}" for g in told)
        sentences.append(f"Counted work grows as follows: {listed(list(laws))}.")
    sentences += [
        f"{g.implementation} claims {g.claimed} and takes {g.verdict.law} in {g.case.pass_}."
        for g in broken[:4]
    ]
    timed = [g for g in findings.growth if g.metric is TIME]
    if timed and not any(g.verdict.law for g in timed):
        longest = max(timed, key=lambda g: len(g.sizes))
        sentences.append(
            f"The times do not decide a growth law; for {longest.implementation}, which was timed "
            f"at the most sizes: {longest.verdict.evidence}."
        )
    return sentences or ["Too few sizes to tell growth laws apart."]


def _breaks(growth: Growth) -> bool:
    law, claimed = growth.verdict.law, growth.claimed
    return bool(law and claimed and grows_faster(law, claimed))


def axis_sentences(findings: Findings, axis: Axis) -> list[str]:
    rows, pass_ = axis_effect_rows(findings.results, axis), _main_pass(findings)
    main = [r for r in rows if r.case.pass_ == pass_]
    if not main:
        return []
    sentences, parts = [], []
    for name in dict.fromkeys(r.implementation for r in main):
        groups: dict[tuple[object, ...], list[AxisEffectRow]] = {}
        for row in main:
            if row.implementation == name and row.time_ratio is not None:
                groups.setdefault(row.others, []).append(row)
        longest = max(groups.values(), key=lambda g: (len(g), g[0].case.batch_size), default=[])
        if len(longest) >= 2:
            parts.append(_changed(name, longest[0], longest[-1]))
    if parts:
        sentences.append(f"Along {axis.label}, in {pass_}: {'; '.join(parts)}.")
    for status, words in ((Status.WRONG, "Wrong results of"), (Status.FAILED, "No answer from")):
        bad = [r for r in rows if r.status is status]
        if bad:
            values = dict.fromkeys(axis.text(r.value) for r in bad)
            names = list(dict.fromkeys(r.implementation for r in bad))
            sentences.append(f"{words} {listed(names)} at {', '.join(values)}.")
    if sentences and not any(r.status in (Status.WRONG, Status.FAILED) for r in rows):
        sentences.append("Agreement holds at every value.")
    return sentences


def _changed(name: str, first: AxisEffectRow, last: AxisEffectRow) -> str:
    axis = first.axis
    text = (
        f"from {axis.text(first.value)} to {axis.text(last.value)} {name} takes "
        f"{_part(last.time_ratio or 0.0)} the time"
    )
    if last.memory_ratio is not None:
        text += f" and {_part(last.memory_ratio)} the memory"
    return f"{text} ({last.case.describe()})"


def _part(ratio: float) -> str:
    """``1/53 of``, ``0.7 times``, ``12 times``."""
    if 0 < ratio < 0.095:
        return f"1/{1 / ratio:,.0f} of"
    return f"{ratio:.2g} times" if ratio < 99.5 else f"{ratio:,.0f} times"


def measured_sentences(findings: Findings) -> list[str]:
    unknown = "No implementation was timed twice, so the noise of this run is not known."
    sentences = [_noise(findings.noise) or unknown]
    if ended := _not_measured(findings.results):
        sentences.append(f"{ended.removesuffix('.')}; the table says why.")
    stopped = [r.time_stopped_by for r in findings.results if r.time_stopped_by]
    if stopped:
        precise = stopped.count("precision")
        sentences.append(
            f"Of {len(stopped)} timings {precise} reached the precision asked for, "
            f"{len(stopped) - precise} ended with their budget."
        )
    return sentences
