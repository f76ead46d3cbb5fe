"""One run of the gate (the regression test): starts its worker and runs its stages."""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.commands.run_sweep import check_devices
from supcr_bench.commands.run_work import Work, provenance
from supcr_bench.gate.baseline import (
    comparability_notes,
    deterministic_notes,
    dropped_implementations,
)
from supcr_bench.gate.exact import checks_to_repeat, judge_default_call, judge_deterministic
from supcr_bench.gate.terms import Terms
from supcr_bench.gate.time_trial import ROOM, TimeTrial, cells_to_time, process_sampler
from supcr_bench.gate.versions import Versions, at_revision
from supcr_bench.render.terminal import print_sentence
from supcr_bench.store.checkout import Checkout
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run_file import run_file_text, without_noise
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import make_budget, only, under, untimed
from supcr_bench.sweep.runner import SweepProgress, run_verified
from supcr_bench.values.cell import Cell
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.files import write_file
from supcr_bench.values.gate import GatedChange, GateOutcome, GateVerdict, TimeStudy
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.units import plural
from supcr_bench.verification.verification import Verification
from supcr_bench.workers.messages import Failed

SPENT = ("spent_s", "first_call_s", "time_limit_s", "process_changes")
"""Fields of counted results that decide what to time; a baseline leaves them out."""
NOTHING_TIMED = "No timed case of the suite has results of both versions, so time was not judged."


