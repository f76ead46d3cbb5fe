"""The trial of time put into judgements, and what it could have seen."""

import math
import shlex
from collections.abc import Mapping, Sequence
from statistics import median

from supcr_bench.gate.time_trial import AFTER, AGAIN, BEFORE, CellTrial, TimeTrial
from supcr_bench.gate.versions import Versions
from supcr_bench.measure.sides import SidedCell
from supcr_bench.sweep.plan import PlannedCell
from supcr_bench.values.gate import Judgement, Ruling, TimeStudy
from supcr_bench.values.result import Key, Result
from supcr_bench.values.units import format_share


def cells_to_time(
    plan: Sequence[PlannedCell],
    versions: Sequence[Versions],
    before: Mapping[Key, Result],
    after: Mapping[Key, Result],
) -> tuple[list[SidedCell], list[Judgement]]:
    """The timed cells of a plan that both versions answered, and the rulings on the others.

    Where the version after has no answer, its agreement says so, and nothing is said of time.

    Args:
        plan: of the versions after.
        versions: of every implementation.
        before: what the versions before gave when they were counted, by the names of those after.
        after: what the versions after gave.
    """
    found: list[SidedCell] = []
    others: list[Judgement] = []
    by_name = {v.name: v for v in versions}
    for cell in plan:
        for arm in cell.arms if cell.timed else ():
            own = by_name.get(arm.implementation)
            if own is None or own.before is None:
                continue  # its agreement says that it is new, or cannot be called
            key = (arm.implementation, cell.case(arm))
            if cell.workload.ranks > 1:
                why = "the gate does not time what ranks share; `timed = false` keeps it to counts"
                others.append(_judgement(key, Ruling.UNDECIDED, why))
                continue
            first, second = before.get(key), after.get(key)
            if first is None or not first.status.has_figures:
                was = first.status.words if first else "not run"
                others.append(_judgement(key, Ruling.NEW, f"not timed: {was} before"))
            elif second is not None and second.status.has_figures:
                sides = {BEFORE: own.before, AGAIN: own.before, AFTER: own.after}
                found.append(SidedCell(*key, sides))
    return found, others


def _judgement(key: Key, ruling: Ruling, reason: str | None) -> Judgement:
    return Judgement(
        figure="time", implementation=key[0], case=key[1], ruling=ruling, reason=reason
    )


def judge_times(trial: TimeTrial, command: Sequence[str]) -> list[Judgement]:
    """One judgement for each cell of a trial that has ended.

    Args:
        trial: of the cells.
        command: the gate's own, to which ``-i`` and a name are added.
    """
    return [_of_cell(t, trial.error, command) for t in trial.trials]


def _of_cell(trial: CellTrial, error: str | None, command: Sequence[str]) -> Judgement:
    cell, ruled = trial.cell, trial.ruled
    if trial.raised is not None:
        side, why = trial.raised.side, trial.raised.reason
        ruling = Ruling.REGRESSION if side == AFTER else Ruling.UNDECIDED
        return _judgement((cell.implementation, cell.case), ruling, f"{side} raised: {why}")
    if ruled is None:
        why = f"not timed: {error or 'no process came to its end'}"
        return _judgement((cell.implementation, cell.case), Ruling.UNDECIDED, why)
    low, high, reason = ruled.after.low, ruled.after.high, ruled.reason
    if ruled.ruling is Ruling.REGRESSION and low is not None:
        reason = f"slower by at least {format_share(math.expm1(low))}"
    return Judgement(
        figure="time",
        implementation=cell.implementation,
        case=cell.case,
        ruling=ruled.ruling,
        reason=reason,
        before=median(trial.before_s),
        after=median(trial.after_s),
        ratio=math.exp(ruled.after.estimate),
        low=None if low is None else math.exp(low),
        high=None if high is None else math.exp(high),
        command=shlex.join([*command, "-i", cell.implementation]),
    )


def study_of(trial: TimeTrial) -> TimeStudy:
    """What a trial took, and what it could have seen."""
    rule, intervals = trial.rule, trial.again_intervals
    bounds = [(i.low, i.high) for i in intervals if i.low is not None and i.high is not None]
    farthest = max(bounds, key=lambda b: max(abs(b[0]), abs(b[1])), default=None)
    detectable = [d for i in intervals if (d := rule.detectable(i)) is not None]
    return TimeStudy(
        max_slowdown=rule.max_slowdown,
        error=rule.error,
        processes=trial.processes,
        cells=len(trial.trials),
        spent_s=trial.spent_s,
        budget_s=trial.budget_s,
        noise_floor=math.expm1(max(map(abs, farthest))) if farthest else None,
        again_low=math.exp(farthest[0]) if farthest else None,
        again_high=math.exp(farthest[1]) if farthest else None,
        again_covers=sum(low <= 0 <= high for low, high in bounds) if bounds else None,
        detectable=max(detectable, default=None),
    )
