"""What each section of the report finds, in words computed from the data."""

from supcr_bench.analysis.axis_effect import Axis, AxisEffectRow, axis_effect_rows
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.growth import Growth
from supcr_bench.analysis.summary import agreement_rows
from supcr_bench.render.axis_grids import AXIS_NAMES, value_text
from supcr_bench.render.cells import listed, series_text
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.result import Status
from supcr_bench.values.units import format_bytes, format_error, format_limit_bytes


def agreement_sentences(findings: Findings) -> list[str]:
    """How near the worst case comes to the tolerance."""
    rows = agreement_rows(findings.results)
    if not rows:
        return ["Nothing was answered, so nothing can be held against the definition."]
    wrong = sorted({r.implementation for r in rows if r.agree < r.cases})
    known = [
        (x, r) for r in rows for x in (r.value_tolerances, r.gradient_tolerances) if x is not None
    ]
    if wrong:
        count = sum(r.cases - r.agree for r in rows)
        return [f"{listed(wrong)}: wrong in {count} of {sum(r.cases for r in rows)} results."]
    if not known:
        return ["Every answer agrees."]
    worst, row = max(known, key=lambda pair: pair[0])
    return [
        f"Every answer agrees with the definition ({findings.definition}). The largest error, of "
        f"{row.implementation}, is {format_error(worst)} of what rounding explains."
    ]


def time_sentences(findings: Findings) -> list[str]:
    """The crossovers, and where one is faster throughout."""
    said = [
        f"In {row.case.pass_} ({series_text(row.case)}) {row.small} is faster than "
        f"{row.large} below N={row.size:.0f} (95 % interval {row.low:.0f} to "
        f"{row.high:.0f}), and slower above."
        for row in findings.crossovers
        if row.size is not None and row.low is not None and row.high is not None
    ]
    if said:
        return said[:6]
    never = [r for r in findings.crossovers if r.small is not None and r.small == r.large]
    if never:
        faster = dict.fromkeys(
            f"{r.small} is faster than {r.other if r.small == r.one else r.one}" for r in never
        )
        return [f"No crossover in the measured range: {'; '.join(faster)}."]
    return ["No two implementations were timed together at two sizes, so none overtakes another."]


def memory_sentences(findings: Findings) -> list[str]:
    """What fits a common memory, and how far a prediction was off."""
    said = []
    capacity, pass_ = 24 * 2**30, _main_pass(findings)
    fits: dict[str, int] = {}
    for row in findings.frontier:
        if row.capacity_bytes == capacity and row.case.pass_ == pass_:
            fits.setdefault(row.implementation, row.batch_size)
    if fits:
        parts = [f"{name} up to N={n:,}" for name, n in fits.items()]
        said.append(f"In {format_limit_bytes(capacity)} fit {listed(parts)}, tensors alone.")
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
    told = [g for g in findings.growth if g.verdict.law and g.figure == "work"]
    broken = [g for g in told if g.claimed and _breaks(g)]
    said = []
    if told:
        laws = dict.fromkeys(f"{g.implementation} {g.verdict.law} in {g.case.pass_}" for g in told)
        said.append(f"By counted work: {listed(list(laws))}.")
    said += [
        f"{g.implementation} claims {g.claimed} and takes {g.verdict.law} in {g.case.pass_}."
        for g in broken[:4]
    ]
    timed = [g for g in findings.growth if g.figure == "time"]
    named = [g for g in timed if g.verdict.law]
    if timed and not named:
        said.append("Times do not single out a law here: noise and overhead leave several open.")
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
    wrong = [r for r in rows if r.status is Status.WRONG]
    said = []
    parts = []
    for name in dict.fromkeys(r.implementation for r in main):
        own = [r for r in main if r.implementation == name and r.time_ratio is not None]
        sizes = [r.case.batch_size for r in own]
        most = max(sizes, key=lambda n: (sizes.count(n), n), default=0)
        at = [r for r in own if r.case.batch_size == most]
        if len(at) >= 2:
            parts.append(_changed(name, at[0], at[-1]))
    if parts:
        said.append(f"Along {AXIS_NAMES[axis]}, in {pass_}: {'; '.join(parts)}.")
    if wrong:
        values = dict.fromkeys(value_text(r.value, axis) for r in wrong)
        names = dict.fromkeys(r.implementation for r in wrong)
        said.append(f"Wrong results of {listed(list(names))} at {', '.join(values)}.")
    elif said:
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
    return f"{text} (N={last.case.batch_size})"


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
