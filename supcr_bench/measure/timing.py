"""Times arms (an implementation in forward or training) in rounds, until each median is precise.

Each round calls every arm once, in random order, so that the machine's drift affects all arms
alike, and round r of one arm can be paired with round r of another, on the same inputs. Before each
call the caches are flushed, as the rest of a training step does. Samples are never dropped. An arm
leaves when its median's interval is narrow enough, when its rank among the arms is clear, or when
its budget is spent: its samples are rounds 0 to n-1.

In forward and in training, the fastest arm is entered a second time, under another label, and takes
another turn in every round. The two entries differ only by noise, so they show how small a
difference can be trusted.
"""

import gc
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from supcr_bench.analysis.statistics import median_interval, paired_ratio, spread_of
from supcr_bench.values.case import PASSES, Pass
from supcr_bench.values.cell import FEWEST_SAMPLES, Arm, Budget

if TYPE_CHECKING:
    from supcr_bench.measure.device import Elapsed

MOST_SAMPLES = 120
"""Beyond this many samples, the interval is as wide as the machine's noise makes it. The processes
of a run share them, but for ``PLENTY_SAMPLES`` that each may take: the next process tells more."""
ENOUGH_SAMPLES = 15
"""After this many samples, an arm that is clearly slower than the fastest needs no more. Nor does
the fastest, if all others are slower by more than the noise that second entries show."""
NOISY = 1.0
"""Where the second entries differ by more than this share, the fastest is timed on: more samples
lower the noise."""
PLENTY_SAMPLES = 24
"""After this many samples, the fastest needs no more if all others are clearly slower."""
CLEARLY_SLOWER = 1.1
"""More samples of an arm decide nothing if the interval of its ratio to the fastest arm lies above
this, or each of its samples was ``FAR`` times as slow. The interval is tested only twice: repeated
tests would in the end find a difference between equal arms."""
FAR = 2.0
"""An arm, other than the fastest, has a clear rank if in each of its first rounds its time differs
from that of every other arm by at least this factor."""
COMPANY_S = 0.07
"""An arm that needs no more samples is still called, untimed, if its first call took at most this
long: a call is faster if few others ran before it, since a core remembers branches and an allocator
keeps its pages. Measured: without the turns of `rowsort` (29 ms), `tiled` at N=64 took 0.7 to 0.9
times as long, and no better if only one arm was called before it; with them 0.98."""
LOOKS = (FEWEST_SAMPLES, ENOUGH_SAMPLES, PLENTY_SAMPLES)
"""The rounds after which arms are no longer timed if their rank is clear."""


