"""What a run found, in a few sentences computed from its results."""

from collections.abc import Mapping, Sequence

from supcr_bench.analysis.claims import ClaimRow, Holds
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.noise import NoiseFloor
from supcr_bench.analysis.summary import (
    agreement_rows,
    cost_rows,
    fastest_by_size,
    implementations_of,
    known_wrong,
)
from supcr_bench.render.cells import listed, series_text
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result, Status


def _agreement(results: Sequence[Result], definition: str) -> str:
    rows = agreement_rows(results)
    if not rows:
        return "Nothing could be measured."
    wrong = {r.implementation for r in rows if r.agree < r.cases}
    right = [name for name in implementations_of(results) if name not in wrong]
    right = [name for name in right if any(r.implementation == name for r in rows)]
    parts = []
    if right:
        verb = "agrees" if len(right) == 1 else "agree"
        answers = sum(r.cases for r in rows if r.implementation in right)
        whole = len(right) == 1 and answers == 1
        which = "the one answer given" if whole else f"all {answers} answers given"
        parts.append(f"{listed(right)} {verb} with the definition ({definition}) in {which}")
    for name in implementations_of(results):
        if name in wrong:
            own = [r for r in rows if r.implementation == name]
            agree, cases = sum(r.agree for r in own), sum(r.cases for r in own)
            parts.append(f"{name} is wrong in {cases - agree} of {cases} cases")
    return "; ".join(parts) + "."


def _fastest(results: Sequence[Result], pass_: Pass) -> str | None:
    """Runs of batch sizes with the same fastest implementation, in the longest series."""
    fastest = fastest_by_size(cost_rows(results, pass_), known_wrong(results))
    by_series: dict[tuple[object, ...], list[Case]] = {}
    for case in fastest:
        by_series.setdefault(case.series(), []).append(case)
    if not by_series:
        return None
    longest = max(len(cases) for cases in by_series.values())
    cases = next(cases for cases in by_series.values() if len(cases) == longest)
    cases.sort(key=lambda c: c.batch_size)
    runs: list[tuple[str, int, int]] = []
    for case in cases:
        name, n = fastest[case], case.batch_size
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1], n)
        else:
            runs.append((name, n, n))
    spans = [
        f"{name} at N={first}" if first == last else f"{name} from N={first} to {last}"
        for name, first, last in runs
    ]
    return f"Fastest in {pass_} ({series_text(cases[0])}): {', '.join(spans)}."


def _not_measured(results: Sequence[Result]) -> str | None:
    counts = {
        status: sum(r.status is status for r in results)
        for status in (Status.OUT_OF_MEMORY, Status.TIMED_OUT, Status.SKIPPED, Status.FAILED)
    }
    parts = [f"{n} {s.replace('_', ' ')}" for s, n in counts.items() if n]
    if not parts:
        return None
    said = f"Of {len(results)} results: {', '.join(parts)}"
    failed = next((r for r in results if r.status is Status.FAILED), None)
    if failed:
        said += f" (first {failed.implementation} {failed.case.pass_} at {failed.case.describe()}: "
        said += f"{failed.reason})"
    return f"{said}."


def _claims(claims: Sequence[ClaimRow]) -> str | None:
    """Which of the note's claims this run refutes."""
    broken = [row.claim.rstrip(".") for row in claims if row.verdict is Holds.NO]
    if not broken:
        return None
    verb = "does" if len(broken) == 1 else "do"
    return (
        f"Of {len(claims)} claims of the note {len(broken)} {verb} not hold: {'; '.join(broken)}."
    )


def _noise(noise: NoiseFloor | None) -> str | None:
    """What identical code differs by in this run."""
    if noise is None:
        return None
    entries = f"{noise.cells} timings of identical code against itself"
    return (
        f"Noise floor: {noise.spread:.1%}, from {entries}; "
        f"the 95 % interval covers 1 in {noise.covering} of {noise.with_interval}."
    )


def headline(
    findings: Findings, verdicts: Sequence[str] = (), unavailable: Mapping[str, str] | None = None
) -> list[str]:
    """Sentences, the most important first.

    Args:
        findings: of the run.
        verdicts: of verification, in a sentence each.
        unavailable: implementations that the run had to leave out, and why.
    """
    results = findings.results
    sentences = [_agreement(results, findings.definition)]
    if verdicts:
        sentences.append(f"Verified: {' '.join(verdicts)}")
    for device in dict.fromkeys(r.case.device for r in results):
        own = [r for r in results if r.case.device == device]
        sentences += [s for p in ("training", "forward") if (s := _fastest(own, p))]
    rest = (_claims(findings.claims), _noise(findings.noise), _not_measured(results))
    left_out = [f"Left out: {reason}." for reason in (unavailable or {}).values()]
    return sentences + [s for s in rest if s] + left_out
