"""Who measures what: no two cells on what they would share, a series on one kind of machine."""

from contextlib import ExitStack

import pytest

from supcr_bench.sweep.cluster_executor import Slot, SlotPool
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import WorkerError

CPU = Workload(batch_size=8)
CUDA = Workload(batch_size=8, device="cuda")


def slot(node: str, kind: str = "a cpu", gpu: int | None = None) -> Slot:
    return Slot(
        node=node,
        name=f"machine {node}",
        gpu=gpu,
        cpus=4,
        devices=("cpu",) if gpu is None else ("cuda", "cuda:0"),
        environment={"cpu": kind},
        budget=Budget(),
    )


def take(slots: SlotPool, stack: ExitStack, workload: Workload, *avoid: str) -> Slot | None:
    return stack.enter_context(slots.acquire(workload, avoid, wait_s=0.0))


def test_a_machine_takes_one_cell_at_a_time() -> None:
    slots = SlotPool([slot("1"), slot("2")])
    assert slots.max_busy == 2
    with ExitStack() as stack:
        taken = [take(slots, stack, CPU) for _ in range(3)]
        assert [p and p.node for p in taken] == ["1", "2", None]
    with ExitStack() as stack:
        assert take(slots, stack, CPU) is slots.all[0]


def test_each_gpu_takes_a_cell_and_none_on_the_cpu_is_beside_them() -> None:
    slots = SlotPool([slot("1"), slot("1", gpu=0), slot("1", gpu=1)])
    assert slots.max_busy == 2
    assert slots.devices == ("cpu", "cuda", "cuda:0")
    with ExitStack() as stack:
        assert [(p := take(slots, stack, CUDA)) and p.gpu for _ in range(3)] == [0, 1, None]
        assert take(slots, stack, CPU) is None
    with ExitStack() as stack:
        assert take(slots, stack, CPU) is slots.all[0]
        assert take(slots, stack, CUDA) is None


def test_a_series_stays_on_its_kind_while_one_of_it_lives() -> None:
    slots = SlotPool([slot("1", "slow"), slot("2", "fast"), slot("3", "slow")])
    slow, fast = slots.all[0].machine, slots.all[1].machine
    assert slots.kind_for(CPU, None) == slow
    assert slots.kind_for(Workload(batch_size=999), None) == slow
    slots.mark_node_lost("1")
    assert slots.kind_for(CPU, None) == slow
    with ExitStack() as stack:
        taken = [take(slots, stack, CPU) for _ in range(2)]
        assert [p and p.node for p in taken] == ["3", None]  # it waits, with a fast one free
    slots.mark_node_lost("3")
    assert slots.kind_for(CPU, slow) == fast


def test_series_are_spread_over_the_kinds_by_their_room() -> None:
    slots = SlotPool([slot("1", "x"), slot("2", "x"), slot("3", "y")])
    kinds = [slots.kind_for(Workload(batch_size=8, dims=d), None) for d in range(1, 7)]
    x, y = slots.all[0].machine, slots.all[2].machine
    assert [kinds.count(x), kinds.count(y)] == [4, 2]


def test_what_measured_a_series_before_goes_on_with_it() -> None:
    slots = SlotPool([slot("1", "x"), slot("2", "y")])
    y = slots.all[1].machine
    assert slots.kind_for(CPU, y) == y
    assert slots.kind_for(CPU, None) == y
    assert slots.kind_for(CPU, "of an earlier start") == y


def test_a_machine_that_was_lost_to_a_cell_is_taken_last() -> None:
    slots = SlotPool([slot("1"), slot("2")])
    with ExitStack() as stack:
        assert take(slots, stack, CPU, "1") is slots.all[1]
        assert take(slots, stack, CPU, "1") is None
    slots.mark_node_lost("2")
    with ExitStack() as stack:
        assert take(slots, stack, CPU, "1") is slots.all[0]


def test_without_a_machine_left_it_says_that_nothing_is_lost() -> None:
    slots = SlotPool([slot("1"), slot("2", gpu=0)])
    slots.mark_node_lost("2")
    assert slots.kind_for(CPU, None)
    with pytest.raises(WorkerError, match="--resume"):
        slots.kind_for(CUDA, None)
