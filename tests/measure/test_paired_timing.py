import gc

import pytest

from supcr_bench.measure.elapsed import Elapsed
from supcr_bench.measure.paired_timing import FEWEST_ROUNDS, MOST_ROUNDS, sample_sides


class Sides:
    """Calls that say how long they took, and remember their order."""

    def __init__(self, **seconds: float) -> None:
        self.order: list[str] = []
        self.cleared = 0
        self.collected = False
        self.calls = {side: self._call(side, s) for side, s in seconds.items()}

    def _call(self, side: str, seconds: float):
        def call() -> Elapsed:
            self.order.append(side)
            self.collected |= gc.isenabled()
            return Elapsed(seconds)

        return call

    def clear(self) -> None:
        self.cleared += 1


def sample(sides: Sides, sampling_s: float = 0.1, seed: object = 0) -> dict[str, list[float]]:
    return sample_sides(sides.calls, sampling_s=sampling_s, seed=seed, between=sides.clear)


def test_every_side_has_its_time_once_a_round():
    sides = Sides(before=0.004, after=0.005)
    assert sample(sides) == {
        "before": pytest.approx([0.004] * 25),
        "after": pytest.approx([0.005] * 25),
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


def test_gradients_are_cleared_before_each_call_and_nothing_is_collected_meanwhile():
    sides = Sides(before=0.01, after=0.01)
    sample(sides)
    assert sides.cleared == len(sides.order)
    assert not sides.collected
    assert gc.isenabled()
