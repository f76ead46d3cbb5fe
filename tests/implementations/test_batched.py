"""What ``batched`` mends of the note's row sort."""

import torch

from supcr_bench.measure.work import count_work
from supcr_bench.values.case import Workload
from tests.batches import make_leaves
from tests.examples import implementation


def launches(n: int) -> int:
    batch = make_leaves(Workload(batch_size=n, embedding_size=8))
    module = implementation("batched").factory(weights=batch.weights)

    def call() -> object:
        loss = module(batch.first, batch.second, batch.labels)[0]
        loss.backward()
        return loss

    return count_work(call).dispatched_ops


def test_it_launches_the_same_few_operations_at_any_size() -> None:
    assert launches(8) == launches(32) < 200


def test_its_value_is_rowsorts_where_that_is_right() -> None:
    batch = make_leaves(Workload(batch_size=24, dims=2, nan_density=0.2, labels="tied"))
    one, other = (
        implementation(name).factory(weights=batch.weights)(batch.first, batch.second, batch.labels)
        for name in ("batched", "rowsort")
    )
    torch.testing.assert_close(one, other)
