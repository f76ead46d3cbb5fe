"""What each section of the report finds, in words computed from the data."""

from collections.abc import Sequence

from supcr_bench.analysis.axis_effect import Axis, AxisEffectRow, axis_effect_rows
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.growth import Growth
from supcr_bench.analysis.summary import agreement_rows, known_wrong
from supcr_bench.render.axis_grids import AXIS_NAMES, value_text
from supcr_bench.render.cells import listed, series_text
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, TIME
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_error, format_limit_bytes


def agreement_sentences(findings: Findings) -> list[str]:
    """How near the worst case comes to the tolerance, and who gave no answer."""
    rows = agreement_rows(findings.results)
    failed = _failed(findings.results)
    if not rows:
        return ["Nothing was answered, so nothing can be held against the definition.", *failed]
    wrong = []
    for name in dict.fromkeys(r.implementation for r in rows):
        own = [r for r in rows if r.implementation == name]
        cases, agree = sum(r.cases for r in own), sum(r.agree for r in own)
        if agree < cases:
            wrong.append(f"{name} is wrong in {cases - agree} of {cases} answers")
    if wrong:
        return [f"{'; '.join(wrong)}.", *failed]
    known = [
        (x, r) for r in rows for x in (r.value_tolerances, r.gradient_tolerances) if x is not None
    ]
    if not known:
        return ["Every answer agrees.", *failed]
    worst, row = max(known, key=lambda pair: pair[0])
    return [
        f"Every answer agrees with the definition ({findings.definition}). The largest error, of "
        f"{row.implementation}, is {format_error(worst)} of what rounding explains.",
        *failed,
    ]


def _failed(results: Sequence[Result]) -> list[str]:
    """Who failed, and where first."""
    failed = [r for r in results if r.status is Status.FAILED]
    names = list(dict.fromkeys(r.implementation for r in failed))
    if not failed:
        return []
    first = failed[0].case
    return [f"{listed(names)} failed, first in {first.pass_} at {first.describe()}."]


MOST_SENTENCES = 4


def time_sentences(findings: Findings) -> list[str]:
    """The crossovers; else who is faster throughout, or that it cannot be told."""
    rows = findings.crossovers
    if not rows:
        return ["No two implementations that are right were timed together at two sizes."]
    said = [
        f"In {row.case.pass_} ({series_text(row.case)}) {row.small} is faster than "
        f"{row.large} below N={row.size:.0f} (95 % interval {row.low:.0f} to "
        f"{row.high:.0f}), and slower above."
        for row in rows
        if row.size is not None and row.low is not None and row.high is not None
    ]
    more = len(said) - MOST_SENTENCES
    if more > 0:
        said = [*said[:MOST_SENTENCES], f"And {more} more crossovers, in the table."]
    without = [r for r in rows if r.size is None]
    never = [r for r in without if r.small is not None and r.small == r.large]
    if never:
        said.append(
            f"In {len(never)} of {len(rows)} comparisons of two implementations one is faster at "
            "both ends of the measured sizes, and none overtakes."
        )
    if len(without) > len(never):
        said.append(f"In {len(without) - len(never)} of {len(rows)} it cannot be told.")
    return said


def memory_sentences(findings: Findings) -> list[str]:
    """What fits a common memory, and how far a prediction was off."""
    said = []
    capacity, pass_ = 24 * 2**30, _main_pass(findings)
    wrong = {name for name, *_ in known_wrong(findings.results)}
    rows = [
        r
        for r in findings.frontier
        if (r.capacity_bytes, r.case.pass_) == (capacity, pass_) and r.implementation not in wrong
    ]
    if rows:
        series = rows[0].case.series()
        parts = [
            f"{r.implementation} up to N={r.batch_size:,}"
            for r in rows
            if r.case.series() == series
        ]
        said.append(
            f"By the byte law, in {format_limit_bytes(capacity)} of tensors fit {listed(parts)} "
            f"({pass_}, {series_text(rows[0].case)})."
        )
    if findings.predictions:
        worst = max(findings.predictions, key=lambda p: abs(p.error))
        said.append(
            f"Peaks predicted from sizes up to a quarter were off by {abs(worst.error):.2%} at "
            f"most ({worst.implementation} at N={worst.case.batch_size})."
        )
    if not said:
        peaks = [r for r in findings.results if r.peak_bytes]
        if not peaks:
            return ["No peak was measured."]
        top = max(peaks, key=lambda r: r.peak_bytes or 0)
        said.append(
            f"The largest peak is {format_bytes(top.peak_bytes)}, of {top.implementation} at "
            f"N={top.case.batch_size}; too few sizes for a law."
        )
    return said


