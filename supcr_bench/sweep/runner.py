"""The sweep: cells in order, each result yielded as soon as it is known. It prints nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.executor import Event, Executor
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import PlannedCell
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Arm, Budget, new_session
from supcr_bench.values.result import Result, Status


@dataclass(frozen=True, slots=True)
class CellStarted:
    """A cell is about to run.

    Attributes:
        index: of the cell in the plan, from 0.
        cell: the cell.
        left_s: rough seconds until the sweep ends.
    """

    index: int
    cell: PlannedCell
    left_s: float


SweepEvent = Event | CellStarted


def run_sweep(
    plan: Sequence[PlannedCell],
    executor: Executor,
    subjects: Sequence[Subject],
    budget: Budget,
    forecast: Forecast,
    finished: Sequence[Result] = (),
    session: Callable[[], str] = new_session,
) -> Iterator[SweepEvent]:
    """Run a plan.

    Args:
        plan: the cells, in order.
        executor: runs a cell.
        subjects: the implementations by name.
        budget: of each arm.
        forecast: decides what is skipped; learns from every result.
        finished: results of an earlier start of the same run; none of them is measured again.
        session: names executions.

    Yields:
        one result for every arm of the plan that is not finished, and what happens between.
    """
    done = {result.key for result in finished}
    for result in finished:
        forecast.observe(result)
    for index, planned in enumerate(plan):
        case = {arm: Case.of(planned.workload, arm.pass_) for arm in planned.arms}
        wanted = [arm for arm in planned.arms if (arm.implementation, case[arm]) not in done]
        if not wanted:
            continue
        yield CellStarted(index, planned, _left_s(plan[index:], forecast, budget, done))
        runnable: list[Arm] = []
        for arm in wanted:
            prediction = forecast.skip(arm.implementation, case[arm], budget, timed=planned.timed)
            if prediction is None:
                runnable.append(arm)
                continue
            yield Result(
                implementation=arm.implementation,
                case=case[arm],
                status=Status.SKIPPED,
                reason=prediction.reason,
                predicted_s=prediction.seconds,
                time_limit_s=budget.time_limit_s,
                memory_limit_bytes=budget.memory_limit_bytes,
            )
        if not runnable:
            continue
        peaks = {
            (arm.implementation, case[arm]): peak
            for arm in runnable
            if (peak := forecast.peak(arm.implementation, case[arm]))
        }
        for event in executor.run(planned.as_cell(runnable, session()), subjects, budget):
            if isinstance(event, Result):
                peak = peaks.get(event.key)
                found = peak.attach(event) if peak else event
                forecast.observe(found)
                yield found
            else:
                yield event


def _left_s(
    rest: Sequence[PlannedCell],
    forecast: Forecast,
    budget: Budget,
    done: set[tuple[str, Case]],
) -> float:
    return sum(
        forecast.expected_s(arm.implementation, case, budget, timed=planned.timed)
        for planned in rest
        for arm in planned.arms
        if (arm.implementation, case := Case.of(planned.workload, arm.pass_)) not in done
    )
