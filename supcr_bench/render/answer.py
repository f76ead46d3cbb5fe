"""The answer of a run, in sentences: right or not, what to use, the claims, what to beware of."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from supcr_bench.analysis import summary
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import prediction_error
from supcr_bench.analysis.statistics import DECIDES_NOTHING, faster_in
from supcr_bench.render import sentences as say
from supcr_bench.render.sentences import Sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES, Pass
from supcr_bench.values.grouping import grouped
from supcr_bench.values.growth_law import grows_faster
from supcr_bench.values.holds import Holds
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, TIME
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification

BASELINES = ("rowsort", "broadcast", "loopy")
"""Speed-ups are relative to the first of these, else to the slowest."""
FRONTIER_BYTES = 24 * 2**30
MOST_FINDINGS = 4
"""Most sentences of one kind below the answer; tables have the rest."""

Verifications = Mapping[str, Verification]


def answer(run: Run, findings: Findings) -> dict[str, list[Sentence]]:
    """The sentences of the answer by heading; every heading is there, some without sentences."""
    results = findings.results
    checked = run.verification or {}
    return {
        "Right or not": verdicts(results, checked),
        "What to use": [s for group in uses(results, checked) for s in group],
        "Claims of the note": claims(findings),
        "Beware": warnings(findings, (run.info.get("unavailable") or {}).values()),
    }


def headline(found: Mapping[str, Sequence[Sentence]]) -> str:
    """The answer in a line: what is wrong, else what is right."""
    first = found["Right or not"]
    bad = [s for s in first if s.kind in ("wrong", "refuted")]
    return " ".join(s.text for s in (bad or first)[:2])


def _ended(results: Sequence[Result]) -> tuple[tuple[str, int], ...]:
    counts = Counter(r.status for r in results if not r.status.has_figures)
    return tuple((status.words, counts[status]) for status in Status if counts[status])


def verdicts(results: Sequence[Result], checked: Verifications) -> list[Sentence]:
    """Sentences on the right implementations, by definition; then wrong and failed ones."""
    refuted = {name for name, found in checked.items() if found.verdict == "not right"}
    good: dict[str, dict[str, int]] = {}
    bad: list[Sentence] = []
    for (name, definition), own in grouped(
        results, lambda r: (r.implementation, r.case.definition)
    ).items():
        answers = [r for r in own if r.status.has_figures]
        wrong = [r for r in answers if r.status is Status.WRONG]
        if wrong:
            bad.append(
                say.wrong(
                    name=name,
                    definition=definition,
                    wrong=len(wrong),
                    answers=len(answers),
                    first=wrong[0].case,
                )
            )
        elif not answers:
            bad.append(say.silent(name=name, ended=_ended(own)))
        elif name not in refuted:
            good.setdefault(definition, {})[name] = len(answers)
    told = {s.facts["name"] for s in bad if s.kind == "wrong"}
    for name in checked:
        own = [r for r in results if r.implementation == name and r.status.has_figures]
        if name in refuted:
            agreeing = 0 if name in told else len(own)
            said = say.refuted(name=name, headline=checked[name].headline, answers=agreeing)
            bad.append(said)
    found = [
        say.right(names=tuple(names), definition=definition, answers=sum(names.values()))
        for definition, names in good.items()
    ]
    passed = grouped(
        (found for found in checked.values() if found.passed),
        lambda found: (found.computes, not found.findings),
    )
    found += [
        say.verified(names=tuple(v.implementation for v in own), computes=computes, robust=robust)
        for (computes, robust), own in passed.items()
    ]
    return [
        *bad,
        *found,
        *(
            say.unverified(name=name, headline=v.headline)
            for name, v in checked.items()
            if not v.passed and name not in refuted
        ),
    ]


def distrusted(results: Sequence[Result], checked: Verifications) -> summary.Wrong:
    """Never recommended: implementations that were wrong in the run or in verification."""
    refuted = {name for name, found in checked.items() if found.verdict == "not right"}
    places = {(r.implementation, r.case.dtype, r.case.temperature) for r in results}
    return summary.known_wrong(results) | {place for place in places if place[0] in refuted}


def baseline_of(results: Sequence[Result]) -> str | None:
    """The implementation that speed-ups are relative to, of those with times."""
    timed = {r.implementation: TIME.get(r) or 0.0 for r in results if r.time_samples_s}
    named = [name for name in BASELINES if name in timed]
    return next(iter([*named, *sorted(timed, key=lambda name: -timed[name])]), None)


def uses(
    results: Sequence[Result], checked: Verifications, *, spans: bool = True
) -> list[list[Sentence]]:
    """What to use, in groups of one device, definition, pass and series, the longest first.

    With ``spans``, neighbouring batch sizes of the same answer share a sentence.
    """
    wrong, faster = distrusted(results, checked), faster_in(results)
    groups = grouped(
        (r for r in results if not r.untimed),
        lambda r: (r.case.device, r.case.definition, r.case.pass_, r.case.series()),
    )
    order = list(groups)

    def rank(key: tuple[str, str, Pass, tuple[object, ...]]) -> tuple[int, ...]:
        sizes = {r.case.batch_size for r in groups[key]}
        return -len(sizes), -PASSES.index(key[2]), order.index(key)

    return [_uses(groups[key], wrong, faster, spans=spans) for key in sorted(order, key=rank)]


def _uses(
    own: Sequence[Result],
    wrong: summary.Wrong,
    faster: Callable[[Result, Result], bool],
    *,
    spans: bool,
) -> list[Sentence]:
    baseline = baseline_of(own)
    found_at = summary.fastest_by_size(own, wrong, faster)
    fastest = {case.batch_size: names for case, names in found_at.items()}
    at = {(r.implementation, r.case.batch_size): r for r in own}
    cases = {r.case.batch_size: r.case for r in own}
    sizes = sorted(cases)
    alike = groupby(sizes, key=lambda n: {*fastest.get(n, ())} if spans else n)
    found = []
    for same in (tuple(members) for _, members in alike):
        names = fastest.get(same[-1], ())
        case = cases[same[-1]]
        if not names:
            found.append(say.unusable(case=case, sizes=same))
            continue
        times = {n: TIME.get(at[names[0], n]) or 0.0 for n in same}
        both = [
            (n, base_s / times[n])
            for n in same
            if (base := at.get((baseline or "", n))) and (base_s := TIME.get(base))
        ]
        found.append(
            say.use(
                names=names,
                case=case,
                sizes=same,
                times_s=(times[same[0]], times[same[-1]]),
                peak_bytes=at[names[0], same[-1]].peak_bytes,
                baseline=baseline,
                speedup=both[-1] if both and baseline not in names else None,
                floors=(floor_s := at[names[0], same[-1]].floor_s) and times[same[-1]] / floor_s,
            )
        )
    return found


def claims(findings: Findings) -> list[Sentence]:
    rows = findings.claims
    if not rows:
        return []
    fails = [row for row in rows if row.verdict is Holds.NO]
    return [
        say.claims_counted(verdicts=tuple(row.verdict for row in rows)),
        *(say.claim_fails(claim=row.claim) for row in fails),
    ]


def warnings(findings: Findings, unavailable: Iterable[str]) -> list[Sentence]:
    results, floor = findings.results, findings.noise
    found = []
    changes = {(r.implementation, r.process_changes or (), bool(r.own_process)) for r in results}
    found += [
        say.changes_process(name=name, changes=own, apart=apart)
        for name, own, apart in sorted(changes)
        if own
    ]
    if floor is None:
        found += [say.noise_unknown()] if any(r.time_samples_s for r in results) else []
    elif floor.spread > DECIDES_NOTHING:
        found.append(say.noise_hides(spread=floor.spread, cells=floor.cells))
    else:
        found.append(say.noise(spread=floor.spread, cells=floor.cells))
    if ended := _ended(results):
        found.append(say.missing(total=len(results), ended=ended))
    bad = grouped((r for r in results if r.status is Status.FAILED), lambda r: r.implementation)
    for name, own in bad.items():
        found.append(say.failed(name=name, case=own[0].case, reason=own[0].reason))
    return found + [say.left_out(reason=reason) for reason in unavailable]


def section_sentences(findings: Findings) -> dict[str, list[Sentence]]:
    """The sentences beside the charts of each section of a page, by the section's id."""
    wrong = {name for name, *_ in summary.known_wrong(findings.results)}
    passes = PASSES[::-1]
    found: dict[str, list[Sentence]] = {"time": [], "memory": [], "growth": []}
    found["time"] = [
        say.overtakes(
            name=row.large,
            other=row.small,
            case=row.case,
            size=row.size,
            low=row.low,
            high=row.high,
        )
        for row in sorted(findings.crossovers, key=lambda row: passes.index(row.case.pass_))
        if row.size and row.low and row.high and row.large and row.small
    ][:MOST_FINDINGS]
    found["memory"] = [
        say.fits(
            name=row.implementation,
            case=row.case,
            capacity_bytes=row.capacity_bytes,
            batch_size=row.batch_size,
        )
        for row in sorted(findings.frontier, key=lambda row: passes.index(row.case.pass_))
        if row.capacity_bytes == FRONTIER_BYTES and row.implementation not in wrong
    ][:MOST_FINDINGS]
    if findings.predictions:
        worst = max(findings.predictions, key=lambda r: abs(prediction_error(r)))
        share = abs(prediction_error(worst))
        said = say.mispredicted(name=worst.implementation, case=worst.case, share=share)
        found["memory"].append(said)
    for g in sorted(findings.growth, key=lambda g: passes.index(g.case.pass_)):
        law, name = g.verdict.law, g.implementation
        if law and g.metric is ELEMENTS_PROCESSED and g.claimed and grows_faster(law, g.claimed):
            said = say.outgrows(name=name, case=g.case, law=law, claimed=g.claimed)
            found["growth"].append(said)
        elif law and g.metric is TIME:
            said = say.grows(name=name, case=g.case, law=law, sizes=g.sizes)
            found["growth"].append(said)
    for axis in summary.COMPARED:
        groups = summary.axis_effects(findings.results, axis)
        ends = [[e for e in members if e.ratio(TIME) is not None] for members in groups]
        longest = {
            (rows[0].result.implementation, rows[0].result.case.pass_): rows
            for rows in sorted(ends, key=len)
            if len(rows) > 1
        }
        found[axis.id] = [
            say.along(
                name=name,
                axis=axis,
                first=rows[0].base.case,
                last=rows[-1].result.case,
                time_ratio=ratio,
            )
            for (name, _), rows in longest.items()
            if (ratio := rows[-1].ratio(TIME))
        ][:MOST_FINDINGS]
    return found
