"""``make equal-arms-study``: identical arms are timed alike, whoever of them goes on for longer.

Three arms of a cell are one implementation: two are told to be precise after some rounds, and the
third to go on for eight times as many, while calls of the others are no longer timed. Sessions
follow each other, so the machine's drift favours no arm. In each session three ratios of medians
are taken: that of the two equal arms, which is the A/A noise; that of the third to the first over
all of its rounds; and that of the rounds after the others had left to those before. An arm is
shifted if the 95 % interval of such a ratio excludes 1 and the ratio is further from 1 than 95 % of
the A/A ratios. Times are CPU time of one thread, since noise would hide a shift. It takes some
minutes, is no part of the test suite, and ends with 1 if an arm is shifted.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from time import thread_time
from unittest.mock import patch

import torch

from supcr_bench.analysis.statistics import Interval, median_interval
from supcr_bench.inputs.tensors import make_batch
from supcr_bench.measure import timing
from supcr_bench.measure.device import Cpu, Elapsed
from supcr_bench.measure.timed_loss import TimedLoss, batches_of
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.case import Pass, Workload
from supcr_bench.values.cell import Arm, Budget
from supcr_bench.values.definition import TORCHCELL
from tests.analysis.readings import covers
from tests.examples import implementation

SESSIONS = 16
ROUNDS = 15
LONGER = 8
"""The third arm goes on for this many times the rounds of the others."""
ENDLESS = Budget(time_limit_s=math.inf, sampling_s=math.inf)
RATIOS = ("A/A", "longer", "later")
EQUAL = ("first", "twin", "third")
Cell = tuple[str, int, Pass, tuple[str, ...]]
"""The implementation of the equal arms, batch size, pass, and the implementations beside them."""
CELLS: tuple[Cell, ...] = (
    ("broadcast", 32, "forward", ("rowsort",)),
    ("broadcast", 32, "training", ()),
    ("broadcast", 128, "training", ("rowsort", "scan")),
    ("rowsort", 32, "training", ("broadcast", "scan", "tiled")),
    ("scan", 64, "training", ("broadcast", "rowsort")),
    ("scan", 256, "forward", ("tiled",)),
    ("tiled", 64, "training", ("broadcast", "rowsort")),
    ("tiled", 256, "training", ("scan",)),
)


def sample_session(arms: Mapping[Arm, TimedLoss], session: int) -> dict[Arm, list[float]]:
    """The seconds of each arm by round.

    The harness decides as in a run who goes on, and it is told times that only the third's vary.
    """
    device = Cpu()
    taken: dict[Arm, list[float]] = {arm: [] for arm in arms}
    told: dict[Arm, float] = {}

    def call(arm: Arm, number: int, *, flushed: bool = True) -> Elapsed:
        arms[arm].prepare(number)
        if flushed:
            device.flush_caches()
        start_s = thread_time()
        arms[arm]()
        elapsed_s = thread_time() - start_s
        arms[arm].release()
        if arm in told and number % 2 == 0:  # not that of a second entry
            taken[arm].append(elapsed_s)
        longer = arm.implementation == "third" and number // 4 % 2
        return Elapsed(told.setdefault(arm, elapsed_s) * (2 if longer else 1))

    with (
        patch.object(timing, "FEWEST_SAMPLES", ROUNDS),
        patch.object(timing, "MOST_SAMPLES", LONGER * ROUNDS),
        patch.object(timing, "LOOKS", ()),
    ):
        untimed = partial(call, flushed=False)
        timing.sample_arms(list(arms), call, ENDLESS, seed=session, untimed=untimed)
    return taken


def ratios_of(cell: Cell) -> dict[str, list[float]]:
    """The logarithms of each session's ratios."""
    name, n, pass_, others = cell
    workload = Workload(batch_size=n, dims=2, nan_density=0.2)
    batches = batches_of(workload, make_batch(workload))
    found: dict[str, list[float]] = {ratio: [] for ratio in RATIOS}
    for session in range(SESSIONS):
        arms = {}
        for label in (*EQUAL, *others):
            subject = Adapter.usual(implementation(name if label in EQUAL else label).factory)
            loss = TimedLoss(subject, subject.bind(TORCHCELL, batches[0]), pass_, batches)
            arms[Arm(label, pass_)] = loss
        seconds = sample_session(arms, session)
        timed = dict(zip(EQUAL, (ROUNDS, ROUNDS, LONGER * ROUNDS), strict=True))
        # Those that have left are still called; in a run, nobody looks at these times.
        first, twin, third = (seconds[Arm(label, pass_)][:count] for label, count in timed.items())
        assert [len(first), len(twin), len(third)] == list(timed.values())
        for ratio, one, other in (
            ("A/A", twin, first),
            ("longer", third, first),
            ("later", third[ROUNDS:], third[:ROUNDS]),
        ):
            found[ratio].append(math.log(median(one) / median(other)))
    return found


def noise_of(logs: Sequence[float]) -> float:
    """95 % of the A/A ratios lie within this share of 1."""
    return math.expm1(sorted(map(abs, logs))[math.ceil(0.95 * len(logs)) - 1])


def is_shifted(ratio: Interval, noise: float) -> bool:
    return covers(ratio, 1) is False and abs(math.log(ratio.estimate)) > math.log1p(noise)


def main() -> int:
    torch.set_num_threads(1)
    shifted = 0
    for cell in CELLS:
        name, n, pass_, others = cell
        logs = ratios_of(cell)
        noise = noise_of(logs["A/A"])
        line = f"{name} N={n} {pass_} beside {', '.join(others) or 'none'}: A/A {noise:.1%}"
        for ratio in RATIOS:
            found = median_interval(logs[ratio], independent=True).exp()
            line += f"; {ratio} {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"
            if is_shifted(found, noise):
                shifted += 1
                line += " SHIFTED"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    sys.stdout.write(
        f"{len(CELLS)} cells, {SESSIONS} sessions of {ROUNDS} and {LONGER * ROUNDS} rounds: "
        f"{shifted or 'no'} ratios beyond the A/A noise\n"
    )
    return 1 if shifted else 0


if __name__ == "__main__":
    sys.exit(main())
