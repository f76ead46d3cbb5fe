"""The changes of time that a trial found, and which slowdown it could have detected."""

import math
import shlex
from collections.abc import Mapping, Sequence
from statistics import median

from supcr_bench.gate.time_trial import AFTER, AGAIN, BEFORE, CellTrial, TimeTrial
from supcr_bench.gate.versions import Versions
from supcr_bench.measure.sides import SidedCell
from supcr_bench.values.cell import Cell
from supcr_bench.values.change import Direction
from supcr_bench.values.gate import GatedChange, GateVerdict, TimeStudy
from supcr_bench.values.result import Key, Result
from supcr_bench.values.units import format_share


def cells_to_time(
    plan: Sequence[Cell],
    versions: Sequence[Versions],
    before: Mapping[Key, Result],
    after: Mapping[Key, Result],
) -> tuple[list[SidedCell], list[GatedChange]]:
    """The timed cells of a plan that both versions answered, and the verdicts on the others.

    Where the version after has no answer, the change of its agreement says so, and there is none
    of time.

    Args:
        plan: the plan of the versions after.
        versions: the versions of every implementation.
        before: results of the versions before, under the names of those after.
        after: results of the versions after.
    """
    cells: list[SidedCell] = []
    others: list[GatedChange] = []
    by_name = {v.name: v for v in versions}
    for planned in plan:
        for arm in planned.arms if planned.timed else ():
            both = by_name.get(arm.implementation)
            if both is None or both.before is None:
                continue  # the change of its agreement says that it is new or cannot be called
            key = (arm.implementation, planned.case(arm))
            if planned.workload.ranks > 1:
                why = (
                    "the gate does not time a batch that several ranks share; `timed = false` in "
                    "the suite leaves it to the counts"
                )
                others.append(_change(key, GateVerdict.UNDECIDED, why))
                continue
            first, second = before.get(key), after.get(key)
            if first is None or not first.status.has_figures:
                status = first.status.words if first else "not run"
                others.append(_change(key, GateVerdict.NEW, f"not timed: {status} before"))
            elif second is not None and second.status.has_figures:
                sides = {BEFORE: both.before, AGAIN: both.before, AFTER: both.after}
                cells.append(SidedCell(*key, sides))
    return cells, others


def _change(key: Key, verdict: GateVerdict, reason: str) -> GatedChange:
    return GatedChange(
        metric="time", implementation=key[0], case=key[1], verdict=verdict, reason=reason
    )


def time_changes(trial: TimeTrial, command: Sequence[str]) -> list[GatedChange]:
    """One change for each cell of a trial.

    Args:
        trial: after it has run.
        command: the gate's command without its implementations.
    """
    return [_cell_change(cell, trial.error, command) for cell in trial.trials]


def _cell_change(trial: CellTrial, error: str | None, command: Sequence[str]) -> GatedChange:
    cell, decision = trial.cell, trial.decision
    key = (cell.implementation, cell.case)
    if trial.raised is not None:
        now = trial.raised.raised_by == AFTER
        verdict = GateVerdict.REGRESSION if now else GateVerdict.UNDECIDED
        which = "the version now" if now else "the version before"
        return _change(key, verdict, f"{which} raised while it was timed: {trial.raised.reason}")
    if decision is None:
        why = f"not timed: {error or 'no process came to its end'}"
        return _change(key, GateVerdict.UNDECIDED, why)
    low, high, reason = decision.after.low, decision.after.high, decision.reason
    direction = Direction.UNDECIDED
    if low is not None and high is not None and (low > 0 or high < 0):
        direction = Direction.SLOWER if low > 0 else Direction.FASTER
    if decision.verdict is GateVerdict.REGRESSION and low is not None:
        reason = f"slower by at least {format_share(math.expm1(low))}"
    return GatedChange(
        metric="time",
        implementation=cell.implementation,
        case=cell.case,
        verdict=decision.verdict,
        reason=reason,
        before=median(trial.before_s),
        after=median(trial.after_s),
        ratio=math.exp(decision.after.estimate),
        low=None if low is None else math.exp(low),
        high=None if high is None else math.exp(high),
        direction=direction,
        command=shlex.join([*command, "-i", cell.implementation]),
    )


def study_of(trial: TimeTrial) -> TimeStudy:
    """The effort of a trial, and the slowdown that it could have detected."""
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