def _main_pass(findings: Findings) -> str:
    passes = {r.case.pass_ for r in findings.results}
    return "training" if "training" in passes else "forward"


def growth_sentences(findings: Findings) -> list[str]:
    """Which laws are told, and which claims they break."""
    told = [g for g in findings.growth if g.verdict.law and g.metric is ELEMENTS_PROCESSED]
    broken = [g for g in told if g.claimed and _breaks(g)]
    said = []
    if told:
        laws = dict.fromkeys(f"{g.implementation} {g.verdict.law} in {g.case.pass_}" for g in told)
        said.append(f"By counted work: {listed(list(laws))}.")
    said += [
        f"{g.implementation} claims {g.claimed} and takes {g.verdict.law} in {g.case.pass_}."
        for g in broken[:4]
    ]
    timed = [g for g in findings.growth if g.metric is TIME]
    if timed and not any(g.verdict.law for g in timed):
        longest = max(timed, key=lambda g: len(g.sizes))
        said.append(
            f"Times do not single out a law here; at the most sizes, of "
            f"{longest.implementation}: {longest.verdict.evidence}."
        )
    return said or ["Too few sizes to tell growth laws apart."]


def _breaks(growth: Growth) -> bool:
    law, claimed = growth.verdict.law, growth.claimed
    return bool(law and claimed and grows_faster(law, claimed))


def axis_sentences(findings: Findings, axis: Axis) -> list[str]:
    """What the last value of an axis changes against the first, at the largest batch."""
    rows, pass_ = axis_effect_rows(findings.results, axis), _main_pass(findings)
    main = [r for r in rows if r.case.pass_ == pass_]
    if not main:
        return []
    said, parts = [], []
    for name in dict.fromkeys(r.implementation for r in main):
        groups: dict[tuple[object, ...], list[AxisEffectRow]] = {}
        for row in main:
            if row.implementation == name and row.time_ratio is not None:
                groups.setdefault(row.others, []).append(row)
        longest = max(groups.values(), key=lambda g: (len(g), g[0].case.batch_size), default=[])
        if len(longest) >= 2:
            parts.append(_changed(name, longest[0], longest[-1]))
    if parts:
        said.append(f"Along {AXIS_NAMES[axis]}, in {pass_}: {'; '.join(parts)}.")
    for status, words in ((Status.WRONG, "Wrong results of"), (Status.FAILED, "No answer from")):
        bad = [r for r in rows if r.status is status]
        if bad:
            values = dict.fromkeys(value_text(r.value, axis) for r in bad)
            names = list(dict.fromkeys(r.implementation for r in bad))
            said.append(f"{words} {listed(names)} at {', '.join(values)}.")
    if said and not any(r.status in (Status.WRONG, Status.FAILED) for r in rows):
        said.append("Agreement holds at every value.")
    return said


def _changed(name: str, first: AxisEffectRow, last: AxisEffectRow) -> str:
    axis = first.axis
    text = (
        f"from {value_text(first.value, axis)} to {value_text(last.value, axis)} {name} takes "
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
    """The noise of this run, and how much of it was measured."""
    said = []
    noise = findings.noise
    if noise is not None:
        said.append(
            f"Identical code, timed twice in {noise.cells} cells, differed by up to "
            f"{noise.spread:.1%}: smaller differences are noise here."
        )
    else:
        said.append("No implementation was timed twice, so the noise of this run is not known.")
    results = findings.results
    ended = [r for r in results if not r.status.has_figures]
    if ended:
        said.append(f"{len(ended)} of {len(results)} results have no figures; why stands below.")
    stopped = [r.time_stopped_by for r in results if r.time_stopped_by]
    if stopped:
        precise = stopped.count("precision")
        said.append(
            f"Of {len(stopped)} timings {precise} reached the precision asked for, "
            f"{len(stopped) - precise} ended with their budget."
        )
    return said
