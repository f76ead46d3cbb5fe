import math

import numpy as np
import pytest

from supcr_bench.analysis.time_rule import TimeRule, centre_interval, next_look, spent_at
from supcr_bench.values.gate import GateVerdict

RULE = TimeRule(max_slowdown=0.05, cells=4)
CALM = [0.001 * (-1) ** k for k in range(20)]


def around(ratio: float, spread: float = 0.002, n: int = 20) -> list[float]:
    return [math.log(ratio) + spread * (-1) ** k * (1 + k / n) for k in range(n)]


@pytest.mark.parametrize(
    ("ratio", "ruling"),
    [
        (0.5, GateVerdict.PASS),
        (1.0, GateVerdict.PASS),
        (1.03, GateVerdict.PASS),
        (1.05, GateVerdict.UNDECIDED),
        (1.07, GateVerdict.REGRESSION),
        (2.0, GateVerdict.REGRESSION),
    ],
)
def test_the_whole_interval_has_to_lie_on_one_side_of_what_is_allowed(ratio, ruling):
    assert RULE.judge(around(ratio), CALM, 1).verdict is ruling


def test_an_interval_that_holds_what_is_allowed_says_so():
    ruled = RULE.judge(around(1.05), CALM, 1)
    assert ruled.reason == "its interval contains the allowed slowdown, 5%"


def test_too_few_processes_are_said_to_be_too_few():
    few = RULE.first_look - 1
    ruled = RULE.judge(around(2.0)[:few], CALM[:few], 1)
    assert ruled.verdict is GateVerdict.UNDECIDED
    assert ruled.reason == f"{few} processes are too few to decide"


def test_no_pass_where_the_same_code_differs_by_more_than_is_allowed():
    noisy = [0.08 * (-1) ** k for k in range(20)]
    ruled = RULE.judge(around(1.0), noisy, 1)
    assert ruled.verdict is GateVerdict.UNDECIDED
    assert ruled.reason is not None
    assert "the noise floor of 8.3% is not below the allowed 5%" in ruled.reason


def test_no_regression_that_is_no_farther_out_than_the_same_code():
    noisy = [0.15 * (-1) ** k for k in range(20)]
    assert RULE.judge(around(1.10), noisy, 1).verdict is GateVerdict.UNDECIDED
    assert RULE.judge(around(1.30), noisy, 1).verdict is GateVerdict.REGRESSION


def test_a_biased_again_arm_is_noise_too():
    assert RULE.judge(around(1.10), around(1.12), 1).verdict is GateVerdict.UNDECIDED


def test_more_cells_or_later_looks_need_more_to_decide():
    def width(rule: TimeRule, look: int) -> float:
        after = rule.judge(around(1.0, 0.01), CALM, look).after
        assert after.low is not None
        assert after.high is not None
        return after.high - after.low

    assert width(RULE, 1) < width(TimeRule(max_slowdown=0.05, cells=40), 1)
    assert width(RULE, 1) < width(RULE, 6)


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_what_could_have_been_detected_is_found_in_95_of_100_runs_at_this_noise(noise):
    rng = np.random.default_rng(2)
    n, runs = 24, 600
    pooled = [RULE.detectable((noise * rng.standard_normal(n)).tolist(), 1) for _ in range(30)]
    typical = float(np.median([d for d in pooled if d is not None]))
    found = 0
    for _ in range(runs):
        after = math.log1p(typical) + noise * rng.standard_normal(n)
        again = noise * rng.standard_normal(n)
        found += RULE.judge(after.tolist(), again.tolist(), 1).verdict is GateVerdict.REGRESSION
    assert 0.9 <= found / runs <= 0.985


def test_too_few_processes_tell_no_slowdown_that_could_have_been_detected():
    assert RULE.detectable([0.0] * 3, 1) is None


def test_the_first_look_waits_for_a_mode_that_three_in_ten_processes_have():
    for cells in (1, 4, 20):
        rule = TimeRule(max_slowdown=0.05, cells=cells)
        assert 0.7**rule.first_look <= rule.error / cells < 0.7 ** (rule.first_look - 2)


