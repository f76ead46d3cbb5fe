"""The growth laws and crossovers that are found in sweeps whose laws are known.

``make growth-study`` does the same with twice as many sweeps.
"""

import os
from collections import Counter

import numpy as np
import pytest

from supcr_bench.analysis.crossover import crossovers
from supcr_bench.analysis.growth import growth_of
from supcr_bench.analysis.statistics import faster_in
from supcr_bench.analysis.summary import fastest_by_size
from supcr_bench.analysis.timed_growth import TimedSeries, fit_power
from supcr_bench.values.growth_law import LAWS
from tests.analysis.simulated_sweeps import Law, cell_samples, exactly, sweep, where_equal
from tests.made_results import make_result

SWEEPS = int(os.environ.get("SUPCR_BENCH_SWEEPS", "300"))
SIZES = (
    (16, 32, 64, 128, 256, 512, 1024),
    (16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048),
)
NAMES = [name for name in LAWS if name != "constant"]


def drawn(random: np.random.Generator) -> Law:
    """A law at random: overhead from none to a thousand times the cost of the smallest size."""
    name = str(random.choice(NAMES))
    at_smallest = 10 ** random.uniform(-6, -3)
    overhead = at_smallest * float(random.choice([0.0, 1.0, 30.0, 1000.0]))
    return Law(
        name,
        overhead,
        at_smallest / LAWS[name].of(16),
        launches_power=float(random.choice([0.0, 0.0, 1.0])),
    )


def true_power(law: Law, sizes: tuple[int, ...]) -> float:
    """The exponent that the law's curve has without noise."""
    launches = tuple(law.launches(n) / law.launches(sizes[-1]) for n in sizes)
    return fit_power(TimedSeries(sizes, tuple(exactly(law, sizes)), launches)).exponent


@pytest.fixture(scope="module")
def found() -> Counter[str]:
    """What is found in sweeps of three implementations each, compared with the truth."""
    random = np.random.default_rng(20261124)
    counts: Counter[str] = Counter()
    for k in range(SWEEPS):
        sizes = SIZES[k % 2]
        laws = {name: drawn(random) for name in ("one", "two", "three")}
        results = sweep(random, laws, sizes)
        for growth in growth_of(results, {}):
            if growth.metric.name != "time" or len(growth.sizes) < 5:
                continue
            law, verdict = laws[growth.implementation], growth.verdict
            counts["verdicts"] += 1
            counts["named"] += verdict.law is not None
            counts["wrong"] += verdict.law not in (None, law.name)
            if verdict.exponent_low is not None and verdict.exponent_high is not None:
                counts["exponents"] += 1
                power = true_power(law, growth.sizes)
                counts["covered"] += verdict.exponent_low <= power <= verdict.exponent_high
        for row in crossovers(results):
            true = [
                n
                for n in where_equal(laws[row.one], laws[row.other])
                if row.sizes[0] <= n <= row.sizes[-1]
            ]
            if row.size is None and row.small and row.small == row.large:
                counts["none"] += 1
                counts["none, and there is one"] += bool(true)
            if row.low is not None and row.high is not None:
                low, high = row.low, row.high
                counts["crossings"] += 1
                counts["crossings covered"] += any(low <= n <= high for n in true)
            counts["true crossings"] += len(true)
    return counts


def test_the_noise_is_that_of_a_shared_machine() -> None:
    random = np.random.default_rng(0)
    blocks, paired = [], []
    for _ in range(4000):
        one, same = cell_samples(random, [1.0, 1.0], 15)
        later, _ = cell_samples(random, [1.0, 1.0], 15)
        blocks.append(np.median(one) / np.median(later))
        paired.append(np.median(np.array(one) / np.array(same)))
    assert np.quantile(blocks, [0.05, 0.95]) == pytest.approx([0.75, 1.35], abs=0.1)
    assert np.quantile(paired, [0.05, 0.95]) == pytest.approx([0.94, 1.07], abs=0.01)


def test_a_wrong_law_is_named_in_at_most_one_percent(found: Counter[str]) -> None:
    assert found["verdicts"] >= 2.5 * SWEEPS
    assert found["named"] >= 0.3 * found["verdicts"]
    assert found["wrong"] <= 0.01 * found["verdicts"]


def test_the_exponents_interval_covers_the_truth_in_93_to_97_percent(found: Counter[str]) -> None:
    assert found["exponents"] >= 5 * SWEEPS / 3
    assert 0.93 <= found["covered"] / found["exponents"] <= 0.97


def test_the_crossovers_interval_covers_the_truth_in_93_to_97_percent(found: Counter[str]) -> None:
    assert found["crossings"] >= 5 * SWEEPS / 6
    assert 0.93 <= found["crossings covered"] / found["crossings"] <= 0.97


def test_no_crossover_is_seldom_said_where_there_is_one(found: Counter[str]) -> None:
    assert found["none"] >= 5 * SWEEPS / 6
    assert found["none, and there is one"] <= 0.01 * found["none"]
    assert found["crossings"] >= 0.8 * found["true crossings"]


def fastest_of_runs(random: np.random.Generator, runs: int) -> Counter[str]:
    """Who is named the fastest in runs of six cells of three arms, many of them nearly equal."""
    counts: Counter[str] = Counter()
    for _ in range(runs):
        for n in SIZES[0][:6]:
            true = random.choice([1.0, 1.0, 1.03, 1.1, 1.3, 2.0, 5.0], size=3)
            least = int(true.argmin())
            samples = cell_samples(random, [*true, true[least]], int(random.integers(6, 25)))
            results = [
                make_result(
                    str(arm),
                    n=n,
                    times=samples[arm],
                    session="s",
                    aa_samples_s=samples[3] if arm == least else None,
                )
                for arm in range(3)
            ]
            (ahead,) = fastest_by_size(results, frozenset(), faster_in(results)).values()
            alone = int((true == true.min()).sum()) == 1
            counts["cells"] += 1
            counts["clear"] += int(sorted(true)[1] >= 1.3 * true.min())
            counts["named"] += len(ahead) == 1
            counts["against the truth"] += len(ahead) == 1 and not (
                alone and ahead[0] == str(least)
            )
            counts["true one left out"] += str(least) not in ahead
    return counts


def test_no_fastest_is_named_against_the_truth_beyond_one_percent() -> None:
    counts = fastest_of_runs(np.random.default_rng(16), int(1.5 * SWEEPS))
    assert counts["named"] >= 0.8 * counts["clear"]
    assert counts["against the truth"] <= 0.01 * counts["named"]
    assert counts["true one left out"] <= 0.01 * counts["cells"]
