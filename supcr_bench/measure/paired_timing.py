"""Times of several sides of one call, round by round: the same tensors, one process, random order.

The gate's sampler. :mod:`supcr_bench.measure.timing` times a cell until each arm is known well
enough by itself; here only the ratio of the sides counts, and one process gives one value of it, so
every side makes the same few rounds.
"""

import math
import random
from collections.abc import Callable, Mapping

from supcr_bench.measure.elapsed import Elapsed
from supcr_bench.measure.timing import MOST_REPETITIONS, garbage_collection_held

FEWEST_ROUNDS = 10
MOST_ROUNDS = 60
SHORTEST_SAMPLE_S = 0.002
"""Calls are repeated until a sample is this long."""


def sample_sides(
    sides: Mapping[str, Callable[[], Elapsed]],
    *,
    sampling_s: float,
    seed: object,
    between: Callable[[], None],
) -> dict[str, list[float]]:
    """Seconds per call of each side, one mean a round; the same number of rounds for all.

    Args:
        sides: for each, a function that makes one call and returns what it took.
        sampling_s: about how long the calls of one side may take, as far as the fewest and the
            most rounds allow.
        seed: of the order within rounds.
        between: called before each call, outside the timed region.
    """
    shuffle = random.Random(str(seed)).shuffle  # noqa: S311 - an order, not a secret

    def call(side: str) -> float:
        between()
        return sides[side]().host_s

    order = list(sides)
    with garbage_collection_held():
        shuffle(order)
        for side in order:
            call(side)  # the first call of a module pays for what later ones find done
        shuffle(order)
        once_s = min(call(side) for side in order)
        repetitions = min(
            max(math.ceil(SHORTEST_SAMPLE_S / max(once_s, 1e-9)), 1), MOST_REPETITIONS
        )
        rounds = int(sampling_s / max(repetitions * once_s, 1e-9))
        rounds = min(max(rounds, FEWEST_ROUNDS), MOST_ROUNDS)
        samples: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            shuffle(order)
            for side in order:
                samples[side].append(sum(call(side) for _ in range(repetitions)) / repetitions)
    return samples
