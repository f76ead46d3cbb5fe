import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from supcr_bench.analysis.statistics import interval_rank
from supcr_bench.analysis.time_rule import (
    centre_interval,
    first_look,
    next_look,
    spent_at,
)

VALUES = st.lists(
    st.floats(-1, 1, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-9),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("n", [3, 8, 15, 40])
@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.005])
def test_a_bound_fails_as_often_as_the_binomial_distribution_says(n, alpha):
    rank, below = interval_rank(n, alpha), scipy.stats.binom(n, 0.5)
    assert below.cdf(rank - 1) <= alpha < below.cdf(rank)


@given(VALUES)
def test_the_interval_is_the_other_way_round_for_the_inverse_ratio(values):
    one, other = centre_interval(values, 0.05), centre_interval([-v for v in values], 0.05)
    assert one.estimate == pytest.approx(-other.estimate)
    if one.low is None or other.low is None or other.high is None:
        assert one.low is one.high is other.low is other.high is None
    else:
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


@given(VALUES, st.floats(-3, 3))
def test_the_interval_moves_with_the_values(values, shift):
    one, other = centre_interval(values, 0.05), centre_interval([v + shift for v in values], 0.05)
    assert other.estimate == pytest.approx(one.estimate + shift, abs=1e-12)
    if one.low is not None and one.high is not None:
        assert other.low == pytest.approx(one.low + shift, abs=1e-12)
        assert other.high == pytest.approx(one.high + shift, abs=1e-12)


@given(VALUES.filter(lambda v: 0 not in v))
def test_the_interval_leaves_zero_out_where_the_exact_sign_test_rejects_it(values):
    found = centre_interval(values, 0.05)
    above = sum(value > 0 for value in values)
    test = scipy.stats.binomtest(above, len(values), 0.5, alternative="greater")
    assert (found.low is not None and found.low > 0) == (test.pvalue <= 0.05)


def test_too_few_values_have_no_bound():
    assert centre_interval([0.1] * 4, 0.05).low is None
    assert centre_interval([0.1] * 5, 0.05).low == 0.1
    with pytest.raises(ValueError, match="no samples"):
        centre_interval([], 0.05)


def test_one_wild_value_does_not_move_the_interval_away():
    calm = centre_interval([0.01 * k for k in range(-10, 11)], 0.01)
    wild = centre_interval([0.01 * k for k in range(-10, 10)] + [50.0], 0.01)
    assert wild.high is not None
    assert calm.high is not None
    assert wild.high < calm.high + 0.05


def test_all_looks_together_spend_no_more_than_alpha():
    assert sum(spent_at(k, 0.01) for k in range(1, 10_000)) <= 0.01
    assert sum(spent_at(k, 0.01) for k in range(1, 10_000)) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.01 / 6, 0.01 / 40])
def test_the_first_look_has_bounds_and_one_value_less_would_not(alpha):
    n = first_look(alpha)
    spent = spent_at(1, alpha)
    assert centre_interval([0.0] * n, spent).low is not None
    assert centre_interval([0.0] * (n - 1), spent).low is None


def test_every_later_look_has_bounds_too():
    for alpha in (0.05, 0.01 / 6, 0.01 / 40):
        n, look = first_look(alpha), 1
        while look < 20:
            assert centre_interval([0.0] * n, spent_at(look, alpha)).low is not None
            n, look = next_look(n), look + 1


def test_bounds_looked_at_again_and_again_fail_no_more_often_than_they_may():
    rng = np.random.default_rng(0)
    failed, runs, alpha = 0, 400, 0.1
    for _ in range(runs):
        # Heavy tails, and a spread that changes from process to process.
        values = rng.standard_t(2, size=60) * rng.uniform(0.1, 3, size=60)
        n, look, wrong = first_look(alpha), 1, False
        while n <= len(values):
            found = centre_interval(values[:n].tolist(), spent_at(look, alpha))
            assert found.low is not None
            wrong |= found.low > 0
            n, look = next_look(n), look + 1
        failed += wrong
    assert failed / runs <= alpha + 2 * math.sqrt(alpha * (1 - alpha) / runs)
    assert failed > 0
