"""The answer of a run, in sentences: right or not, what to use, the claims, what to beware of."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from supcr_bench.analysis import summary
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import prediction_error
from supcr_bench.analysis.statistics import faster_in
from supcr_bench.render import sentences as say
from supcr_bench.render.cells import HasCase
from supcr_bench.render.sentences import Sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import PASSES
from supcr_bench.values.growth_law import Holds, grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, TIME
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.verification.verification import Verification

BASELINES = ("rowsort", "broadcast", "loopy")
"""Speed-ups are relative to the first of these, else to the slowest."""
FRONTIER_BYTES = 24 * 2**30
MOST_FINDINGS = 4
"""Most sentences of one kind below the answer; the tables list all cases."""


def answer(run: Run, findings: Findings) -> dict[str, list[Sentence]]:
    """The sentences of the answer by heading; a heading without sentences stays."""
    return {
        "Right or not": [*verdicts(findings.results, run.verification or {})],
        "What to use": [s for group in uses(findings) for s in group],
        "Claims of the note": claims(findings),
        "Beware": [*warnings(findings, (run.info.get("unavailable") or {}).values())],
    }


def headline(found: Mapping[str, Sequence[Sentence]]) -> str:
    """The answer in one line: what is wrong, or else what is right."""
    first = found["Right or not"]
    bad = [s for s in first if s.kind in ("wrong", "refuted")]
    return " ".join(s.text for s in (bad or first)[:2])


def refuted(checked: Mapping[str, Verification] | None) -> list[str]:
    return [name for name, found in (checked or {}).items() if found.verdict == "not right"]


def _ended(results: Sequence[Result]) -> tuple[tuple[str, int], ...]:
    counts = Counter(r.status for r in results if not r.status.has_figures)
    return tuple((status.words, counts[status]) for status in Status if counts[status])


def verdicts(results: Sequence[Result], checked: Mapping[str, Verification]) -> Iterator[Sentence]:
    """Sentences on wrong, refuted and unanswering implementations, and then on the right ones."""
    good, told = dict[str, dict[str, int]](), set[str]()
    faulty = dict.fromkeys(refuted(checked), 0)
    arms = grouped(results, lambda r: (r.implementation, r.case.definition))
    for (name, definition), own in arms.items():
        answers = sum(r.status.has_figures for r in own)
        wrong = [r.case for r in own if r.status is Status.WRONG]
        arm: dict[str, Any] = {"name": name, "definition": definition}
        if wrong:
            told.add(name)
            yield say.wrong(**arm, wrong=len(wrong), answers=answers, first=wrong[0])
        elif not answers:
            yield say.silent(**arm, ended=_ended(own))
        elif name in faulty:
            faulty[name] += answers
        else:
            good.setdefault(definition, {})[name] = answers
    for name, answers in faulty.items():
        agree = 0 if name in told else answers
        yield say.refuted(name=name, headline=checked[name].headline, answers=agree)
    for definition, counts in good.items():
        yield say.right(names=tuple(counts), definition=definition, answers=sum(counts.values()))
    passed = (found for found in checked.values() if found.passed)
    agreeing = grouped(passed, lambda found: (found.computes, bool(found.findings)))
    for (computes, fails), alike in agreeing.items():
        names = tuple(v.implementation for v in alike)
        yield say.verified(names=names, computes=computes, robust=not fails)
    for name, found in checked.items():
        if not found.passed and name not in faulty:
            yield say.unverified(name=name, headline=found.headline)


def baseline_of(results: Sequence[Result], wrong: summary.Wrong) -> str | None:
    """The implementation that speed-ups are relative to: a known one, or the slowest right one."""
    timed = [r for r in results if r.time_samples_s]
    right = [r for r in timed if summary.setting_of(r) not in wrong] or timed
    times_s = {r.implementation: TIME.get(r) or 0.0 for r in right}
    known = [name for name in BASELINES if name in times_s]
    return next(iter(known or sorted(times_s, key=lambda name: -times_s[name])), None)


def uses(
    findings: Findings, *, spans: bool = True, baseline: str | None = None
) -> list[list[Sentence]]:
    """What to use, in groups of one device, definition, pass and series, the longest first.

    With ``spans``, neighbouring batch sizes of the same answer share a sentence. Without a
    ``baseline``, each group has its own.
    """
    faster = faster_in(findings.results)
    groups = grouped(
        (r for r in findings.results if not r.untimed),
        lambda r: (r.case.device, r.case.definition, r.case.pass_, r.case.series()),
    )

    def rank(own: Sequence[Result]) -> tuple[int, int]:
        return -len({r.case.batch_size for r in own}), _training_first(own[0])

    return [
        [*_uses(own, findings.wrong, faster, baseline, spans=spans)]
        for own in sorted(groups.values(), key=rank)
    ]


def _uses(
    own: Sequence[Result],
    wrong: summary.Wrong,
    faster: Callable[[Result, Result], bool],
    baseline: str | None,
    *,
    spans: bool,
) -> Iterator[Sentence]:
    baseline = baseline or baseline_of(own, wrong)
    fastest_at = summary.fastest_by_size(own, wrong, faster)
    fastest = {case.batch_size: names for case, names in fastest_at.items()}
    at = {(r.implementation, r.case.batch_size): r for r in own}
    cases = {r.case.batch_size: r.case for r in own}
    alike = groupby(sorted(cases), key=lambda n: {*fastest.get(n, ())} if spans else n)
    for same in (tuple(members) for _, members in alike):
        names, case = fastest.get(same[-1], ()), cases[same[-1]]
        if not names:
            yield say.unusable(case=case, sizes=same)
            continue
        times, last = {n: TIME.get(at[names[0], n]) or 0.0 for n in same}, at[names[0], same[-1]]
        both = [
            (n, base_s / times[n])
            for n in same
            if (base := at.get((baseline or "", n))) and (base_s := TIME.get(base))
        ]
        yield say.use(
            names=names,
            case=case,
            sizes=same,
            times_s=(times[same[0]], times[same[-1]]),
            peak_bytes=last.peak_bytes,
            baseline=baseline,
            speedup=both[-1] if both and baseline not in names else None,
            floors=last.floor_s and times[same[-1]] / last.floor_s,
        )


def claims(findings: Findings) -> list[Sentence]:
    if not findings.claims:
        return []
    counted = say.claims_counted(verdicts=tuple(row.verdict for row in findings.claims))
    return [counted, *(s for s in claim_verdicts(findings) if s.facts["verdict"] is Holds.NO)]


def claim_verdicts(findings: Findings) -> list[Sentence]:
    return [
        say.claim(claim=row.claim, verdict=row.verdict)
        for row in findings.claims
        if row.verdict is not Holds.UNDECIDED
    ]


def warnings(findings: Findings, unavailable: Iterable[str]) -> Iterator[Sentence]:
    results = findings.results
    changes = {(r.implementation, r.process_changes or (), bool(r.own_process)) for r in results}
    for name, own, apart in sorted(changes):
        if own:
            yield say.changes_process(name=name, changes=own, apart=apart)
    for device, floor in findings.noise.items():
        where = device if len(findings.noise) > 1 else None
        if floor is None:
            yield say.noise_unknown(device=where)
        else:
            yield say.noise(spread=floor.spread, cells=floor.cells, device=where)
    if ended := _ended(results):
        yield say.missing(total=len(results), ended=ended)
    failed = (r for r in results if r.status is Status.FAILED)
    for name, (first, *_) in grouped(failed, lambda r: r.implementation).items():
        yield say.failed(name=name, case=first.case, reason=first.reason)
    yield from (say.left_out(reason=reason) for reason in unavailable)


def section_sentences(findings: Findings) -> dict[str, list[Sentence]]:
    """The sentences beside a page's charts, by section; none recommends what is wrong."""
    wrong = {name for name, *_ in findings.wrong}
    overtaken = [
        say.overtakes(name=r.large, other=r.small, case=r.case, size=r.size, low=r.low, high=r.high)
        for r in sorted(findings.crossovers, key=_training_first)
        if r.large and r.small and wrong.isdisjoint((r.large, r.small))
        if r.size and r.low and r.high
    ]
    fitting = [
        say.fits(
            name=r.implementation,
            case=r.case,
            capacity_bytes=r.capacity_bytes,
            batch_size=r.batch_size,
        )
        for r in sorted(findings.frontier, key=_training_first)
        if r.capacity_bytes == FRONTIER_BYTES and r.implementation not in wrong
    ]
    found = {"time": overtaken[:MOST_FINDINGS], "memory": fitting[:MOST_FINDINGS], "growth": []}
    if findings.predictions:
        worst = max(findings.predictions, key=lambda r: abs(prediction_error(r)))
        share = abs(prediction_error(worst))
        said = say.mispredicted(name=worst.implementation, case=worst.case, share=share)
        found["memory"].append(said)
    for g in sorted(findings.growth, key=_training_first):
        law, arm = g.verdict.law, dict[str, Any](name=g.implementation, case=g.case)
        if law and g.metric is ELEMENTS_PROCESSED and g.claimed and grows_faster(law, g.claimed):
            found["growth"].append(say.outgrows(**arm, law=law, claimed=g.claimed))
        elif law and g.metric is TIME:
            found["growth"].append(say.grows(**arm, law=law, sizes=g.sizes))
    for axis in summary.COMPARED:
        groups = summary.axis_effects(findings.results, axis)
        timed = [[e for e in members if e.ratio(TIME)] for members in groups]
        # The longest series of each implementation and pass: the last of those by rising length.
        longest = {
            (own[0].result.implementation, own[0].result.case.pass_): own[-1]
            for own in sorted(timed, key=len)
            if len(own) > 1
        }
        found[axis.id] = [
            say.along(
                name=name,
                axis=axis,
                first=last.base.case,
                last=last.result.case,
                time_ratio=last.ratio(TIME) or 0.0,
            )
            for (name, _), last in longest.items()
        ][:MOST_FINDINGS]
    return found


def _training_first(found: HasCase) -> int:
    return -PASSES.index(found.case.pass_)
