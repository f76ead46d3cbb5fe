import gc
from collections.abc import Callable, Mapping

import pytest

from supcr_bench.measure.device import Elapsed
from supcr_bench.measure.version_times import (
    FEWEST_ROUNDS,
    MOST_ROUNDS,
    SLOW_FACTOR,
    SLOW_ROUNDS,
    VersionTimes,
    sample_versions,
)


class Sides:
    """Calls that say how long they took, and remember their order."""

    def __init__(self, **seconds: float) -> None:
        self.order: list[str] = []
        self.prepared: list[tuple[str, int]] = []
        self.collected = False
        self.calls = {side: self._call(side, s) for side, s in seconds.items()}

    def _call(self, side: str, seconds: float) -> Callable[[], Elapsed]:
        def call() -> Elapsed:
            self.order.append(side)
            self.collected |= gc.isenabled()
            return Elapsed(seconds)

        return call

    def call(self, side: str, number: int) -> Elapsed:
        self.prepared.append((side, number))
        return self.calls[side]()


def sample(
    sides: Sides, sampling_s: float = 0.1, seed: object = 0
) -> Mapping[str, tuple[float, ...]]:
    return sample_versions(list(sides.calls), sides.call, sampling_s=sampling_s, seed=seed).seconds


def test_every_side_has_its_time_once_a_round():
    sides = Sides(before=0.004, after=0.005)
    assert sample(sides) == {
        "before": pytest.approx((0.004,) * 25),
        "after": pytest.approx((0.005,) * 25),
    }


def test_rounds_are_in_random_order_that_the_seed_decides():
    orders = []
    for seed in (0, 0, 1):
        sides = Sides(before=0.01, again=0.01, after=0.01)
        sample(sides, seed=seed)
        orders.append(sides.order)
    assert orders[0] == orders[1] != orders[2]
    rounds = [tuple(orders[0][i : i + 3]) for i in range(0, len(orders[0]), 3)]
    assert all(set(r) == {"before", "again", "after"} for r in rounds)
    assert len(set(rounds)) > 1


@pytest.mark.parametrize(
    ("seconds", "rounds"), [(1.0, FEWEST_ROUNDS), (0.01, 20), (0.002, MOST_ROUNDS)]
)
def test_rounds_follow_the_time_that_there_is_within_bounds(seconds, rounds):
    assert len(sample(Sides(before=seconds, after=seconds), 0.2)["before"]) == rounds


def test_short_calls_are_repeated_until_a_sample_is_long_enough():
    sides = Sides(before=0.0005, after=0.0005)
    found = sample(sides)
    calls = sides.order.count("before") - 2  # one to warm up, one to set the repetitions
    assert calls == 4 * len(found["before"])


def test_the_calls_of_each_side_have_the_same_numbers_and_nothing_is_collected_meanwhile():
    sides = Sides(before=0.01, after=0.01)
    sample(sides)
    assert [side for side, _ in sides.prepared] == sides.order
    before, after = (sorted(n for s, n in sides.prepared if s == x) for x in sides.calls)
    assert before == after == list(range(len(before)))
    assert not sides.collected
    assert gc.isenabled()


@pytest.mark.parametrize("slower", [30, 1000])
def test_a_side_that_is_slower_by_far_does_not_stretch_the_process_without_bound(slower):
    sides = Sides(before=0.001, again=0.001, after=0.001 * slower)
    found = sample(sides)
    spent_s = sides.order.count("after") * 0.001 * slower
    assert len(found["after"]) == len(found["before"]) >= SLOW_ROUNDS
    assert spent_s <= max(SLOW_FACTOR * 3 * 0.1, SLOW_ROUNDS * 0.001 * slower) + 2 * 0.001 * slower


def test_sides_that_differ_by_less_get_the_rounds_that_equals_get():
    rounds = {len(sample(Sides(before=0.004, after=0.004 * x))["before"]) for x in (1, 1.2, 5)}
    assert len(rounds) == 1


def test_a_call_that_raises_says_whose_it_was():
    def boom() -> Elapsed:
        raise RuntimeError("boom")

    calls = {"before": lambda: Elapsed(0.01), "after": boom}
    times = sample_versions(list(calls), lambda side, number: calls[side](), sampling_s=0.1, seed=0)
    assert times == VersionTimes({}, raised_by="after", reason="RuntimeError: boom")
    assert gc.isenabled()


def test_garbage_that_refers_to_itself_is_collected_and_counts_in_the_total():
    class Cycle:
        def __init__(self) -> None:
            self.own = [self] * 10

    def littering() -> Elapsed:
        for _ in range(2000):
            Cycle()
        return Elapsed(0.004)

    calls = {"before": lambda: Elapsed(0.004), "after": littering}
    gc.unfreeze()
    times = sample_versions(
        list(calls), lambda side, number: calls[side](), sampling_s=0.04, seed=0
    )
    garbage = {version: times.totals[version] - sum(times.seconds[version]) for version in calls}
    assert garbage["after"] > 2 * garbage["before"] > 0
    assert gc.get_freeze_count() == 0


def test_what_was_frozen_before_a_cell_stays_so_that_collections_pass_it_by():
    gc.freeze()
    before = gc.get_freeze_count()
    calls = {"before": lambda: Elapsed(0.004)}
    sample_versions(list(calls), lambda side, number: calls[side](), sampling_s=0.04, seed=0)
    assert gc.get_freeze_count() >= before > 0


def test_a_cell_that_would_take_too_long_is_not_sampled():
    sides = Sides(before=1.0, after=1.0)
    times = sample_versions(list(sides.calls), sides.call, sampling_s=0.1, seed=0, limit_s=10.0)
    assert times == VersionTimes({}, needed_s=24.0)
    assert len(sides.order) == 4
