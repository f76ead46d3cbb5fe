"""The second memory counter, and how it stands to the allocator's."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.measure.work import count_work, in_blocks
from supcr_bench.values.case import PASSES, Pass, Workload
from tests.batches import clear_gradients, make_leaves
from tests.examples import build

KEPT = torch.ones(1000)
SCRATCH = torch.ones(1000)


def peak(call: Callable[[], object], *, host: bool = True) -> int:
    return count_work(call, host=host).dispatch_peak_bytes


def two_at_once() -> Tensor:
    """Each step's input is released once the next is there."""
    x = KEPT + KEPT
    for _ in range(5):
        x = x + KEPT
    return x


def one_after_the_other() -> None:
    for _ in range(5):
        torch.empty(1000)


def many_views_of_one() -> list[Tensor]:
    x = torch.ones(10, 100)
    return [x.t(), x[3], x.unsqueeze(0), x.reshape(-1), x.detach()]


def product_of_batches() -> Tensor:
    """Its last operation returns a view, and is not declared to."""
    return torch.matmul(torch.ones(2, 3, 4), torch.ones(4, 5))


CALLS: list[tuple[Callable[[], object], int]] = [
    (lambda: torch.empty(1000), 4000),
    (lambda: torch.ones(1000) + torch.ones(1000), 12000),
    (two_at_once, 8000),
    (one_after_the_other, 4000),
    (many_views_of_one, 4000),
    (product_of_batches, 4 * (2 * 3 * 4 + 4 * 5 + 2 * 3 * 5)),
    (lambda: KEPT.sort(), 4000 + 8000),
    (lambda: torch.split(torch.ones(1000), 10), 4000),
    (lambda: torch.tensor([1.0, 2.0, 3.0]), 12),
    (lambda: torch.empty(3, dtype=torch.float64), 24),
    (lambda: torch.empty(0), 0),
    (lambda: None, 0),
    (lambda: KEPT.view(10, 100), 0),
    (lambda: SCRATCH.zero_(), 0),
    (lambda: torch.add(KEPT, KEPT, out=SCRATCH), 0),
    (lambda: torch.ops.aten._unsafe_view(KEPT, [10, 100]), 0),
]


@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_the_peak_is_that_of_storages_which_operations_bring_into_being(
    call: Callable[[], object], expected: int
) -> None:
    assert peak(call) == expected


@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_the_allocator_saw_no_less(call: Callable[[], object], expected: int) -> None:
    assert peak_allocated_bytes(call) >= expected


def test_backward_counts_too() -> None:
    def train() -> Tensor:
        leaf = torch.empty(1000, requires_grad=True)  # 4000 bytes
        doubled = leaf * KEPT  # 8000
        doubled.backward(KEPT)  # type: ignore[no-untyped-call]
        return doubled  # with the gradient: 12000

    assert peak(train) == 12000


def test_what_autograd_saves_stays_until_it_lets_go() -> None:
    def chain(*, grad: bool) -> Tensor:
        x = KEPT.clone().requires_grad_(grad)
        for _ in range(5):
            x = x.exp()
        return x

    assert peak(lambda: chain(grad=True)) == 6 * 4000
    assert peak(lambda: chain(grad=False)) == 2 * 4000


def test_releasing_what_was_there_before_is_no_credit() -> None:
    held = [torch.ones(100_000)]

    def release_and_allocate() -> Tensor:
        held.clear()
        return torch.empty(10)

    assert peak(release_and_allocate) == 40


def test_what_it_does_not_follow_does_it_no_harm() -> None:
    def odd() -> object:
        dense = torch.eye(10)
        grown = torch.empty(0)
        grown.resize_(1000)
        torch.add(KEPT, KEPT, out=grown)
        return torch.sparse.mm(dense.to_sparse(), torch.ones(10, 2)), grown

    assert peak(odd) >= 4 * (100 + 20 + 20)


def test_only_storages_of_the_device_count() -> None:
    """The meta device stands in for an accelerator: it is not the host."""

    def both() -> object:
        return torch.empty(1000), torch.empty(500, device="meta")

    assert peak(both) == 4000
    assert peak(both, host=False) == 2000


@pytest.mark.parametrize(
    ("size", "blocks"), [(0, 0), (1, 512), (512, 512), (513, 1024), (4000, 4096)]
)
def test_a_block_is_a_multiple_of_512_bytes(size: int, blocks: int) -> None:
    assert in_blocks(size) == blocks
    assert count_work(lambda: torch.empty(size, dtype=torch.bool)).predicted_cuda_peak_bytes == (
        blocks
    )


def test_each_storage_is_in_blocks_of_its_own() -> None:
    predicted = count_work(lambda: [torch.empty(3) for _ in range(7)]).predicted_cuda_peak_bytes
    assert predicted == 7 * 512


CROSS_CHECKED = [
    *(
        (name, n, dims, pass_)
        for name, sizes in (("broadcast", (32, 48)), ("rowsort", (20, 32)))
        for n in sizes
        for dims in (1, 2)
        for pass_ in PASSES
    ),
    ("loopy", 32, 1, "forward"),
    ("loopy", 8, 2, "training"),
]
BELOW = {"broadcast": 0.002, "rowsort": 0.002, "loopy": 0.018}
"""How far below the allocator's figure, as a fraction: what operations allocate within."""
ABOVE_IN_TRAINING = 0.06


def note_call(name: str, n: int, dims: int, pass_: Pass) -> Callable[[], object]:
    batch = make_leaves(Workload(batch_size=n, dims=dims, nan_density=0.25 * (dims - 1)))
    module = build(name, 0.1, batch.weights)

    def call() -> object:
        clear_gradients(batch)
        output = module(batch.first, batch.second, batch.labels)
        if pass_ == "training":
            output[0].backward()
        return output

    call()
    return call


@pytest.mark.parametrize(("name", "n", "dims", "pass_"), CROSS_CHECKED)
def test_two_counters_that_know_nothing_of_each_other_agree(
    name: str, n: int, dims: int, pass_: Pass
) -> None:
    call = note_call(name, n, dims, pass_)
    watched: list[int] = []
    beside = peak_allocated_bytes(lambda: watched.append(peak(call)))
    (seen,), alone = watched, peak_allocated_bytes(call)
    above = ABOVE_IN_TRAINING if pass_ == "training" else 0
    assert (1 - BELOW[name]) * alone <= seen <= (1 + above) * alone
    # It is above the allocator by no more than its own watch causes.
    assert (1 - BELOW[name]) * beside <= seen <= beside


def test_the_watch_costs_rowsort_a_sum_of_gradients_in_training() -> None:
    call = note_call("rowsort", 64, 1, "training")
    added = peak(call) - peak_allocated_bytes(call)
    assert 0 < added <= 64 * 64 * 4