@dataclass(slots=True)
class Samples:
    """The samples of one arm by round, and those of its second entry (``again``), if it has one."""

    seconds: list[float] = field(default_factory=list)
    device_seconds: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    stopped_by: str | None = None
    decided: bool = False
    error: BaseException | None = None
    again: "Samples | None" = None

    def finished(self, budget: Budget) -> bool:
        """Whether to stop timing the arm now; records the reason."""
        if self.error is not None:
            return True
        n, most = len(self.seconds), max(MOST_SAMPLES // budget.processes, PLENTY_SAMPLES)
        if (self.spent_s >= budget.time_limit_s and n >= 1) or n >= most:
            self.stopped_by = "budget"
        elif n >= FEWEST_SAMPLES:
            half_width = median_interval(self.seconds).half_width
            if half_width is not None and half_width <= budget.precision:
                self.stopped_by = "precision"
            elif self.spent_s >= budget.sampling_s or self.decided:
                self.stopped_by = "budget"
        return self.stopped_by is not None

    def as_figures(self) -> dict[str, Any]:
        return {
            "time_samples_s": tuple(self.seconds),
            "device_samples_s": tuple(self.device_seconds) or None,
            "aa_samples_s": (tuple(self.again.seconds) or None) if self.again else None,
            "time_stopped_by": self.stopped_by,
        }


@contextmanager
def garbage_collection_held() -> Iterator[None]:
    """Collect garbage, unless such a block has done so, and then none until the block ends."""
    was_enabled = gc.isenabled()
    if was_enabled:
        gc.collect()  # 0.1 s
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_is_frozen = False  # gc.get_freeze_count() counts the frozen objects one by one


@contextmanager
def frozen() -> Iterator[None]:
    """Exclude existing objects from garbage collections until the outermost such block ends."""
    global _is_frozen
    was_frozen, _is_frozen = _is_frozen, True
    is_outermost = not was_frozen and gc.get_freeze_count() == 0
    gc.freeze()
    try:
        yield
    finally:
        _is_frozen = was_frozen
        if is_outermost:
            gc.unfreeze()


def fastest_of_each_pass(once_s: Mapping[Arm, float]) -> list[Arm]:
    fastest: dict[Pass, Arm] = {}
    for arm in sorted(once_s, key=lambda arm: once_s[arm]):
        fastest.setdefault(arm.pass_, arm)
    return list(fastest.values())


def decided(samples: Mapping[Arm, Samples], rounds: int) -> set[Arm]:
    """The arms that need no more samples after so many rounds, one of the numbers in ``LOOKS``.

    First, these are the arms that lie far from all others, except the fastest of their pass; later,
    those that are clearly slower than the fastest, and the fastest if all others are.
    """
    found: set[Arm] = set()
    for pass_ in PASSES:
        own = {arm: s.seconds for arm, s in samples.items() if arm.pass_ == pass_ and s.seconds}
        if len(own) < 2:
            continue
        fastest = min(own, key=lambda arm: median(own[arm]))
        others = own.keys() - {fastest}
        if rounds < ENOUGH_SAMPLES:
            found |= {a for a in others if all(_far(own[a], own[b]) for b in own if b != a)}
            continue
        slower = {a for a in others if _clearly_slower(own[a], own[fastest])}
        found |= slower
        if slower == others:
            ratio = min(paired_ratio(own[a], own[fastest]).estimate for a in others)
            if rounds >= PLENTY_SAMPLES or _noise(samples) < min(ratio - 1, NOISY):
                found.add(fastest)
    return found


def _clearly_slower(one: Sequence[float], fastest: Sequence[float]) -> bool:
    """Whether ``one`` is slower by the interval of its ratio to the fastest, or in each pair.

    Where neighbouring samples are alike, there are too few independent ones for an interval.
    """
    low = paired_ratio(one, fastest).low
    return _far(one, fastest) or (low is not None and low > CLEARLY_SLOWER)


def _noise(samples: Mapping[Arm, Samples]) -> float:
    """The fraction below which a difference is noise in this cell; infinite if nothing tells."""
    entered_twice = [own for own in samples.values() if own.again and own.error is None]
    ratios = [paired_ratio(s.again.seconds, s.seconds) for s in entered_twice if s.again]
    if not ratios or any(ratio.low is None for ratio in ratios):
        return math.inf
    return spread_of(ratios)


def _far(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=False))
    return all(a > FAR * b for a, b in pairs) or all(b > FAR * a for a, b in pairs)


def sample_arms(
    arms: Sequence[Arm],
    call: Callable[[Arm, int], "Elapsed"],
    budget: Budget,
    *,
    seed: object,
    untimed: Callable[[Arm, int], object] | None = None,
) -> dict[Arm, Samples]:
    """Time every arm until its median is precise, decided or out of budget.

    ``call`` takes an arm and the number of its inputs, makes one call, and returns its time. In a
    round, all arms of one pass get the same number, and so the same inputs. The second (A/A) entry
    of an arm gets another number: a loss that remembers its last answer must not meet its inputs
    again. ``untimed``, by default ``call``, makes the call of an arm that has left.
    """
    shuffle = random.Random(str(seed)).shuffle  # noqa: S311 - not for cryptography
    samples = {arm: Samples() for arm in arms}
    left: set[Arm] = set()
    untimed = untimed or call

    def timed(arm: Arm, own: Samples, round_: int) -> "Elapsed | None":
        first = samples[arm]
        if first.error is not None:  # raised in the other entry's turn, earlier in this round
            return None
        number = 4 * round_ + 2 * (arm.pass_ == "training") + (own is not first)
        try:
            if arm in left:
                untimed(arm, number)
                return None
            return call(arm, number)
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            first.error = error.with_traceback(None)  # its frames hold tensors
            return None

    with garbage_collection_held():
        # The agreement pass was the warm-up, so this call tells which arm is the fastest.
        once = {arm: elapsed for arm, own in samples.items() if (elapsed := timed(arm, own, 0))}
        entries = [(arm, samples[arm]) for arm in once]
        for arm, elapsed in once.items():
            samples[arm].spent_s = elapsed.host_s
        for arm in fastest_of_each_pass({arm: elapsed.host_s for arm, elapsed in once.items()}):
            samples[arm].again = again = Samples()
            entries.append((arm, again))
        round_ = 0
        while len(left) < len(once):
            round_ += 1
            shuffle(entries)
            for arm, own in entries:
                if arm in left and once[arm].host_s > COMPANY_S:
                    continue
                elapsed = timed(arm, own, round_)
                if elapsed is None:
                    continue
                own.spent_s += elapsed.host_s
                own.seconds.append(elapsed.host_s)
                if elapsed.device_s is not None:
                    own.device_seconds.append(elapsed.device_s)
            if round_ in LOOKS:
                for arm in decided(samples, round_):
                    samples[arm].decided = True
            left |= {arm for arm in once if arm not in left and samples[arm].finished(budget)}
    return samples
