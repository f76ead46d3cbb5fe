"""The sweep with an executor that follows a law: no worker, no torch, no waiting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import make_plan, over_processes
from supcr_bench.sweep.runner import Event, SweepEvent, SweepProgress, run_sweep
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Activity, Failed
from tests.one_machine import OneMachine

BUDGET = Budget(time_limit_s=10.0, memory_limit_bytes=2**30)
Seconds = Callable[[Arm, int], float]


class FakeExecutor(OneMachine):
    """Runs cells by formula.

    Args:
        seconds: of a call of an arm at a batch size.
        ends: status instead of a measurement, by implementation and batch size.
    """

    def __init__(
        self,
        seconds: Seconds = lambda arm, n: 1e-3,
        ends: Mapping[tuple[str, int], Status] | None = None,
    ) -> None:
        self.seconds = seconds
        self.ends = ends or {}
        self.cells: list[Cell] = []

    def preflight(self, subjects: Sequence[Subject], device: str) -> Mapping[str, Subject | Failed]:
        return {s.name: s for s in subjects}

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        self.cells.append(cell)
        yield Activity("inputs", None, 0.0)
        for arm in cell.arms:
            n = cell.workload.batch_size
            status = self.ends.get((arm.implementation, n), Status.MEASURED)
            samples = (self.seconds(arm, n),) * 6 if status is Status.MEASURED else None
            yield Result(
                implementation=arm.implementation,
                case=cell.case(arm),
                status=status,
                session=cell.session,
                time_samples_s=samples,
                peak_bytes=8 * n * n if samples else None,
            )
        yield Account(calls_s=1.0)

    def close(self) -> None:
        self.cells.clear()


def plan(names: Sequence[str] = ("a", "b"), **axes: Any) -> list[Cell]:
    suite = Suite.model_validate(
        {"name": "x", "purpose": "To see.", "implementations": names, "axes": axes}
    )
    return make_plan(suite, names)


def sweep(
    cells: Sequence[Cell],
    executor: FakeExecutor,
    finished: Sequence[Result] = (),
    forecast: Forecast | None = None,
) -> list[SweepEvent]:
    return list(run_sweep(cells, executor, (), forecast or Forecast(BUDGET), finished))


def results(events: Sequence[SweepEvent]) -> list[Result]:
    return [event for event in events if isinstance(event, Result)]


def keys(cells: Sequence[Cell]) -> list[tuple[str, Case]]:
    return [
        (arm.implementation, Case.of(planned.workload, arm.pass_))
        for planned in cells
        for arm in planned.arms
    ]


SIZES = [16, 32, 64, 128]


def merged(rows: Sequence[Result]) -> list[Result]:
    """The results as a run is loaded: those of further processes with the first one's."""
    found: dict[object, Result] = {}
    for row in rows:
        first = found.setdefault(row.key, row)
        found[row.key] = first if first is row else first.with_further(row)
    return list(found.values())


def test_processes_follow_each_other_and_each_result_has_the_samples_of_all() -> None:
    executor = FakeExecutor()
    found = results(sweep(over_processes(plan(batch_size=[16, 32], dims=[1, 2]), 3), executor))
    assert [c.process for c in executor.cells] == [1] * 4 + [2] * 4 + [3] * 4
    assert len(found) == 3 * 16
    first = {cell.session for cell in executor.cells[:4]}
    for result in merged(found):
        assert len(result.processes) == 3
        assert set(result.processes) & first
        assert result.samples_s == (1e-3,) * 18
        assert result.peak_bytes is not None


def test_an_interrupted_run_over_processes_goes_on_where_it_stopped() -> None:
    cells = over_processes(plan(batch_size=[16, 32]), 3)
    whole = results(sweep(cells, FakeExecutor()))
    for stored in range(len(whole) + 1):
        before = merged(whole[:stored])
        rest = results([*run_sweep(cells, FakeExecutor(), (), Forecast(BUDGET), before)])
        assert len(rest) == len(whole) - stored
        assert {len(r.samples_s) for r in merged([*before, *rest])} == {18}


def test_what_has_no_time_in_the_first_process_is_not_timed_in_a_further_one() -> None:
    executor = FakeExecutor(ends={("a", 16): Status.FAILED, ("a", 32): Status.OUT_OF_MEMORY})
    cells = over_processes(plan(batch_size=[16, 32, 64]), 2)
    found = results(sweep(cells, executor))
    assert [r.key for r in found if r.implementation == "a"] == [
        r.key for r in merged(found) if r.implementation == "a"
    ]
    untimed = [replace(cell, timed=False) for cell in plan(batch_size=[16])]
    assert over_processes(untimed, 5) == untimed


