"""Sweeps with several cells open at once, on machines made up: no Ray, no torch, no clock."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest

from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.cluster_executor import ATTEMPTS, ClusterExecutor, Slot, SlotLostError
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.sweep.plan import make_plan, over_processes
from supcr_bench.sweep.runner import Event, SweepEvent, SweepProgress, run_sweep
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.cell import Account, Cell
from supcr_bench.values.errors import WorkerError
from supcr_bench.values.result import Result, Status
from supcr_bench.workers.messages import Activity, Failed
from tests.made_machines import BUDGET, MadeBackend, made_slots
from tests.patience import HANGS_S

NAMES = ("a", "b")
SIZES = [16, 32, 64]


def plan(**axes: object) -> list[Cell]:
    axes = {"batch_size": SIZES, "dims": [1, 2, 3, 4], **axes}
    suite = {"name": "x", "purpose": "To see.", "implementations": NAMES, "axes": axes}
    return make_plan(Suite.model_validate(suite), NAMES)


def sweep(
    cells: Sequence[Cell],
    machines: MadeBackend,
    slots: Sequence[Slot],
    finished: Sequence[Result] = (),
) -> list[SweepEvent]:
    executor = ClusterExecutor(slots, machines)
    return list(run_sweep(cells, executor, (), Forecast(BUDGET), finished))


def results(events: Sequence[SweepEvent]) -> list[Result]:
    return [event for event in events if isinstance(event, Result)]


def assert_each_arm_once(cells: Sequence[Cell], found: Sequence[Result]) -> None:
    wanted = Counter(
        (arm.implementation, arm.pass_, cell.workload) for cell in cells for arm in cell.arms
    )
    assert Counter((r.implementation, r.case.pass_, r.case.workload) for r in found) == wanted


def meeting() -> Callable[[Slot, Cell, int], None]:
    """Have the first cells of the first two series wait for each other."""
    both = threading.Barrier(2, timeout=HANGS_S)

    def meet(slot: Slot, cell: Cell, n: int) -> None:
        if n == 0 and cell.workload.batch_size == SIZES[0] and cell.workload.dims <= 2:
            both.wait()

    return meet


def test_every_arm_has_one_result_and_no_machine_two_cells() -> None:
    cells, machines = plan(), MadeBackend(meeting())
    events = sweep(cells, machines, made_slots("x", "x", "x"))
    assert_each_arm_once(cells, results(events))
    assert machines.most_busy == 1
    assert 1 < machines.most_open <= 3
    assert sum(event.calls_s for event in events if isinstance(event, Account)) == len(cells)


def test_a_process_begins_when_the_one_before_has_ended_on_every_machine() -> None:
    cells, machines = over_processes(plan(dims=[1, 2]), 2), MadeBackend(meeting())
    found = results(sweep(cells, machines, made_slots("x", "x")))
    assert_each_arm_once(cells, found)
    further = [bool(result.further_samples_s) for result in found]
    assert further == sorted(further)
    assert 2 * sum(further) == len(found)


def test_sizes_of_a_series_run_one_after_the_other() -> None:
    machines = MadeBackend()
    sweep(plan(), machines, made_slots("x", "x", "x"))
    for dims in (1, 2, 3, 4):
        sizes = [c.workload.batch_size for _, c in machines.begun if c.workload.dims == dims]
        assert sizes == SIZES


def test_what_is_skipped_does_not_hang_on_what_runs_beside_it() -> None:
    cells = plan(batch_size=[16, 32, 64, 128, 256])
    alone = results(sweep(cells, MadeBackend(), made_slots("x")))
    beside = results(sweep(cells, MadeBackend(), made_slots("x", "x", "x")))
    assert any(r.status is Status.SKIPPED for r in alone)
    by_key = {r.key: (r.status, r.reason) for r in alone}
    assert {r.key: (r.status, r.reason) for r in beside} == by_key
    assert {r.machine for r in beside} == {made_slots("x")[0].machine}


def test_a_display_is_told_how_many_are_open_and_how_many_have_ended() -> None:
    cells = plan()
    events = sweep(cells, MadeBackend(meeting()), made_slots("x", "x"))
    started = [e for e in events if isinstance(e, SweepProgress) and e.started]
    ended = [e for e in events if isinstance(e, SweepProgress) and not e.started]
    assert sorted(e.index or 0 for e in started) == list(range(len(cells)))
    assert [e.ended for e in ended] == list(range(1, len(cells) + 1))
    assert max(len(e.open) for e in started) == 2
    assert ended[-1].open == ()
    assert ended[-1].left_s == 0


def test_finished_results_are_not_run_again_and_their_machine_goes_on() -> None:
    cells, slots = plan(), made_slots("x", "y")
    y = slots[1].machine
    whole = results(sweep(cells, MadeBackend(), slots))
    before = [replace(r, machine=y) for r in whole if r.case.batch_size == 16]
    machines = MadeBackend()
    rest = results(sweep(cells, machines, slots, finished=before))
    assert_each_arm_once(cells, [*before, *rest])
    assert {node for node, _ in machines.begun} == {"1"}


def test_what_a_lost_machine_leaves_undone_is_run_elsewhere_once() -> None:
    def fails(slot: Slot, cell: Cell, n: int) -> None:
        if slot.node == "0" and n == 2:
            raise SlotLostError("the machine was lost", node_lost=True)

    cells, machines = plan(), MadeBackend(fails)
    found = results(sweep(cells, machines, made_slots("x", "x", "x")))
    assert_each_arm_once(cells, found)
    assert {r.status for r in found} == {Status.MEASURED}
    lost = [cell for node, cell in machines.begun if node == "0"]
    assert len(lost) == 1
    again = [c for node, c in machines.begun if node != "0" and c.workload == lost[0].workload]
    assert [len(c.arms) for c in again] == [2]
    assert again[0].session != lost[0].session


def test_a_cell_that_is_lost_each_time_is_a_failed_row_with_the_reason() -> None:
    def fails(slot: Slot, cell: Cell, n: int) -> None:
        if cell.workload.batch_size == 32 and n == 1:
            raise SlotLostError("its process was killed", node_lost=False)

    cells, machines = plan(dims=1), MadeBackend(fails)
    found = results(sweep(cells, machines, made_slots("x", "x")))
    assert_each_arm_once(cells, found)
    failed = [r for r in found if r.status is Status.FAILED]
    assert {r.case.batch_size for r in failed} == {32}
    assert len(failed) == 1  # each attempt had got one arm further
    assert "machine 0: its process was killed" in str(failed[0].reason)
    assert sum(c.workload.batch_size == 32 for _, c in machines.begun) == ATTEMPTS


def test_an_answer_that_ends_early_is_a_loss() -> None:
    class Silent(MadeBackend):
        def measure(self, slot: Slot, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
            yield Activity("time", None, time.monotonic())

    cells = plan(dims=1, batch_size=16)
    found = results(sweep(cells, Silent(), made_slots("x")))
    assert_each_arm_once(cells, found)
    assert all("ended without a result" in str(r.reason) for r in found)


def test_what_could_not_be_handed_over_does_not_count_against_a_cell() -> None:
    def fails(slot: Slot, cell: Cell, n: int) -> None:
        if slot.node != "4":
            raise SlotLostError("no longer there", node_lost=True, started=False)

    found = results(sweep(plan(dims=1), MadeBackend(fails), made_slots(*"xxxxx")))
    assert {r.status for r in found} == {Status.MEASURED}


def test_with_no_machine_left_the_sweep_ends_with_what_was_found() -> None:
    def fails(slot: Slot, cell: Cell, n: int) -> None:
        if cell.workload.batch_size == 32:
            raise SlotLostError("the machine was lost", node_lost=True)

    found: list[Result] = []
    executor = ClusterExecutor(made_slots("x", "x"), MadeBackend(fails))
    with pytest.raises(WorkerError, match="--resume"):
        for event in run_sweep(plan(dims=1), executor, (), Forecast(BUDGET)):
            if isinstance(event, Result):
                found.append(event)
    assert [r.case.batch_size for r in found] == [16] * 4


def test_an_error_of_one_cell_surfaces_after_what_the_others_had_found() -> None:
    def fails(slot: Slot, cell: Cell, n: int) -> None:
        if cell.workload.dims == 2:
            raise ValueError("a mistake")

    before, machines = threading.active_count(), MadeBackend(fails)
    executor = ClusterExecutor(made_slots("x", "x"), machines)
    with pytest.raises(ValueError, match="a mistake"):
        list(run_sweep(plan(), executor, (), Forecast(BUDGET)))
    assert not +machines.busy
    assert threading.active_count() == before


def test_closing_a_sweep_ends_what_is_open() -> None:
    go_on = threading.Event()

    def fails(slot: Slot, cell: Cell, n: int) -> None:
        if n:
            go_on.wait(0.05)

    before, machines = threading.active_count(), MadeBackend(fails)
    executor = ClusterExecutor(made_slots("x", "x"), machines)
    with closing(run_sweep(plan(), executor, (), Forecast(BUDGET))) as events:
        next(event for event in events if isinstance(event, Result))
    assert machines.ended_early >= 1
    assert not +machines.busy
    assert threading.active_count() == before


def test_a_subject_that_one_machine_lacks_is_found_and_the_machine_named() -> None:
    executor = ClusterExecutor(made_slots("x", "x", "x"), MadeBackend())
    found = executor.preflight((), "cpu")
    assert found["a"] == Failed("is not there (on machine 1)")


def test_series_of_unlike_machines_are_forecast_apart() -> None:
    def slow_on_x(slot: Slot, cell: Cell, n: int) -> None:
        if slot.environment["cpu"] == "x" and cell.workload.batch_size == 32:
            raise SlotLostError("the machine was lost", node_lost=True)

    cells = plan(dims=1, batch_size=[16, 32, 256])
    found = results(sweep(cells, MadeBackend(slow_on_x), made_slots("x", "y")))
    assert_each_arm_once(cells, found)
    x, y = (p.machine for p in made_slots("x", "y"))
    assert {(r.case.batch_size, r.machine) for r in found} == {(16, x), (32, y), (256, y)}
