"""Sweeps with known laws and the noise of a shared machine, as results.

The noise has three parts, all multiplying: the drift of the machine while a cell runs, which all
its arms share; that of a round, which they share too; and that of a single sample. Each is skewed
to the right, as interruptions only add. Their sizes are set so that identical code spreads as it
was seen to: ``test_the_noise_is_that_of_a_shared_machine`` holds them to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from supcr_bench.measure.timing import LOOKS, MOST_SAMPLES, Samples, decided
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.case import Case
from supcr_bench.values.cell import FEWEST_SAMPLES, Arm, Budget
from supcr_bench.values.growth_law import get_law
from supcr_bench.values.result import Result, Status

CELL_DRIFT = 0.13
ROUND_DRIFT = 0.08
SAMPLE_NOISE = 0.09
TIME_LIMIT_S = 20.0
BETWEEN = np.geomspace(2, 10_000, 1000)


@dataclass(frozen=True)
class Law:
    """What a simulated implementation costs: seconds(N) = overhead * launches(N) + scale * f(N)."""

    name: str
    overhead_s: float
    scale_s: float
    launches_power: float = 0.0

    def launches(self, n: float) -> float:
        return float(100 * n**self.launches_power)

    def seconds(self, n: float) -> float:
        return self.overhead_s * self.launches(n) / 100 + self.scale_s * get_law(self.name).of(n)


def skewed(random: np.random.Generator, deviation: float, size: int) -> np.ndarray:
    """Right-skewed noise of mean 0: a gamma distribution of shape 4."""
    return (random.gamma(4.0, size=size) - 4.0) / 2.0 * deviation


def cell_samples(
    random: np.random.Generator, seconds: Sequence[float], rounds: int
) -> list[tuple[float, ...]]:
    """Samples of the arms of one cell, whose true costs are given."""
    shared = skewed(random, CELL_DRIFT, 1) + skewed(random, ROUND_DRIFT, rounds)
    return [tuple(true * np.exp(shared + skewed(random, SAMPLE_NOISE, rounds))) for true in seconds]


def as_taken(samples: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The samples of a cell that a run would take: arms leave as the harness has them leave."""
    arms = {Arm(str(k), "forward"): Samples(list(own)) for k, own in enumerate(samples)}
    for rounds in LOOKS:
        seen = {arm: Samples(own.seconds[:rounds]) for arm, own in arms.items()}
        for arm in decided(seen, rounds):
            arms[arm] = seen[arm]
    return [tuple(own.seconds) for own in arms.values()]


def sweep(
    random: np.random.Generator, laws: Mapping[str, Law], sizes: Sequence[int]
) -> list[Result]:
    """One sweep; what is forecast to take too long is skipped, as in a real one."""
    results: list[Result] = []
    forecast = Forecast(Budget(time_limit_s=TIME_LIMIT_S))
    for n in sizes:
        rounds = int(random.integers(FEWEST_SAMPLES, MOST_SAMPLES))
        skipped = {name: forecast.skip(name, Case(batch_size=n)) for name in laws}
        names = [name for name in laws if skipped[name] is None]
        samples = cell_samples(random, [laws[name].seconds(n) for name in names], rounds)
        own = dict(zip(names, as_taken(samples), strict=True))
        for name, law in laws.items():
            known, prediction = own.get(name), skipped[name]
            result = Result(
                implementation=name,
                case=Case(batch_size=n),
                status=Status.MEASURED if known else Status.SKIPPED,
                session=f"N={n}",
                time_samples_s=known,
                dispatched_ops=round(law.launches(n)) if known else None,
                predicted_s=prediction[0] if prediction else None,
                time_limit_s=TIME_LIMIT_S,
            )
            forecast.observe(result)
            results.append(result)
    return results


def exactly(law: Law, sizes: Sequence[int]) -> list[float]:
    """The law's cost without noise."""
    return [law.seconds(n) for n in sizes]


@cache
def _grown(name: str) -> np.ndarray:
    return np.array([get_law(name).of(n) for n in BETWEEN])


def where_equal(one: Law, other: Law) -> list[float]:
    """Sizes from 2 to 10,000 at which two laws cost the same."""
    first, second = (
        law.overhead_s * BETWEEN**law.launches_power + law.scale_s * _grown(law.name)
        for law in (one, other)
    )
    difference = first - second
    return [float(BETWEEN[i]) for i in np.flatnonzero(difference[1:] * difference[:-1] < 0)]
