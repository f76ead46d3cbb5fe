"""Times several versions (sides) of one call in rounds: same tensors, one process, random order.

The gate uses this. :mod:`supcr_bench.measure.timing` times a cell until the median of each arm is
precise; here only the ratio of the versions counts, and one process gives one value of it, so every
version makes the same few rounds.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence

from supcr_bench.measure.elapsed import Elapsed
from supcr_bench.measure.timing import MOST_REPETITIONS, garbage_collection_held

FEWEST_ROUNDS = 10
MOST_ROUNDS = 60
SLOW_ROUNDS = 2
"""Fewest rounds when one side is so much slower that the usual fewest would take too long."""
SLOW_FACTOR = 4
"""A side takes at most this many times the time planned for all sides together."""
SHORTEST_SAMPLE_S = 0.002
"""Calls are repeated until a sample is this long."""


class SideRaisedError(Exception):
    """A timed call raised an exception.

    Args:
        side: the label of the version.
        reason: the exception in a line.
    """

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(f"{side}: {reason}")
        self.side, self.reason = side, reason


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
        seed: random seed for the order within rounds.
        between: called before each call, outside the timed region.

    Raises:
        SideRaisedError: a call raised.
    """
    shuffle = random.Random(str(seed)).shuffle  # noqa: S311 - not for cryptography

    def call(side: str) -> float:
        between()
        try:
            return sides[side]().host_s
        except Exception as error:
            raise SideRaisedError(side, f"{type(error).__name__}: {error}") from error

    order = list(sides)
    with garbage_collection_held():
        shuffle(order)
        for side in order:
            call(side)  # the first call of a module includes one-time work
        shuffle(order)
        repetitions, rounds = _planned([call(side) for side in order], sampling_s)
        samples: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            shuffle(order)
            for side in order:
                samples[side].append(sum(call(side) for _ in range(repetitions)) / repetitions)
    return samples


def _planned(once_s: Sequence[float], sampling_s: float) -> tuple[int, int]:
    """Repetitions and rounds, from one call of each side.

    The fastest side decides; but a much slower side takes at most a few times the time planned for
    all of them, since such a difference shows in two rounds.
    """
    fastest_s, all_s = max(min(once_s), 1e-9), max(sum(once_s), 1e-9)
    repetitions = min(max(math.ceil(SHORTEST_SAMPLE_S / fastest_s), 1), MOST_REPETITIONS)
    rounds = min(max(int(sampling_s / (repetitions * fastest_s)), FEWEST_ROUNDS), MOST_ROUNDS)
    meant_s = len(once_s) * max(sampling_s, FEWEST_ROUNDS * fastest_s)
    if rounds * repetitions * all_s > SLOW_FACTOR * meant_s:
        repetitions = min(max(int(SLOW_FACTOR * meant_s / (SLOW_ROUNDS * all_s)), 1), repetitions)
        rounds = max(int(SLOW_FACTOR * meant_s / (repetitions * all_s)), SLOW_ROUNDS)
    return repetitions, min(rounds, MOST_ROUNDS)
