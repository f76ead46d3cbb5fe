"""Gates of two versions whose truth is known, judged as ``gate`` does, each from a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.gate.accepted import FIGURES, Accepted, apply_accepted
from supcr_bench.gate.baseline import deterministic_notes, dropped_implementations
from supcr_bench.gate.exact import judge_deterministic
from supcr_bench.gate.terms import Terms
from supcr_bench.gate.time_trial import TimeTrial, TimingError, cells_to_time
from supcr_bench.gate.versions import Versions
from supcr_bench.measure.version_times import VersionedCell, VersionTimes
from supcr_bench.store.loaded_run import Run
from supcr_bench.subjects.registry import Subject
from supcr_bench.values.case import PASSES, Case, Workload
from supcr_bench.values.cell import Arm, Cell
from supcr_bench.values.gate import GateOutcome, GateVerdict
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification
from tests.gate.made_runs import made_run
from tests.made_verifications import LATE, NEEDS_MARGIN, NOT_ROBUST, OFF, make_verification

NAMES = ("rowsort", "scan", "mine.py:Loss")
SIZES = (16, 32, 64, 128)
ENDS = (Status.WRONG, Status.FAILED, Status.OUT_OF_MEMORY, Status.TIMED_OUT, Status.SKIPPED)
CHANGES: tuple[Mapping[str, float], ...] = (
    {},
    {},
    {"dispatched_ops": 1.01},
    {"dispatched_ops": 1.3, "elements_processed": 2.5},
    {"dispatched_ops": 0.5},
    {"elements_processed": 0.97},
    {"peak_bytes": 1.008},
    {"peak_bytes": 1.01004},
    {"peak_bytes": 1.4},
    {"python_instructions": 1.2},
    {"law": 1.0},
)
TODAY = date(2026, 11, 26)


@dataclass
class SimulatedSampler:
    """Times of both versions by their true ratio, with noise from process to process."""

    random: np.random.Generator
    slower: Mapping[str, float]
    noise: float
    process_s: float
    cell_s: Mapping[str, float]
    raises: Mapping[str, str]
    fails_at: int | None
    bumps: float
    now: float = 0.0
    given: dict[tuple[str, Case], list[VersionTimes]] = field(default_factory=dict)

    def __call__(self, cells: Sequence[VersionedCell], process: int) -> Sequence[VersionTimes]:
        self.now += self.process_s + sum(self.cell_s[c.implementation] for c in cells)
        if process == self.fails_at:
            raise TimingError("RuntimeError: boom")
        found = [self._times(cell, process) for cell in cells]
        for cell, times in zip(cells, found, strict=True):
            self.given.setdefault((cell.implementation, cell.case), []).append(times)
        return found

    def _times(self, cell: VersionedCell, process: int) -> VersionTimes:
        name = cell.implementation
        if name in self.raises and process == 1:
            return VersionTimes({}, self.raises[name], "RuntimeError: boom")
        ratios = {"before": 1.0, "again": 1.0, "after": self.slower[name]}
        seconds = {
            version: (0.01 * ratio * float(np.exp(self.random.normal(0, self.noise))),) * 3
            for version, ratio in ratios.items()
        }
        totals = {version: sum(own) for version, own in seconds.items()}
        totals["after"] *= self.bumps
        return VersionTimes(seconds, totals=totals, spent_s=self.cell_s[name])

    def clock(self) -> float:
        return self.now


@dataclass(frozen=True, eq=False)
class Gated:
    """What a gate measured, its terms, its outcome, and the true ratio of times."""

    before: Run
    after: Run
    terms: Terms
    outcome: GateOutcome
    slower: Mapping[str, float]
    sampler: SimulatedSampler | None
    allowed: Mapping[str, float]
    accepted: Sequence[Accepted]
    error: str | None


def simulated_gate(seed: int) -> Gated:
    random = np.random.default_rng([19, seed])

    def pick(*pool: Any) -> Any:
        return pool[int(random.integers(len(pool)))]

    names = NAMES[: int(random.integers(1, len(NAMES) + 1))]
    workloads = [Workload(batch_size=n) for n in SIZES[: int(random.integers(1, 5))]]
    passes = PASSES if random.random() < 0.5 else PASSES[1:]
    baseline = bool(random.random() < 0.5)
    timed = not baseline and random.random() < 0.7
    changes = {name: pick(*CHANGES) for name in names}
    plan = [
        Cell(w, tuple(Arm(name, p) for name in names for p in passes), timed=timed)
        for w in workloads
    ]
    keys = [(arm.implementation, cell.case(arm)) for cell in plan for arm in cell.arms]
    ends = {name: pick(None, None, None, *ENDS) for name in names}
    versions = [("3.12.1", "2.6.0")] * 2
    if random.random() < 0.2:
        versions[1] = pick(("3.13.0", "2.6.0"), ("3.12.7", "2.7.0"), ("3.12.1", "2.6.0+cpu"))
    runs = []
    for is_after in (False, True):
        results = []
        for key in keys:
            changed = changes[key[0]] if is_after else {}
            end = None
            if ends[key[0]] and random.random() < (0.5 if is_after else 0.15):
                end = ends[key[0]] if random.random() < 0.8 else pick(*ENDS)
            if random.random() < 0.98:
                results.append(_result(random, key, changed, end))
        checked = [_verification(name, pick) for name in names if random.random() < 0.4]
        python, torch = versions[is_after]
        run = made_run(results, checked)
        run = replace(run, info={"environment": {"python": python, "torch": torch}})
        runs.append(run)
    before, after = runs
    if baseline and random.random() < 0.1:
        before = replace(
            before, results=(*before.results, _result(random, ("old", keys[0][1]), {}))
        )
    known = {r.implementation for r in before.results}
    terms = Terms(
        suite="ci",
        implementations=names,
        baseline=baseline,
        new=frozenset() if baseline else frozenset(names) - known,
        time_budget_s=pick(100.0, 100.0, 40.0),
        given={"max_slowdown": 0.08} if random.random() < 0.1 else {},
    )
    slower = {name: pick(1.0, 1.0, 1.0, 1.03, 1.2, 0.6, 1.07) for name in names}
    found = judge_deterministic(before, after, terms)
    if baseline:
        found += dropped_implementations(before, terms)
    notes = deterministic_notes(before, after, found, terms)
    sampler = trial = None
    of_grid = {name: pick(None, None, None, 0.1) for name in names}
    allowed = {name: of_grid[name] or terms.share("max_slowdown") for name in names}
    if not baseline:
        subjects = {name: Subject(name, "file", f"{name}.py", "Loss") for name in names}
        both = [Versions(name, s, s, (), s) for name, s in subjects.items()]
        cells, others = cells_to_time(plan, both, before, after)
        cells = [replace(cell, max_slowdown=of_grid[cell.implementation]) for cell in cells]
        if cells:
            sampler = SimulatedSampler(
                random,
                slower,
                noise=pick(0.002, 0.002, 0.01, 0.06),
                process_s=pick(1.0, 1.0, 4.0),
                cell_s={name: pick(0.1, 0.1, 12.0) for name in names},
                raises={name: pick("before", "after") for name in names if random.random() < 0.05},
                fails_at=pick(None, None, None, None, None, 0, 5, 19),
                bumps=pick(1.0, 1.0, 1.0, 1.5),
            )
            rule = TimeRule(max_slowdown=terms.share("max_slowdown"), cells=len(cells))
            trial = TimeTrial(cells, rule, sampler, terms.time_budget_s, sampler.clock)
            list(trial.run())
            others = [*trial.changes(["supcr-bench", "gate"]), *others]
        found += others
    accepted = _accepted(random, found) if random.random() < 0.3 else []
    judged, said = apply_accepted(found, accepted, TODAY)
    outcome = GateOutcome(
        suite="ci",
        against="baseline b.json" if baseline else "revision main",
        changes=tuple(judged),
        notes=(*dict.fromkeys(notes), *said),
        time=trial.study if trial else None,
        spent_s=float(random.uniform(1, 4000)) + (sampler.now if sampler else 0.0),
    )
    error = trial.error if trial else None
    return Gated(before, after, terms, outcome, slower, sampler, allowed, accepted, error)


def _verification(name: str, pick: Any) -> Verification:
    failing = pick([], [], [], [OFF], [NOT_ROBUST], [LATE])
    uncallable = {"uncallable": NEEDS_MARGIN} if pick(*[False] * 9, True) else {}
    return make_verification(name, *failing, **uncallable)


def _result(
    random: np.random.Generator,
    key: tuple[str, Case],
    changed: Mapping[str, float],
    end: Status | None = None,
) -> Result:
    name, case = key
    status = end or Status.MEASURED
    figures: dict[str, Any] = {}
    if status.has_figures:
        law = get_law("N^3" if "law" in changed else "N^2")
        whole = {
            "dispatched_ops": 1000.0,
            "elements_processed": 100 * law.of(case.batch_size),
            "peak_bytes": 1000 * get_law("N^2").of(case.batch_size),
            "python_instructions": 5000.0,
        }
        figures = {k: round(v * changed.get(k, 1.0)) for k, v in whole.items()}
        if random.random() < 0.05:
            figures["peak_bytes"] = None
        figures["value_tolerances"] = float(random.choice([3, 9])) if end else 0.5
        if random.random() < 0.03:
            figures["process_changes"] = ("sets the number of threads",)
    return Result(
        implementation=name,
        case=case,
        status=status,
        reason=f"it was {status.words}" if end else None,
        time_limit_s=10.0,
        memory_limit_bytes=int(random.choice([2**30, 2**29])),
        spent_s=float(random.choice([0.1, 5.0])),
        **figures,
    )


def _accepted(random: np.random.Generator, changes: Sequence[Any]) -> list[Accepted]:
    """Entries for some figures: that fit, that no longer do, and one that is of the past."""
    titles = {name: title for title, name in FIGURES.items()}
    worse = [c for c in changes if c.verdict is GateVerdict.REGRESSION] or list(changes)
    found = []
    for change in worse[:2]:
        fits = random.random() < 0.6
        entry = Accepted(
            figure=titles[change.metric],
            reason="checks for NaN",
            expires=TODAY + timedelta(days=10 if random.random() < 0.8 else -10),
            implementation=change.implementation,
            case=change.case.id if change.case and random.random() < 0.7 else None,
            before=change.before if fits and change.metric != "time" else None,
            after=(change.high if change.metric == "time" else change.after) if fits else 0.5,
        )
        found.append(entry)
    return found
