"""Timing: every arm once a round, in random order, until each is known well enough.

Interleaving puts the machine's drift on all arms alike, and makes round r of one arm the pair of
round r of another. Samples are never dropped. An arm leaves when its median's interval is narrow
enough or its budget is spent, and does not come back, so that its samples are rounds 0 to n - 1.
"""

import gc
import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from supcr_bench.analysis.statistics import median_interval
from supcr_bench.values.cell import Arm, Budget

FEWEST_SAMPLES = 6
"""With fewer samples no distribution-free interval of the median reaches 95 %."""
MOST_REPETITIONS = 1000
MOST_SAMPLES = 10_000


@dataclass(slots=True)
class Samples:
    """What timing knows of one arm.

    Attributes:
        repetitions: calls per sample.
        seconds: one mean per round.
        spent_s: seconds of timed calls, the calibrating one included.
        stopped_by: ``precision`` or ``budget``.
        error: what a call raised, which ended the arm.
    """

    repetitions: int = 1
    seconds: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    stopped_by: str | None = None
    error: BaseException | None = None

    def finished(self, budget: Budget) -> bool:
        """Whether the arm leaves now; notes why."""
        if self.error is not None:
            return True
        n = len(self.seconds)
        if (self.spent_s >= budget.time_limit_s and n >= 1) or n >= MOST_SAMPLES:
            self.stopped_by = "budget"
        elif n >= FEWEST_SAMPLES:
            half_width = median_interval(self.seconds).half_width
            if half_width is not None and half_width <= budget.precision:
                self.stopped_by = "precision"
            elif self.spent_s >= budget.sampling_s:
                self.stopped_by = "budget"
        return self.stopped_by is not None


@contextmanager
def garbage_collection_held() -> Iterator[None]:
    """Collect now, and not again before the end."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def sample_arms(
    arms: Mapping[Arm, Callable[[], float]],
    budget: Budget,
    *,
    seed: object,
    between: Callable[[Arm], None],
) -> dict[Arm, Samples]:
    """Time every arm.

    Args:
        arms: for each arm, a function that makes one call and returns its seconds.
        budget: when to stop.
        seed: of the order within rounds.
        between: called before each call, outside the timed region.
    """
    shuffle = random.Random(str(seed)).shuffle  # noqa: S311 - an order, not a secret
    samples = {arm: Samples() for arm in arms}

    def call(arm: Arm) -> float:
        between(arm)
        seconds = arms[arm]()
        samples[arm].spent_s += seconds
        return seconds

    with garbage_collection_held():
        for arm, own in samples.items():
            try:
                # The agreement pass has warmed the arm up: this call only sets the repetitions.
                once = call(arm)
            except Exception as error:  # noqa: BLE001 - whatever an implementation raises
                own.error = error.with_traceback(None)  # its frames hold tensors
                continue
            wanted = math.ceil(budget.shortest_sample_s / max(once, 1e-9))
            own.repetitions = min(max(wanted, 1), MOST_REPETITIONS)
        running = [arm for arm, own in samples.items() if own.error is None]
        while running:
            shuffle(running)
            for arm in running:
                own = samples[arm]
                try:
                    total = sum(call(arm) for _ in range(own.repetitions))
                except Exception as error:  # noqa: BLE001
                    own.error = error.with_traceback(None)
                    continue
                own.seconds.append(total / own.repetitions)
            running = [arm for arm in running if not samples[arm].finished(budget)]
    return samples
