"""What the note's three implementations cost, counted here: growth laws, and peaks foretold."""

from collections.abc import Callable, Sequence

import pytest

from supcr_bench.analysis.counted_growth import Size, fit_counted, judge_counted
from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.measure.work import count_work
from supcr_bench.values.case import Pass, Workload
from tests.batches import clear_gradients, make_leaves
from tests.examples import implementation

TINIEST = (3, 4, 5, 6, 8, 10)
TINY = (4, 5, 6, 8, 10, 12, 14)
SMALL = (6, 8, 10, 12, 14, 16, 20)
SIZES = (16, 24, 32, 48, 64, 96, 128, 192)


def call_of(name: str, n: int, pass_: Pass) -> Callable[[], object]:
    batch = make_leaves(Workload(batch_size=n))
    module = implementation(name).factory(temperature=0.1, weights=batch.weights, eps=1e-7)

    def call() -> object:
        clear_gradients(batch)
        loss = module(batch.first, batch.second, batch.labels)[0]
        if pass_ == "training":
            loss.backward()
        return loss

    return call


def law(sizes: Sequence[int], figures: Sequence[int]) -> str | None:
    return judge_counted(tuple(Size(n, n) for n in sizes), tuple(map(float, figures))).law


@pytest.mark.parametrize(
    ("name", "pass_", "operations", "work", "memory"),
    [
        ("loopy", "forward", "N^2", "N^3", "N^3"),
        ("loopy", "training", "N^2", "N^4", "N^3"),
        ("broadcast", "forward", "constant", "N^3", "N^3"),
        ("broadcast", "training", "constant", "N^3", "N^3"),
        ("rowsort", "forward", "N", "N^2 log N", "N^2"),
        ("rowsort", "training", "N", "N^3", "N^2"),
    ],
)
def test_counts_single_out_their_law(
    name: str, pass_: Pass, operations: str, work: str, memory: str
) -> None:
    of_counts: tuple[int, ...] = TINY if name == "loopy" else SIZES
    of_peaks: tuple[int, ...] = of_counts
    if pass_ == "training":  # counts show their laws earlier
        of_counts = TINIEST if name == "loopy" else SIZES[:-2]
        of_peaks = SMALL if name == "loopy" else SIZES[:-1]
    works = [count_work(call_of(name, n, pass_)) for n in of_counts]
    peaks = [peak_allocated_bytes(call_of(name, n, pass_)) for n in of_peaks]
    assert law(of_counts, [w.dispatched_ops for w in works]) == operations
    assert law(of_counts, [w.elements_processed for w in works]) == work
    assert law(of_peaks, peaks) == memory


@pytest.mark.parametrize("name", ["broadcast", "rowsort"])
@pytest.mark.parametrize("pass_", ["forward", "training"])
def test_the_peak_at_four_times_the_largest_size_is_foretold(name: str, pass_: Pass) -> None:
    sizes = (20, 24, 32, 48, 64)
    fit = fit_counted(
        tuple(Size(n, n) for n in sizes),
        tuple(float(peak_allocated_bytes(call_of(name, n, pass_))) for n in sizes),
    )
    assert fit is not None
    peak = peak_allocated_bytes(call_of(name, 256, pass_))
    assert fit.predict(Size(256, 256)) == pytest.approx(peak, rel=0.02)
    low, high = fit.bounds(Size(256, 256))
    assert low <= peak <= high