@pytest.mark.parametrize(
    ("status", "processes"), [(Status.FAILED, 0), (Status.TIMED_OUT, 3), (Status.WRONG, 3)]
)
def test_an_end_in_a_further_process_is_told(status: Status, processes: int) -> None:
    class EndsInTheSecond(FakeExecutor):
        def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
            for event in super().run(cell, subjects, budget):
                if isinstance(event, Result) and cell.process == 2:
                    samples = event.time_samples_s if status is Status.WRONG else None
                    event = replace(event, status=status, reason="so", time_samples_s=samples)
                yield event

    cells = over_processes(plan(["a"], batch_size=[16], **{"pass": "forward"}), 4)
    (found,) = merged(results(sweep(cells, EndsInTheSecond())))
    if status is Status.TIMED_OUT:
        assert (found.status, found.reason) == (Status.MEASURED, None)
    else:
        assert (found.status, found.reason) == (status, "in a further process: so")
    assert len(found.processes) == processes + (status is Status.WRONG)


@pytest.mark.parametrize(
    "executor",
    [
        FakeExecutor(),
        FakeExecutor(lambda arm, n: 1e-6 * n**3),
        FakeExecutor(ends={("a", 32): Status.OUT_OF_MEMORY, ("b", 64): Status.TIMED_OUT}),
        FakeExecutor(ends={("a", 16): Status.FAILED}),
    ],
)
def test_every_arm_of_the_plan_has_exactly_one_result(executor: FakeExecutor) -> None:
    cells = plan(batch_size=SIZES, dims=[1, 2])
    found = results(sweep(cells, executor))
    assert sorted(map(str, (r.key for r in found))) == sorted(map(str, keys(cells)))


def test_batch_sizes_rise_within_a_series() -> None:
    executor = FakeExecutor()
    sweep(plan(batch_size=[64, 16, 32], dims=[1, 2]), executor)
    assert [c.workload.batch_size for c in executor.cells] == [16, 32, 64] * 2
    assert [c.workload.dims for c in executor.cells] == [1] * 3 + [2] * 3


def test_each_cell_is_a_session_of_its_own() -> None:
    executor = FakeExecutor()
    found = results(sweep(plan(batch_size=SIZES), executor))
    sessions = [c.session for c in executor.cells]
    assert len(set(sessions)) == 4
    assert {r.session for r in found if r.case.batch_size == 32} == {sessions[1]}


def test_a_cell_is_announced_before_its_results_and_events_pass_through() -> None:
    events = sweep(plan(["a"], batch_size=[16], **{"pass": "forward"}), FakeExecutor())
    assert [type(event) for event in events] == [SweepProgress, Activity, Result, Account]
    started = events[0]
    assert isinstance(started, SweepProgress)
    assert started.index == 0
    assert started.started is not None
    assert started.started.workload.batch_size == 16


def test_finished_results_are_not_run_again() -> None:
    cells = plan(batch_size=SIZES)
    whole = results(sweep(cells, FakeExecutor()))
    executor = FakeExecutor()
    rest = results(sweep(cells, executor, finished=whole[:6]))
    assert [r.key for r in whole[:6]] + [r.key for r in rest] == [r.key for r in whole]
    assert executor.cells[0].arms == cells[1].arms[2:]
    assert results(sweep(cells, FakeExecutor(), finished=whole)) == []
    assert sweep(cells, FakeExecutor(), finished=whole) == []


def test_a_skipped_result_is_finished_too() -> None:
    cells = plan(["a"], batch_size=SIZES)
    slow: Seconds = lambda arm, n: 0.1 * n  # noqa: E731
    whole = results(sweep(cells, FakeExecutor(slow)))
    assert any(r.status is Status.SKIPPED for r in whole)
    assert sweep(cells, FakeExecutor(slow), finished=whole) == []


def test_what_is_predicted_not_to_fit_is_a_skipped_row_with_its_reason() -> None:
    def seconds(arm: Arm, n: int) -> float:
        return 1e-4 * n**2 if arm.implementation == "a" else 1e-3

    executor = FakeExecutor(seconds)
    found = results(sweep(plan(batch_size=[16, 32, 256]), executor))
    skipped = [r for r in found if r.status is Status.SKIPPED]
    assert {(r.implementation, r.case.batch_size) for r in skipped} == {("a", 256)}
    for result in skipped:
        assert result.predicted_s == pytest.approx(1e-4 * 256**2)
        assert "N^2.0" in str(result.reason)
        assert result.time_samples_s is None
        assert result.time_limit_s == BUDGET.time_limit_s
        assert result.memory_limit_bytes == BUDGET.memory_limit_bytes
    assert executor.cells[-1].arms == (Arm("b", "forward"), Arm("b", "training"))


