"""Deterministic cost, counted by dispatch."""

import pytest
import torch

from supcr_bench.measure.work import Work, count_work
from supcr_bench.subjects.compiler import watched
from supcr_bench.values.case import Workload
from tests.batches import make_leaves
from tests.examples import implementation

TALL = torch.rand(4096, 2)


def work_of_training(name: str, n: int) -> Work:
    batch = make_leaves(Workload(batch_size=n))
    module = implementation(name).factory(temperature=0.1, weights=batch.weights, eps=1e-7)

    return count_work(lambda: module(batch.first, batch.second, batch.labels)[0].backward())


@pytest.mark.parametrize(("name", "launches"), [("broadcast", 172), ("rowsort", 5_292)])
def test_the_notes_implementations_launch_as_many_operations_as_they_are_known_to(
    name: str, launches: int
) -> None:
    assert work_of_training(name, 64).dispatched_ops == launches


def test_counts_do_not_change_from_call_to_call() -> None:
    assert work_of_training("rowsort", 16) == work_of_training("rowsort", 16)


def test_a_product_counts_its_multiplications_and_a_sort_its_comparisons() -> None:
    assert (
        count_work(lambda: torch.ones(3, 5) @ torch.ones(5, 7)).elements_processed
        == 3 * 5 * 7 + 15 + 35
    )
    x = torch.arange(8.0)
    assert count_work(lambda: torch.sort(x)).elements_processed == 8 * 3
    assert count_work(lambda: torch.searchsorted(x, x[:4])).elements_processed == 4 * 3


def test_a_product_counts_the_same_in_place() -> None:
    into, one, other = torch.zeros(2, 3, 7), torch.ones(2, 3, 5), torch.ones(2, 5, 7)
    anew = count_work(lambda: torch.baddbmm(into, one, other)).elements_processed
    assert count_work(lambda: into.baddbmm_(one, other)).elements_processed == anew == 2 * 3 * 5 * 7


def test_views_are_launched_and_work_on_nothing() -> None:
    x = torch.ones(4, 6)
    assert count_work(lambda: x.t().unsqueeze(0)) == Work(2, 0, 0, 0)


def test_a_sort_counts_the_length_of_what_it_sorts_along() -> None:
    assert count_work(lambda: TALL.sort(dim=0)).elements_processed == 4096 * 2 * 12
    assert count_work(lambda: TALL.sort(dim=1)).elements_processed == 4096 * 2
    assert count_work(lambda: TALL.topk(1, dim=0)).elements_processed == 4096 * 2 * 12


def test_a_search_counts_the_logarithm_of_what_it_searches_in() -> None:
    values, two = torch.rand(4096), torch.tensor([0.2, 0.7])
    assert count_work(lambda: torch.bucketize(values, two)).elements_processed == 4096
    assert count_work(lambda: torch.searchsorted(two, values)).elements_processed == 4096


def test_distances_count_every_coordinate_of_every_pair() -> None:
    one, other = torch.rand(6, 3), torch.rand(5, 3)
    direct = count_work(lambda: torch.cdist(one, other, p=1))
    assert direct.elements_processed == 6 * 5 * 3


def test_numbers_are_counted_too() -> None:
    """A tensor without dimensions has no length, and must not end the count."""
    number = torch.tensor(3.0)
    assert count_work(lambda: number.sort()).dispatched_ops >= 1
    assert count_work(lambda: torch.bucketize(number, torch.tensor([1.0]))).dispatched_ops >= 1


def test_torch_does_not_compile_the_counter_of_a_call_that_it_compiles_in_part() -> None:
    def doubled(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    part, compilations = torch.compile(doubled, backend="eager"), list[None]()
    with watched(lambda: compilations.append(None), lambda: None, needed=True):
        part(torch.ones(3))
        assert len(compilations) == 1
        counted = count_work(lambda: part(torch.ones(3)))
    assert len(compilations) == 1
    assert counted == count_work(lambda: doubled(torch.ones(3)))
