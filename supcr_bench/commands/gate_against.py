"""The gate against a revision: both versions counted, verified and timed in one session."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supcr_bench.commands.gate_stages import Stages
from supcr_bench.commands.gate_work import GateWork
from supcr_bench.gate.judge import deterministic_notes, judge_deterministic
from supcr_bench.gate.recorded import record
from supcr_bench.gate.terms import Terms
from supcr_bench.gate.time_judgements import cells_to_time, judge_times, study_of
from supcr_bench.gate.versions import Versions, at_revision
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import PlannedCell
from supcr_bench.values.cell import Arm
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.gate import GateOutcome, Judgement, Ruling, TimeStudy

NOTHING_TIMED = "The suite times no cell that both versions answer, so nothing is said of time."


def gate_against(
    work: GateWork, stages: Stages, executor: LocalExecutor, revision: str
) -> GateOutcome:
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
        notes = [note for v in versions for note in v.notes]
        versions, broken, more = _usable(work, executor, versions, revision)
        notes += more
        subjects = [v.after for v in versions if v.name not in broken]
        subjects += [v.before for v in versions if v.before]
        plan = _with_before(work.plan, versions, set(broken))
        results, verifications = stages.count_and_verify(
            plan, subjects, [v.name for v in versions if v.name not in broken]
        )
        names = {v.before.name: v.name for v in versions if v.before}
        first = [
            replace(r, implementation=names[r.implementation])
            for r in results
            if r.implementation in names
        ]
        second = [r for r in results if r.implementation not in names]
        after = record(second, verifications)
        before = record(first, stages.verify_before(versions, after))
        terms = work.terms(baseline=False)
        judgements = _unloadable(broken, terms) + [
            j for j in judge_deterministic(before, after, terms) if j.implementation not in broken
        ]
        cells, others = cells_to_time(
            work.plan,
            [v for v in versions if v.name not in broken],
            {r.key: r for r in first},
            {r.key: r for r in second},
        )
        study: TimeStudy | None = None
        if cells:
            trial = stages.time(cells, work.max_slowdown, work.time_budget_s)
            others = [*judge_times(trial, work.suite_name, revision), *others]
            study = study_of(trial)
        else:
            notes.append(NOTHING_TIMED)
        notes += deterministic_notes(before, after, judgements, terms)
    return GateOutcome(
        suite=work.suite.name,
        against=f"revision {revision}",
        judgements=(*judgements, *others),
        notes=tuple(dict.fromkeys(notes)),
        time=study,
    )


def _usable(
    work: GateWork, executor: LocalExecutor, versions: Sequence[Versions], revision: str
) -> tuple[list[Versions], dict[str, str], list[str]]:
    """The versions that can be called; what is wrong with those after that could be and cannot."""
    both = [s for v in versions for s in (v.after, v.before) if s]
    findings = {
        name: checked.finding or "cannot be loaded"
        for name, checked in executor.check(both, work.plan[0].workload).items()
        if checked.finding or checked.description is None
    }
    usable, broken, notes = [], {}, []
    for own in versions:
        if own.before and own.before.name in findings:
            notes.append(f"At {revision}, {findings[own.before.name]}: nothing to hold it against")
            own = replace(own, before=None)
        if own.name in findings:
            if own.before is None:
                raise SubjectError(_named(own.name, findings[own.name]))
            broken[own.name] = findings[own.name]
        usable.append(own)
    return usable, broken, notes


def _named(name: str, finding: str) -> str:
    return finding if finding.startswith(name) else f"{name} {finding}"


def _with_before(
    plan: Sequence[PlannedCell], versions: Sequence[Versions], broken: set[str]
) -> list[PlannedCell]:
    """The plan with the arms of the versions before beside their own."""
    before = {v.name: v.before.name for v in versions if v.before}
    return [
        replace(
            cell,
            arms=tuple(
                one
                for arm in cell.arms
                for one in (
                    *([] if arm.implementation in broken else [arm]),
                    *(
                        [Arm(before[arm.implementation], arm.pass_)]
                        if arm.implementation in before
                        else []
                    ),
                )
            ),
        )
        for cell in plan
    ]


def _unloadable(broken: Mapping[str, str], terms: Terms) -> list[Judgement]:
    return [
        Judgement(
            figure="agreement",
            implementation=name,
            case=None,
            ruling=Ruling.REGRESSION,
            reason=_named(name, finding),
            command=terms.verify_command(name, "auto"),
        )
        for name, finding in broken.items()
    ]