def test_a_claim_is_enough_to_skip_after_one_size() -> None:
    cells = plan(["a"], batch_size=[32, 1024])
    found = results(
        sweep(
            cells, FakeExecutor(lambda arm, n: 0.01), forecast=Forecast(BUDGET, {"a": LAWS["N^3"]})
        )
    )
    assert [r.status for r in found] == [Status.MEASURED] * 2 + [Status.SKIPPED] * 2
    assert all(word in str(found[-1].reason) for word in ("N^3", "claim", "N=32"))


@pytest.mark.parametrize("status", [Status.OUT_OF_MEMORY, Status.TIMED_OUT])
def test_after_the_end_of_a_series_its_larger_sizes_are_skipped(status: Status) -> None:
    executor = FakeExecutor(ends={("a", 32): status})
    found = results(sweep(plan(batch_size=SIZES), executor))
    by_size = {
        n: {r.status for r in found if r.case.batch_size == n and r.implementation == "a"}
        for n in SIZES
    }
    assert by_size == {
        16: {Status.MEASURED},
        32: {status},
        64: {Status.SKIPPED},
        128: {Status.SKIPPED},
    }
    assert {r.status for r in found if r.implementation == "b"} == {Status.MEASURED}


def test_a_failure_does_not_keep_larger_sizes_from_being_tried() -> None:
    found = results(
        sweep(plan(["a"], batch_size=SIZES), FakeExecutor(ends={("a", 16): Status.FAILED}))
    )
    assert Status.SKIPPED not in {r.status for r in found}


def test_when_no_arm_is_left_to_run_the_executor_is_not_asked() -> None:
    executor = FakeExecutor(ends={("a", 16): Status.TIMED_OUT})
    sweep(plan(["a"], batch_size=SIZES), executor)
    assert [c.workload.batch_size for c in executor.cells] == [16]


def test_finished_results_teach_the_forecast() -> None:
    cells = plan(["a"], batch_size=[16, 32])
    ended = Result(
        implementation="a",
        case=Case.of(cells[0].workload, "forward"),
        status=Status.TIMED_OUT,
    )
    found = results(sweep(cells, FakeExecutor(), finished=[ended]))
    status = {(r.case.batch_size, r.case.pass_): r.status for r in found}
    assert status == {
        (16, "training"): Status.MEASURED,
        (32, "forward"): Status.SKIPPED,
        (32, "training"): Status.MEASURED,
    }


def test_the_time_left_falls_towards_the_end() -> None:
    events = sweep(plan(batch_size=SIZES), FakeExecutor())
    left = [event.left_s for event in events if isinstance(event, SweepProgress)]
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0


def test_the_time_left_counts_what_arms_take_beside_their_calls() -> None:
    class Slow(FakeExecutor):
        """Each arm takes two seconds."""

        def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
            yield from super().run(cell, subjects, budget)
            yield from (Took(arm, 2.0) for arm in cell.arms)

    cells = plan(batch_size=SIZES)
    events = sweep(cells, Slow())
    left = [event.left_s for event in events if isinstance(event, SweepProgress)]
    references_s = [Forecast(BUDGET).reference_s(cell.workload) for cell in cells]
    arms_s = 2.0 * len(cells[0].arms)
    expected = [arms_s * k + sum(references_s[-k:]) for k in (3, 2, 1)]
    assert left[1:] == pytest.approx(expected)


def test_a_peak_is_predicted_from_sizes_up_to_a_quarter_before_it_is_measured() -> None:
    sizes = [16, 24, 32, 48, 64, 128, 256]
    events = sweep(plan(names=("a",), batch_size=sizes), FakeExecutor())
    found = {e.case.batch_size: e for e in events if isinstance(e, Result)}
    last = found[256]
    assert last.predicted_peak_from == 64
    assert last.predicted_peak_bytes == pytest.approx(8 * 256 * 256)
    assert last.predicted_peak_low_bytes is not None
    assert last.predicted_peak_high_bytes is not None
    assert last.predicted_peak_low_bytes <= 8 * 256 * 256 <= last.predicted_peak_high_bytes
    assert found[128].predicted_peak_bytes is None  # three sizes up to 32 are too few