def with_mode(share: float, size: float, n: int = 20) -> list[float]:
    """Every so many processes apart."""
    every = round(1 / share)
    return [v + math.log1p(size) * (k % every == 0) for k, v in enumerate(around(1.0, n=n))]


def test_processes_of_a_slow_mode_are_counted_and_never_pass():
    ruled = RULE.judge(with_mode(0.25, 0.3), CALM, 1)
    assert ruled.verdict is GateVerdict.UNDECIDED
    assert ruled.reason is not None
    assert "5 of 20 processes 31% slower" in ruled.reason
    few = RULE.judge(with_mode(0.1, 0.3), CALM, 1)
    assert few.verdict is GateVerdict.UNDECIDED
    assert few.reason == "2 of 20 processes 31% slower: more would show how many"


def test_a_slow_mode_of_identical_code_is_the_machines():
    again = with_mode(0.25, 0.3)
    ruled = RULE.judge(with_mode(0.25, 0.3), again[1:] + again[:1], 1)
    assert ruled.reason is not None
    assert "noise floor" in ruled.reason or "interval contains" in ruled.reason


def test_a_regression_that_a_fast_mode_may_turn_around_is_undecided():
    fast = [v + math.log(1.07) - 0.3 * (k % 4 == 0) for k, v in enumerate(CALM)]
    ruled = RULE.judge(fast, CALM, 1)
    assert ruled.verdict is GateVerdict.UNDECIDED


def test_a_mean_call_that_takes_longer_is_a_regression_beside_a_median_call_that_does_not():
    means = around(1.5)
    ruled = RULE.judge(around(1.0), CALM, 1, means, CALM)
    assert ruled.verdict is GateVerdict.REGRESSION
    assert ruled.reason is not None
    assert "the mean call is slower by at least 49" in ruled.reason
    assert "the median call by" in ruled.reason
    assert RULE.judge(around(1.0), CALM, 1, around(1.02), CALM).verdict is GateVerdict.PASS


def test_the_last_look_uses_the_error_that_earlier_looks_left():
    values = around(1.0, 0.02, n=30)
    planned = RULE.judge(values, CALM, 3).after
    last = RULE.judge(values, CALM, 3, last=True).after
    assert planned.low is not None
    assert last.low is not None
    assert planned.low < last.low


def test_a_pass_needs_an_error_of_one_ratio_so_its_upper_bounds_share_nothing():
    found = RULE.judge(around(1.0, 0.02, n=40), CALM, 1, around(1.0, 0.02, n=40), CALM).after
    share = spent_at(1, RULE.error / RULE.cells)
    values = around(1.0, 0.02, n=40)
    assert found.high == centre_interval(values, share).high
    assert found.low == centre_interval(values, share / 2).low


def test_a_mean_call_at_its_limit_never_passes():
    ruled = RULE.judge(around(1.0), CALM, 1, around(1.21), CALM)
    assert ruled.verdict is not GateVerdict.PASS


@pytest.mark.parametrize(
    ("ratio", "wrong"), [(1.05, GateVerdict.REGRESSION), (1.0501, GateVerdict.PASS)]
)
def test_a_slowdown_at_the_limit_is_ruled_on_no_more_often_than_the_error_allows(ratio, wrong):
    rng = np.random.default_rng(1)
    runs, cells = 150, 3
    rule = TimeRule(max_slowdown=0.05, cells=cells, error=0.1)
    mistaken = 0
    for _ in range(runs):
        after = math.log(ratio) + 0.01 * rng.standard_t(3, size=(cells, 40))
        again = 0.01 * rng.standard_t(3, size=(cells, 40))
        n, look, seen = rule.first_look, 1, False
        while n <= 40:
            following = next_look(n)
            seen |= any(
                rule.judge(a[:n].tolist(), g[:n].tolist(), look, last=following > 40).verdict
                is wrong
                for a, g in zip(after, again, strict=True)
            )
            n, look = following, look + 1
        mistaken += seen
    assert mistaken / runs <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / runs)