class GateSession:
    """Measures the implementations of a suite, shows its progress, and judges them."""

    def __init__(self, console: Console, work: Work, terms: Terms) -> None:
        self.console, self.work, self.terms = console, work, terms
        self.suite, self.budget = work.suite, make_budget(work.suite)
        self.checked: dict[str, Subject] = {}

    @cached_property
    def executor(self) -> LocalExecutor:
        """Its worker starts when it is needed: a revision that is not there is said at once."""
        return LocalExecutor(self.budget.threads)

    def close(self) -> None:
        if "executor" in vars(self):
            self.executor.close()

    def measured(self, baseline: Run | None = None, name: str = "") -> tuple[Run, list[str]]:
        """Measure the implementations now, without times; note how a baseline differs."""
        for finding in self._findings(self.work.subjects).values():
            raise SubjectError(finding)
        notes = list[str]()
        if baseline is not None:
            keys = {(a.implementation, cell.case(a)) for cell in self._cells() for a in cell.arms}
            notes = comparability_notes(baseline, name, self.suite.name, self.suite.seed, keys)
        resolved = [self._resolved(subject) for subject in self.work.subjects]
        run = self._deterministic("Agreement and cost", resolved, dict.fromkeys(self.checked))
        info = {
            "id": self.suite.name,
            "started_at": datetime.now(UTC).date().isoformat(),
            **provenance(replace(self.work, subjects=tuple(resolved))),
        }
        return replace(run, info={**info, **run.info}), notes

    def record(self, path: Path) -> None:
        run, _ = self.measured()
        write_file(path, run_file_text(run))
        count = f"{len(run.results)} results of suite {self.suite.name}"
        print_sentence(self.console, f"Recorded {count} in {path}.")
        wrong = [result.implementation for result in run.results if result.status.is_broken]
        if wrong:
            names = ", ".join(dict.fromkeys(wrong))
            said = f"{len(wrong)} of them are wrong or failed, and were recorded too: {names}."
            print_sentence(self.console, said, "yellow")

    def against_baseline(self, baseline: Run, name: str) -> GateOutcome:
        after, notes = self.measured(baseline, name)
        baseline, after, inapplicable = self._applicable(baseline, after)
        notes += inapplicable
        changes = judge_deterministic(baseline, after, self.terms)
        changes += dropped_implementations(baseline, self.terms)
        notes += deterministic_notes(baseline, after, changes, self.terms)
        return self._outcome(f"baseline {name}", changes, notes)

    def against_revision(self, revision: str) -> GateOutcome:
        with tempfile.TemporaryDirectory(prefix="supcr-bench-gate-") as scratch:
            checkouts: dict[Path, Checkout] = {}
            versions = [
                at_revision(subject, revision, Path(scratch) / str(number), checkouts)
                for number, subject in enumerate(self.work.subjects)
            ]
            return self._judge_versions(versions, revision)

    def _judge_versions(self, found: Sequence[Versions], revision: str) -> GateOutcome:
        new = frozenset(v.name for v in found if v.before is None)
        terms = replace(self.terms, new=new)
        versions, broken, notes = self._callable_versions(found, revision)
        whole = [v for v in versions if v.name not in broken]
        names = dict.fromkeys(v.name for v in whole)
        after = self._deterministic("Agreement and cost", [v.after for v in whole], names)
        self.executor.close()
        before = self._deterministic(
            "Agreement and cost of the version before",
            [replace(v.before, name=v.name) for v in versions if v.before],
            checks_to_repeat(after),
        )
        worse = GateVerdict.REGRESSION
        changes = [
            GatedChange.of("agreement", (name, None), (worse, finding), terms.verify_command(name))
            for name, finding in broken.items()
        ]
        before, after, inapplicable = self._applicable(before, after)
        notes += inapplicable
        judged = judge_deterministic(before, after, terms)
        changes += [change for change in judged if change.implementation not in broken]
        for v in whole:
            then, now = (s and self.checked[s.name].default_call for s in (v.before, v.after))
            if then and now:
                changes += judge_default_call(v.name, then, now, before, terms)
        max_slowdown = partial(terms.share, "max_slowdown")
        cells, others = cells_to_time(self._cells(), whole, before, after, max_slowdown)
        study = None
        if cells:
            rule = TimeRule(max_slowdown=max_slowdown(), cells=len(cells))
            longest_s = ROOM * terms.time_budget_s / rule.first_look  # a longer cell is not decided
            with process_sampler(self.budget.threads, self.suite.seed, longest_s) as sampler:
                trial = TimeTrial(cells, rule, sampler, terms.time_budget_s)
                trial.tell = lambda said: print_sentence(self.console, said, "yellow")
                first = {result.key: result for result in before.results}
                firsts = (first[cell.implementation, cell.case].first_call_s for cell in cells)
                trial.expect([3 * (seconds or 0.0) for seconds in firsts])  # three versions
                with self._stage("Time") as say:
                    for progress in trial.run():
                        say(progress)
            others = [*trial.changes(terms.gate_command(revision)), *others]
            study = trial.study
            if trial.error is not None:
                notes.append(f"Timing ended early: {trial.error}")
        elif all(change.verdict is GateVerdict.NEW for change in others):
            notes.append(NOTHING_TIMED)
        notes += deterministic_notes(before, after, changes, terms)
        return self._outcome(f"revision {revision}", [*changes, *others], notes, study)

    def _callable_versions(
        self, found: Sequence[Versions], revision: str
    ) -> tuple[list[Versions], dict[str, str], list[str]]:
        """The versions to compare, the errors of implementations that no longer load, and notes."""
        before = self._findings([v.before for v in found if v.before])
        self.executor.close()  # each version gets a process that the other has not changed
        after = self._findings([v.after for v in found])
        versions, broken = [], {}
        notes = [note for v in found for note in v.notes]
        for both in found:
            if both.before and (finding := before.get(both.before.name)):
                notes.append(f"At {revision}, {finding}: there is nothing to compare with")
                both = replace(both, before=None, again=None)
            if finding := after.get(both.name):
                if both.before is None:
                    raise SubjectError(finding)
                broken[both.name] = finding
            then, again = (one and self._resolved(one) for one in (both.before, both.again))
            now = self._resolved(both.after)
            versions.append(replace(both, after=now, before=then, again=again))
        return versions, broken, notes

    def _outcome(
        self,
        against: str,
        changes: Sequence[GatedChange],
        notes: Sequence[str],
        time: TimeStudy | None = None,
    ) -> GateOutcome:
        return GateOutcome(
            suite=self.suite.name,
            against=against,
            changes=tuple(changes),
            notes=tuple(dict.fromkeys(notes)),
            time=time,
            environment=dict(self.executor.environment),
            code=provenance(self.work)["code"],
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _cells(self) -> list[Cell]:
        """The plan, with the definition (loss) of each implementation that was called.

        Cases across ranks are kept for implementations that declare the tag ``ranks`` or that the
        suite names, and for all if the command line asks for ranks.
        """
        called = [(n, own.resolution) for n, own in self.checked.items() if own.resolution]
        plan = under(self.work.plan, {name: own.definition for name, own in called})
        if any(option.startswith("ranks=") for option in self.terms.gate_options):
            return plan
        described = ((n, c.description) for n, c in self.checked.items() if c.description)
        known = {n for n, own in described if "ranks" in own.tags} | {*self.suite.implementations}
        kept = (only([cell], known) if cell.workload.ranks > 1 else [cell] for cell in plan)
        return [cell for own in kept for cell in own]

    def _applicable(self, before: Run, after: Run) -> tuple[Run, Run, list[str]]:
        """Both runs without the cases that an implementation rejects; and notes on these."""
        ran = {
            r.key for run in (before, after) for r in run.results if r.status is not Status.SKIPPED
        }
        unfit = {}
        for cell in self._cells():
            for arm in cell.arms:
                key = arm.implementation, cell.case(arm)
                own = self.checked.get(arm.implementation) if key not in ran else None
                call = own and own.resolution
                if call and (why := call.why_not(cell.definition(arm), cell.workload)):
                    unfit[key] = why
        notes = [
            f"{name} is not judged in {plural(len(own), 'case')} of the suite: {why}."
            for (name, why), own in grouped(unfit, lambda key: (key[0], unfit[key])).items()
        ]
        kept = [
            replace(run, results=tuple(r for r in run.results if r.key not in unfit))
            for run in (before, after)
        ]
        return kept[0], kept[1], notes

    def _resolved(self, subject: Subject) -> Subject:
        found = self.checked.get(subject.name, subject)
        return replace(subject, resolution=found.resolution, description=found.description)

    def _findings(self, subjects: Sequence[Subject]) -> dict[str, str]:
        """The errors of subjects (implementations) that cannot be loaded or called, by name."""
        check_devices(self.work.plan, self.executor)
        found = self.executor.preflight(subjects, self.work.plan[0].workload.device)
        self.checked |= {n: own for n, own in found.items() if isinstance(own, Subject)}
        return {n: own.reason for n, own in found.items() if isinstance(own, Failed)}

    def _deterministic(
        self, stage: str, subjects: Sequence[Subject], verify: Mapping[str, Collection[str] | None]
    ) -> Run:
        """Count the work of some subjects on the plan, and verify some of these subjects."""
        results: list[Result] = []
        verification: dict[str, Verification] = {}
        with self._stage(stage) as say:
            for event in run_verified(
                untimed(only(self._cells(), {subject.name for subject in subjects})),
                self.executor,
                subjects,
                Forecast(self.budget),
                verify=verify if self.suite.verify else {},
                seed=self.suite.seed,
            ):
                match event:
                    case Result():
                        spent = {name: getattr(event, name) for name in SPENT}
                        results.append(replace(without_noise(event), **spent))
                    case Verification():
                        verification[event.implementation] = event
                    case SweepProgress(started=Cell() as planned):
                        say(planned.workload.describe())
                    case (name, outcome):
                        say(f"{name}, {outcome.check}")
        info = {"environment": dict(self.executor.environment)}
        return Run(Path(), info, tuple(results), verification)

    @contextmanager
    def _stage(self, name: str) -> Iterator[Any]:
        if not self.console.is_terminal:
            self.console.print(Text(f"{name} ..."))
        with self.console.status(Text(name)) as status:
            yield lambda what: status.update(Text(f"{name}: {what}"))
