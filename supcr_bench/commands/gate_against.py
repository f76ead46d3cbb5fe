"""The gate against a revision: both versions counted, verified and timed in one session."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from supcr_bench.commands.gate_stages import Stages, open_stages
from supcr_bench.commands.gate_work import GateWork, named
from supcr_bench.gate.agreement import to_verify_before
from supcr_bench.gate.judge import deterministic_notes, judge_deterministic
from supcr_bench.gate.recorded import record
from supcr_bench.gate.terms import Terms
from supcr_bench.gate.time_judgements import cells_to_time, judge_times, study_of
from supcr_bench.gate.versions import Versions, at_revision
from supcr_bench.sweep.plan import only, under
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.gate import GateOutcome, Judgement, Ruling, TimeStudy

NOTHING_TIMED = "The suite times no cell that both versions answer, so nothing is said of time."


def gate_against(work: GateWork, revision: str, console: Console) -> GateOutcome:
    """Judge every kind of evidence.

    Raises:
        RevisionError: what stood at the revision cannot be had.
        SubjectError: an implementation cannot be called, and could not before either.
    """
    with tempfile.TemporaryDirectory(prefix="supcr-bench-gate-") as scratch:
        versions = [
            at_revision(subject, revision, Path(scratch) / str(number))
            for number, subject in enumerate(work.subjects)
        ]
        with open_stages(console, work.suite, work.plan) as stages:
            return _judged(work, revision, versions, stages)


def _judged(
    work: GateWork, revision: str, found: Sequence[Versions], stages: Stages
) -> GateOutcome:
    notes = [note for v in found for note in v.notes]
    versions, broken, more = _usable(work, stages, found, revision)
    notes += more
    whole = [v for v in versions if v.name not in broken]
    second, verifications = stages.count_and_verify(
        "Agreement and cost",
        only(work.plan, {v.name for v in whole}),
        [v.after for v in whole],
        dict.fromkeys(v.name for v in whole),
    )
    after = record(second, verifications)
    earlier = [replace(v.before, name=v.name) for v in versions if v.before]
    first, verified = stages.count_and_verify(
        "Agreement and cost of what was before",
        only(work.plan, {s.name for s in earlier}),
        earlier,
        to_verify_before(after),
    )
    before = record(first, verified)
    terms = work.terms(baseline=False)
    judgements = _unloadable(broken, terms)
    judgements += [
        j for j in judge_deterministic(before, after, terms) if j.implementation not in broken
    ]
    cells, others = cells_to_time(
        under(work.plan, stages.definitions),
        whole,
        {r.key: r for r in first},
        {r.key: r for r in second},
    )
    study: TimeStudy | None = None
    if cells:
        trial = stages.time(cells, work.max_slowdown, work.time_budget_s)
        others = [*judge_times(trial, work.gate_command), *others]
        study = study_of(trial)
        if trial.error is not None:
            notes.append(f"Timing was broken off: {trial.error}")
    else:
        notes.append(NOTHING_TIMED)
    notes += deterministic_notes(before, after, judgements, terms)
    return GateOutcome(
        suite=work.suite.name,
        against=f"revision {revision}",
        judgements=(*judgements, *others),
        notes=tuple(dict.fromkeys(notes)),
        time=study,
        environment=stages.environment,
    )


def _usable(
    work: GateWork, stages: Stages, versions: Sequence[Versions], revision: str
) -> tuple[list[Versions], dict[str, str], list[str]]:
    """The versions that can be called; what is wrong with those after that could be and cannot."""
    like = work.plan[0].workload
    after = stages.findings([v.after for v in versions], like)
    before = stages.findings([v.before for v in versions if v.before], like)
    usable, broken, notes = [], {}, []
    for own in versions:
        if own.before and own.before.name in before:
            notes.append(f"At {revision}, {before[own.before.name]}: nothing to hold it against")
            own = replace(own, before=None)
        if own.name in after:
            if own.before is None:
                raise SubjectError(named(own.name, after[own.name]))
            broken[own.name] = after[own.name]
        usable.append(own)
    return usable, broken, notes


def _unloadable(broken: Mapping[str, str], terms: Terms) -> list[Judgement]:
    return [
        Judgement(
            figure="agreement",
            implementation=name,
            case=None,
            ruling=Ruling.REGRESSION,
            reason=named(name, finding),
            command=terms.verify_command(name, "auto"),
        )
        for name, finding in broken.items()
    ]
