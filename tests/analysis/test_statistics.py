import math
from random import Random
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.analysis.statistics import (
    CONFIDENCE,
    faster_in,
    interval_rank,
    median_interval,
    samples_that_count,
)
from supcr_bench.values.result import Result
from tests.analysis.readings import covers
from tests.made_results import make_result

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=100)
SAMPLES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60)


def coverage(n: int, rank: int) -> float:
    """Probability that the median lies between the rank-th smallest and largest of n samples.

    It does unless fewer than ``rank`` samples fall on one side of it; how many do is binomial.
    """
    missed = sum(math.comb(n, below) for below in range(rank))
    return float(1 - missed / 2 ** (n - 1))


@pytest.mark.parametrize("n", [*range(6, 60), 100, 500])
def test_the_interval_covers_the_median_often_enough_and_is_the_narrowest_that_does(n: int) -> None:
    rank = interval_rank(n)
    assert rank
    assert coverage(n, rank) >= CONFIDENCE
    narrower = rank + 1
    assert narrower > n // 2 or coverage(n, narrower) < CONFIDENCE


@pytest.mark.parametrize(
    ("n", "rank"), [(1, 0), (5, 0), (6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (100, 40)]
)
def test_ranks_are_those_of_the_tables(n: int, rank: int) -> None:
    assert interval_rank(n) == rank


@pytest.mark.parametrize(("confidence", "n", "rank"), [(0.9, 5, 1), (0.99, 7, 0), (0.99, 8, 1)])
def test_another_confidence_needs_another_number_of_samples(
    confidence: float, n: int, rank: int
) -> None:
    assert interval_rank(n, (1 - confidence) / 2) == rank


def test_five_samples_give_no_interval_and_six_do() -> None:
    five, six = (median_interval([float(x) for x in range(1, n + 1)]) for n in (5, 6))
    assert (five.estimate, five.low, five.high, five.samples) == (3.0, None, None, 5)
    assert five.half_width is None
    assert (six.estimate, six.low, six.high, six.samples) == (3.5, 1.0, 6.0, 6)
    assert six.half_width == pytest.approx(2.5 / 3.5)


def test_the_half_width_is_the_wider_side() -> None:
    interval = median_interval([1.0, 1.0, 1.0, 1.0, 1.0, 3.0])
    assert interval.half_width == 2.0


@given(SAMPLES)
@EXAMPLES
def test_the_interval_holds_the_median_and_consists_of_samples(samples: list[float]) -> None:
    interval = median_interval(samples)
    assert interval.estimate == median(samples)
    assert interval.samples == len(samples)
    assert (interval.low is None) == (samples_that_count(samples, median(samples)) < 6)
    if interval.low is None or interval.high is None:
        assert interval.high is None
        return
    assert interval.low <= interval.estimate <= interval.high
    assert {interval.low, interval.high} <= set(samples)


@given(SAMPLES, st.sampled_from([0.5, 2.0, 1024.0]), st.randoms(use_true_random=False))
@EXAMPLES
def test_order_does_not_move_the_median_and_scale_carries_through(
    samples: list[float], scale: float, random: Random
) -> None:
    plain = median_interval(samples)
    moved = median_interval([x * scale for x in samples])
    assert median_interval(random.sample(samples, len(samples))).estimate == plain.estimate
    assert moved.estimate == plain.estimate * scale
    if plain.low is not None and plain.high is not None:
        assert (moved.low, moved.high) == (plain.low * scale, plain.high * scale)


def test_equal_samples_have_no_width_and_a_median_of_zero_no_relative_one() -> None:
    assert median_interval([0.0] * 6).half_width == 0.0
    assert median_interval([0.0] * 5 + [1.0] + [-1.0]).half_width is None


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median_interval([])


def test_one_is_faster_only_beyond_its_interval_and_the_noise_of_its_cell() -> None:
    def cell(ratio: float, noise: float, session: str = "s", rounds: int = 8) -> list[Result]:
        base = [1.0, 1.1, 0.9, 1.2, 0.8, 1.05, 0.95, 1.0][:rounds]
        again = tuple(noise * x for x in base)
        one = make_result("one", times=base, aa_samples_s=again, session="s")
        other = make_result("two", times=[ratio * x for x in base], session=session)
        return [one, other]

    def told(results: list[Result]) -> bool:
        return faster_in(results)(*results)

    assert told(cell(1.1, noise=1.05))
    assert not told(cell(1.1, noise=1.15))  # identical code differs by more
    assert not told(cell(2.4, noise=2.5))
    assert told(
        cell(2.6, noise=2.5)
    )  # however noisy, a larger difference is none of identical code
    assert not told(cell(2.9, noise=3.0, rounds=2))
    assert not told(cell(1.9, noise=1.0, session="another"))
    assert told(cell(2.1, noise=1.0, session="another"))
    assert not told(cell(1.9, noise=1.0, rounds=2))
    assert told(cell(2.1, noise=1.0, rounds=2))


def autoregressive(random: np.random.Generator, n: int) -> list[float]:
    """Samples of mean 0 of which each takes over half of the last one's deviation."""
    found = [0.0]
    for shock in random.normal(0, 1, n + 50):
        found.append(0.5 * found[-1] + shock)
    return found[-n:]


def test_samples_that_come_in_runs_give_a_wider_interval_that_covers_the_median() -> None:
    random = np.random.default_rng(0)
    drawn = [autoregressive(random, 100) for _ in range(400)]
    covered = [covers(median_interval(samples), 0.0) for samples in drawn]
    assert sum(map(bool, covered)) / len(covered) > 0.88
    shuffled = [median_interval(list(random.permutation(samples))) for samples in drawn]
    assert sum(bool(covers(found, 0.0)) for found in shuffled) / len(shuffled) < 0.87


def test_a_machine_of_two_speeds_leaves_the_median_open() -> None:
    slow_and_fast = [1.8] * 10 + [1.2] * 40 + [1.8] * 30 + [1.2] * 20
    speeds = [s + 0.001 * (i % 7) for i, s in enumerate(slow_and_fast)]
    found = median_interval(speeds)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1.21 < 1.8 < found.high
    mixed = [s + 0.001 * (i % 7) for i, s in enumerate([1.8, 1.2, 1.2, 1.2, 1.2] * 20)]
    assert (median_interval(mixed).high or 2) < 1.21


@given(SAMPLES)
@EXAMPLES
def test_samples_count_at_most_once(samples: list[float]) -> None:
    assert 0 <= samples_that_count(samples, median(samples)) <= len(samples)
