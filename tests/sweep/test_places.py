"""Who measures what: no two cells on what they would share, a series on one kind of machine."""

from contextlib import ExitStack

import pytest

from supcr_bench.sweep.places import Place, Places
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget
from supcr_bench.values.errors import WorkerError

CPU = Workload(batch_size=8)
CUDA = Workload(batch_size=8, device="cuda")


def place(node: str, kind: str = "a cpu", gpu: int | None = None) -> Place:
    return Place(
        node=node,
        name=f"machine {node}",
        gpu=gpu,
        cpus=4,
        devices=("cpu",) if gpu is None else ("cuda", "cuda:0"),
        environment={"cpu": kind},
        budget=Budget(),
    )


def take(places: Places, stack: ExitStack, workload: Workload, *avoid: str) -> Place | None:
    return stack.enter_context(places.taking(workload, avoid, wait_s=0.0))


def test_a_machine_takes_one_cell_at_a_time() -> None:
    places = Places([place("1"), place("2")])
    assert places.at_once == 2
    with ExitStack() as stack:
        taken = [take(places, stack, CPU) for _ in range(3)]
        assert [p and p.node for p in taken] == ["1", "2", None]
    with ExitStack() as stack:
        assert take(places, stack, CPU) is places.all[0]


def test_each_gpu_takes_a_cell_and_none_on_the_cpu_is_beside_them() -> None:
    places = Places([place("1"), place("1", gpu=0), place("1", gpu=1)])
    assert places.at_once == 2
    assert places.devices == ("cpu", "cuda", "cuda:0")
    with ExitStack() as stack:
        assert [(p := take(places, stack, CUDA)) and p.gpu for _ in range(3)] == [0, 1, None]
        assert take(places, stack, CPU) is None
    with ExitStack() as stack:
        assert take(places, stack, CPU) is places.all[0]
        assert take(places, stack, CUDA) is None


def test_a_series_stays_on_its_kind_while_one_of_it_lives() -> None:
    places = Places([place("1", "slow"), place("2", "fast"), place("3", "slow")])
    slow, fast = places.all[0].machine, places.all[1].machine
    assert places.kind_for(CPU, None) == slow
    assert places.kind_for(Workload(batch_size=999), None) == slow
    places.lose("1")
    assert places.kind_for(CPU, None) == slow
    with ExitStack() as stack:
        taken = [take(places, stack, CPU) for _ in range(2)]
        assert [p and p.node for p in taken] == ["3", None]  # it waits, with a fast one free
    places.lose("3")
    assert places.kind_for(CPU, slow) == fast


def test_series_are_spread_over_the_kinds_by_their_room() -> None:
    places = Places([place("1", "x"), place("2", "x"), place("3", "y")])
    kinds = [places.kind_for(Workload(batch_size=8, dims=d), None) for d in range(1, 7)]
    x, y = places.all[0].machine, places.all[2].machine
    assert [kinds.count(x), kinds.count(y)] == [4, 2]


def test_what_measured_a_series_before_goes_on_with_it() -> None:
    places = Places([place("1", "x"), place("2", "y")])
    y = places.all[1].machine
    assert places.kind_for(CPU, y) == y
    assert places.kind_for(CPU, None) == y
    assert places.kind_for(CPU, "of an earlier start") == y


def test_a_machine_that_was_lost_to_a_cell_is_taken_last() -> None:
    places = Places([place("1"), place("2")])
    with ExitStack() as stack:
        assert take(places, stack, CPU, "1") is places.all[1]
        assert take(places, stack, CPU, "1") is None
    places.lose("2")
    with ExitStack() as stack:
        assert take(places, stack, CPU, "1") is places.all[0]


def test_without_a_machine_left_it_says_that_nothing_is_lost() -> None:
    places = Places([place("1"), place("2", gpu=0)])
    places.lose("2")
    assert places.kind_for(CPU, None)
    with pytest.raises(WorkerError, match="--resume"):
        places.kind_for(CUDA, None)
