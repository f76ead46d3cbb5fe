"""Loads all versions of the implementations in one process, then times them cell by cell.

A cell is a case and the versions (sides) of one implementation. In every round each side makes its
calls on the same tensors, in random order. :mod:`supcr_bench.measure.timing` goes on until each
median is precise; here only the ratio of the sides counts, and a process gives one value of it, so
all sides make the same few rounds.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from supcr_bench.measure.timing import MOST_REPETITIONS, garbage_collection_held
from supcr_bench.subjects.registry import Subject, load
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Arm
from supcr_bench.values.implementation import Resolution

if TYPE_CHECKING:
    from supcr_bench.measure.device import Elapsed
    from supcr_bench.subjects.adapter import BoundLoss


FEWEST_ROUNDS = 10
MOST_ROUNDS = 60
SLOW_ROUNDS = 2
"""Fewest rounds when one side is so slow that the usual minimum would take too long."""
SLOW_FACTOR = 4
"""A side may take at most this many times the time planned for all sides together."""
SHORTEST_SAMPLE_S = 0.002
"""Calls are repeated until a sample is this long."""


class SideRaisedError(Exception):
    """A timed call raised an exception."""

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(f"{side}: {reason}")
        self.side, self.reason = side, reason


@dataclass(frozen=True, slots=True)
class SidedCell:
    """A case, and versions of one implementation: before, again (a second copy of it) and after."""

    implementation: str
    case: Case
    sides: Mapping[str, Subject]


def time_cells(
    cells: Sequence[SidedCell], *, sampling_s: float, seed: str
) -> list[dict[str, list[float]] | SideRaisedError]:
    """Time each side of each cell: for each cell in order, seconds per call or an exception.

    Sides are loaded, built and timed in random order, because the order decides where in memory
    a side lies.

    Args:
        cells: what to time.
        sampling_s: about how long the calls of one side of one cell may take.
        seed: random seed for all orders.

    Raises:
        SubjectError: a version cannot be loaded, or one version changes what another computes.
        Exception: a side raised while it was constructed.
    """
    from supcr_bench.inputs.tensors import make_batch
    from supcr_bench.measure.cell import make_call
    from supcr_bench.measure.device import Meter, get_device
    from supcr_bench.subjects.adapter import Adapter
    from supcr_bench.subjects.process_wide import (
        process_state,
        require_apart,
        require_own_imports,
    )

    shuffle = random.Random(seed).shuffle  # noqa: S311 - not for cryptography
    to_load = list(dict.fromkeys(side for cell in cells for side in cell.sides.items()))
    shuffle(to_load)
    subjects = [subject for _, subject in to_load]
    untouched = process_state()
    loaded = {side: load(side[1]) for side in to_load}
    require_apart(subjects, untouched)
    found: dict[int, dict[str, list[float]] | SideRaisedError] = {}
    order = list(range(len(cells)))
    shuffle(order)
    for index in order:
        cell = cells[index]
        batch = make_batch(cell.case.workload)
        meter = Meter(get_device(cell.case.device))
        sides = list(cell.sides.items())
        shuffle(sides)
        calls, losses = {}, []
        for side in sides:
            subject = Adapter.of(loaded[side], side[1].resolution or Resolution())
            definition = subject.resolution.definition.at(cell.case.temperature)
            losses.append(subject.bind(definition, batch))
            call = make_call(losses[-1], cell.case.pass_)
            arm = Arm(cell.implementation, cell.case.pass_)
            calls[side[0]] = partial(meter.time, arm, cell.case.workload, call)
        try:
            found[index] = sample_sides(
                calls,
                sampling_s=sampling_s,
                seed=f"{seed} {index}",
                between=partial(_clear_gradients, losses),
            )
        except SideRaisedError as error:
            found[index] = error
    require_apart(subjects, untouched)
    require_own_imports(subjects)
    return [found[index] for index in range(len(cells))]


def _clear_gradients(losses: "Sequence[BoundLoss]") -> None:
    for loss in losses:
        loss.clear_gradients()


def sample_sides(
    sides: Mapping[str, Callable[[], "Elapsed"]],
    *,
    sampling_s: float,
    seed: object,
    between: Callable[[], None],
) -> dict[str, list[float]]:
    """Seconds per call of each side, one mean a round; the same number of rounds for all.

    Args:
        sides: for each, a function that makes one call and returns what it took.
        sampling_s: about how long the calls of one side may take; the minimum and the maximum
            number of rounds come first.
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

    The fastest side sets the numbers; but a much slower side takes at most a few times the time
    planned for all sides, since two rounds suffice to show such a difference.
    """
    fastest_s, all_s = max(min(once_s), 1e-9), max(sum(once_s), 1e-9)
    repetitions = min(max(math.ceil(SHORTEST_SAMPLE_S / fastest_s), 1), MOST_REPETITIONS)
    rounds = min(max(int(sampling_s / (repetitions * fastest_s)), FEWEST_ROUNDS), MOST_ROUNDS)
    meant_s = len(once_s) * max(sampling_s, FEWEST_ROUNDS * fastest_s)
    if rounds * repetitions * all_s > SLOW_FACTOR * meant_s:
        repetitions = min(max(int(SLOW_FACTOR * meant_s / (SLOW_ROUNDS * all_s)), 1), repetitions)
        rounds = max(int(SLOW_FACTOR * meant_s / (repetitions * all_s)), SLOW_ROUNDS)
    return repetitions, min(rounds, MOST_ROUNDS)
