"""What a run found, in a few sentences computed from its results."""

from collections.abc import Sequence

from supcr_bench.analysis.claims import ClaimRow, Holds
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.noise import NoiseFloor
from supcr_bench.analysis.summary import (
    cost_rows,
    fastest_by_size,
    known_wrong,
)
from supcr_bench.render.cells import arm_names, listed, series_text
from supcr_bench.store.run import Run
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result, Status
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
    """Who is wrong, by which definition, and how often."""
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
    names = arm_names(results)
    runs: list[tuple[str, int, int]] = []
    for case in cases:
        name, n = names[fastest[case]], case.batch_size
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
        f"{len(broken)} of {len(claims)} claims of the note {verb} not hold: {'; '.join(broken)}."
    )


def _noise(noise: NoiseFloor | None) -> str | None:
    """What identical code differs by in this run."""
    if noise is None:
        return None
    return (
        f"Noise floor: {noise.spread:.1%}, from {noise.cells} timings of identical code against "
        f"itself; the 95 % interval contains 1 in {noise.covering} of {noise.with_interval}."
    )


def _verified(verifications: Sequence[Verification]) -> list[str]:
    """Who is right by verification, in groups; who is not, in a sentence each."""
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
    """Sentences, the most important first."""
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
