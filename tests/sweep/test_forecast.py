from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.store.run import load_run
from supcr_bench.sweep.forecast import PAIR_S, Forecast
from supcr_bench.values.case import Case, Pass, Workload
from supcr_bench.values.cell import FEWEST_CALLS, UNTIMED_CALLS, Budget
from supcr_bench.values.growth_law import LAWS, get_law
from supcr_bench.values.result import Result, Status, grouped
from tests.examples import measured

BUDGET = Budget(time_limit_s=10.0)


def case(n: int, pass_: Pass = "forward", **fields: Any) -> Case:
    return Case(batch_size=n, pass_=pass_, **fields)


def ended(n: int, status: Status, **fields: Any) -> Result:
    return Result(implementation="one", case=case(n, **fields), status=status)


def after(*results: Result, **claims: str) -> Forecast:
    forecast = Forecast(BUDGET, {name: LAWS[law] for name, law in claims.items()})
    for result in results:
        forecast.observe(result)
    return forecast


def test_nothing_known_predicts_and_skips_nothing() -> None:
    assert after().call_s("one", case(64)) is None
    assert after().skip("one", case(64)) is None


def test_one_size_without_a_claim_predicts_the_same_time() -> None:
    assert after(measured(64, 0.5)).call_s("one", case(128)) == (0.5, "as at N=64")


def test_one_size_with_a_claim_predicts_by_the_claim() -> None:
    predicted = after(measured(64, 0.5), one="N^3").call_s("one", case(128))
    assert predicted is not None
    assert predicted[0] == 4.0
    assert all(word in predicted[1] for word in ("N=64", "claim", "N^3"))


def test_a_claim_is_not_used_at_the_size_that_is_known() -> None:
    assert after(measured(64, 0.5), one="N^3").call_s("one", case(64)) == (0.5, "as at N=64")


def test_two_sizes_outweigh_a_claim() -> None:
    forecast = after(measured(32, 0.1), measured(64, 0.4), one="N^4")
    predicted = forecast.call_s("one", case(128))
    assert predicted is not None
    assert predicted[0] == pytest.approx(1.6)
    assert all(word in predicted[1] for word in ("N=32", "64", "N^2.0"))
    assert "claim" not in predicted[1]


def test_noise_at_one_of_two_near_sizes_skips_nothing() -> None:
    forecast = after(measured(16, 0.001), measured(24, 0.001), measured(32, 0.006))
    seconds, how = forecast.call_s("one", case(64)) or (0.0, "")
    assert seconds == pytest.approx(0.036)
    assert how == "N^2.6 from N=16 and 32"
    assert forecast.skip("one", case(64)) is None


def test_no_case_is_skipped_by_a_growth_that_no_loss_has() -> None:
    forecast = after(measured(32, 0.001), measured(64, 0.05))
    seconds, how = forecast.call_s("one", case(128)) or (0.0, "")
    assert seconds == pytest.approx(0.05 * 2**4)
    assert how == "N^4.0 from N=32 and 64"


@given(st.floats(0.5, 4), st.sampled_from([2, 4, 16]))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_a_power_law_is_continued(power: float, factor: int) -> None:
    forecast = after(*(measured(n, 1e-6 * n**power) for n in (16, 32, 64)))
    predicted = forecast.call_s("one", case(64 * factor))
    assert predicted is not None
    assert predicted[0] == pytest.approx(1e-6 * (64 * factor) ** power)


def test_a_time_that_falls_is_not_predicted_to_fall_further() -> None:
    predicted = after(measured(32, 0.4), measured(64, 0.1)).call_s("one", case(1024))
    assert predicted is not None
    assert predicted[0] == pytest.approx(0.1)


def test_the_median_of_the_samples_counts() -> None:
    forecast = after(measured(64, (0.1, 0.1, 0.1, 9.0, 9.0)))
    assert forecast.call_s("one", case(64)) == (0.1, "as at N=64")


@pytest.mark.parametrize(
    "other",
    [
        {"implementation": "two"},
        {"pass_": "training"},
        {"dims": 2},
        {"nan_density": 0.5},
        {"dtype": "float64"},
    ],
)
def test_other_series_say_nothing(other: dict[str, Any]) -> None:
    assert after(measured(64, 0.5, **other)).call_s("one", case(128)) is None


def test_a_case_is_skipped_when_the_fewest_calls_would_not_fit() -> None:
    fits = BUDGET.time_limit_s / FEWEST_CALLS
    assert after(measured(64, fits * 0.999)).skip("one", case(64)) is None
    prediction = after(measured(64, fits * 1.001)).skip("one", case(64))
    assert prediction is not None
    assert prediction[0] == pytest.approx(fits * 1.001)
    assert all(part in prediction[1] for part in ("1.11 s a call", "as at N=64"))
    assert prediction[1].endswith("would exceed the limit of 10.0 s")


def test_an_untimed_case_has_to_fit_fewer_calls() -> None:
    fits = BUDGET.time_limit_s / UNTIMED_CALLS
    quick, slow = (after(measured(64, fits * by)) for by in (0.999, 1.001))
    assert quick.skip("one", case(64))
    assert quick.skip("one", case(64), timed=False) is None
    assert quick.expected_s("one", case(64), timed=False) == pytest.approx(
        0.05 + 0.999 * BUDGET.time_limit_s
    )
    prediction = slow.skip("one", case(64), timed=False)
    assert prediction is not None
    assert f"{UNTIMED_CALLS} calls would exceed" in prediction[1]
    assert after().expected_s("one", case(64), timed=False) < BUDGET.sampling_s


@pytest.mark.parametrize(
    ("status", "words"), [(Status.OUT_OF_MEMORY, "out of memory"), (Status.TIMED_OUT, "timed out")]
)
def test_larger_sizes_are_skipped_once_a_series_has_ended(status: Status, words: str) -> None:
    forecast = after(measured(32, 1e-3), ended(64, status))
    prediction = forecast.skip("one", case(128))
    assert prediction is not None
    assert prediction[0] is None
    assert prediction[1] == f"{words} at N=64 already"
    assert forecast.skip("one", case(32)) is None
    assert forecast.skip("one", case(64)) is None
    assert forecast.skip("one", case(128, "training")) is None


def test_the_smallest_end_of_a_series_counts() -> None:
    sizes = (256, 64, 128)
    forecast = after(*(ended(n, Status.OUT_OF_MEMORY) for n in sizes))
    prediction = forecast.skip("one", case(512))
    assert prediction is not None
    assert prediction[1] == "out of memory at N=64 already"


@pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED])
def test_a_failure_at_one_size_ends_no_series(status: Status) -> None:
    assert after(ended(64, status)).skip("one", case(128)) is None


def test_what_is_expected_covers_the_sampling_and_the_fewest_calls() -> None:
    quick, slow, too_slow = (after(measured(64, s)) for s in (1e-6, 0.5, 5.0))
    at = case(64)
    assert quick.expected_s("one", at) == pytest.approx(0.05 + BUDGET.sampling_s)
    assert slow.expected_s("one", at) == pytest.approx(0.05 + 0.5 * FEWEST_CALLS)
    assert too_slow.expected_s("one", at) == 0
    assert after().expected_s("one", at) > 0


def test_the_largest_size_that_was_timed_is_known_by_series() -> None:
    forecast = after(measured(64), measured(128), ended(256, Status.OUT_OF_MEMORY))
    assert forecast.largest_size("one", case(512)) == 128
    assert forecast.largest_size("one", case(512, dims=2)) is None
    assert forecast.largest_size("two", case(512)) is None


def test_a_peak_is_forecast_from_five_sizes_of_its_own_series_and_no_fewer() -> None:
    known = [replace(measured(n), peak_bytes=4 * n**3 + n) for n in (8, 12, 16, 24, 32)]
    found = after(*known).peak("one", case(128))
    assert found["predicted_peak_from"] == 32
    assert found["predicted_peak_bytes"] == pytest.approx(4 * 128**3 + 128, rel=1e-3)
    low, high = found["predicted_peak_low_bytes"], found["predicted_peak_high_bytes"]
    assert low <= 4 * 128**3 + 128 <= high
    assert after(*known).peak("one", case(127)) == {}
    assert after(*known).peak("one", case(128, dims=2)) == {}
    assert after(*known).peak("two", case(128)) == {}


@pytest.mark.parametrize(
    ("stored", "least"),
    [
        ("results/reference", 6),
        ("tests/golden/gpu-h100", 10),
        ("results/gpu", 10),
        ("tests/golden/quick", 5),
    ],
)
def test_the_time_left_of_a_stored_run_is_right_to_half_after_a_fifth_of_it(
    stored: str, least: int
) -> None:
    """The clock is the seconds that each result took; the last seconds are told less exactly."""
    run = load_run(Path(__file__).parents[2] / stored)
    limits = {k: v for k, v in run.info["budget"].items() if k in Budget.__slots__}
    claims = {n: get_law(d["claimed_time"]) for n, d in run.info["implementations"].items()}
    forecast = Forecast(Budget(**limits), claims)
    cells = list(grouped(run.results, lambda r: r.case.workload).values())
    seconds = [sum(r.spent_s or 0.0 for r in cell) for cell in cells]
    moments = 0
    for index, cell in enumerate(cells):
        left_s = sum(seconds[index:])
        ahead, expected_s = forecast.ahead(), 0.0
        for r in (r for other in cells[index:] for r in other):
            expected_s += ahead.expected_s(r.implementation, r.case, machine=r.machine)
            ahead.assume(r.implementation, r.case, machine=r.machine)
        share = 1 - left_s / sum(seconds)
        if 0.2 <= share <= 0.85:
            moments += 1
            assert 1 / 1.5 <= expected_s / left_s <= 1.5, cell[0].case.describe()
        elif share > 0.85:
            assert abs(expected_s - left_s) <= 0.1 * sum(seconds), cell[0].case.describe()
        for result in cell:
            forecast.observe(result)
            if result.spent_s is not None:
                forecast.took(result, result.spent_s)
    assert moments >= least


def test_what_is_looked_ahead_at_changes_nothing_that_was_measured() -> None:
    forecast = after(measured(32, 0.1), measured(64, 0.2), one="N^3")
    ahead = forecast.ahead()
    ahead.assume("one", case(128))
    assert ahead.call_s("one", case(128)) is not None
    assert ahead.largest_size("one", case(512)) == 128
    assert forecast.largest_size("one", case(512)) == 64


def test_a_case_that_would_be_skipped_is_not_assumed_nor_those_after_it() -> None:
    ahead = after(measured(64, 0.5), one="N^3").ahead()
    for n in (128, 256):
        assert ahead.expected_s("one", case(n)) == 0
        ahead.assume("one", case(n))
    assert ahead.largest_size("one", case(512)) == 64


def likely_call_s(forecast: Forecast, at: Case) -> float:
    return (forecast.expected_s("one", at) - 0.05) / FEWEST_CALLS


def test_a_call_is_expected_to_grow_as_in_another_series_for_each_dimension() -> None:
    known = [measured(n, s) for n, s in ((64, 0.1), (128, 0.2))]
    slow, fast, none = (
        after(*known, *own)
        for own in ([measured(64, 0.3, dims=2)], [measured(64, 0.15, dims=2)], [])
    )
    assert likely_call_s(slow, case(128, dims=2)) == pytest.approx(0.6)
    assert likely_call_s(fast, case(128, dims=2)) == pytest.approx(0.3)
    assert likely_call_s(none, case(128, dims=2)) == pytest.approx(0.4)
    half_labelled = case(128, dims=2, nan_density=0.5)
    assert likely_call_s(none, half_labelled) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("measured_power", "expected_power"),
    [(0.0, 0.0), (1.0, 1 + 2 * 3**-0.7), (3.0, 3.0), (3.5, 3.5)],
)
def test_growth_moves_to_the_claim_by_the_share_of_it_that_is_seen(
    measured_power: float, expected_power: float
) -> None:
    known = [measured(n, 0.1 * (n / 64) ** measured_power) for n in (16, 32, 64)]
    elsewhere = case(128, labels="tied")  # no time of this series, so nothing is skipped
    found = likely_call_s(after(*known, one="N^3"), elsewhere)
    assert found == pytest.approx(0.1 * 2**expected_power)


def test_a_case_whose_peak_would_exceed_the_memory_limit_takes_no_time() -> None:
    forecast = Forecast(replace(BUDGET, memory_limit_bytes=2**30))
    for n in (32, 64):
        forecast.observe(replace(measured(n), peak_bytes=4 * n**3))
    assert forecast.expected_s("one", case(512)) > 0
    assert forecast.expected_s("one", case(1024, dims=2)) == 0


def test_a_case_counts_half_or_less_if_its_likely_calls_would_not_fit() -> None:
    known = [measured(n, s, dims=2) for n, s in ((64, 0.5), (128, 2.0))]
    forecast = after(*known, measured(64, 0.3))
    assert forecast.skip("one", case(128)) is None
    expected_s = forecast.expected_s("one", case(128))
    over = FEWEST_CALLS * 0.3 * 4 / BUDGET.time_limit_s
    assert expected_s == pytest.approx((0.05 + FEWEST_CALLS * 0.3 * 4) / 2 / over**2)


def test_what_assumed_times_rule_out_counts_by_the_chance_that_they_are_too_long() -> None:
    ahead = after(*(measured(n, 1e-3 * n) for n in (16, 64, 256)), one="N").ahead()
    assert ahead.expected_s("one", case(2048)) == 0
    ahead.assume("one", case(1024))
    over = FEWEST_CALLS * 2.048 / BUDGET.time_limit_s
    assert over > 1
    likely_s = (0.05 + FEWEST_CALLS * 2.048) / 2 / over**2
    assert ahead.expected_s("one", case(2048)) == pytest.approx(likely_s)


def test_a_longer_call_adds_to_what_its_case_took_at_the_nearest_size() -> None:
    known = [measured(n, 1e-3 * n) for n in (16, 32)]
    forecast = after(*known, one="N")
    forecast.took(known[0], 9.0)
    forecast.took(known[1], 2.0)
    samples = len(known[1].time_samples_s or ())
    beside_s = 2.0 - samples * 0.032 + UNTIMED_CALLS * 0.032
    assert forecast.expected_s("one", case(64)) == pytest.approx(samples * 0.064 + beside_s)
    assert forecast.expected_s("one", case(32)) == pytest.approx(2.0)
    assert forecast.expected_s("one", case(32), further=True) == pytest.approx(2.0)
    forecast.took(known[1], 0.5, further=True)
    assert forecast.expected_s("one", case(32), further=True) == pytest.approx(0.5)
    assert forecast.expected_s("one", case(32)) == pytest.approx(2.0)
    forecast.took(known[1], 0.1, timed=False)
    assert forecast.expected_s("one", case(64), timed=False) == pytest.approx(0.1)


def test_a_reference_takes_as_long_for_each_pair_of_rows_as_the_largest_one() -> None:
    forecast = after()
    workload = Workload(batch_size=100, dims=2)
    assert forecast.reference_s(workload) == pytest.approx(PAIR_S * 100**2 * 2)
    forecast.reference_took(workload, 4.0)
    assert forecast.reference_s(replace(workload, batch_size=200, dims=1)) == pytest.approx(8.0)
    forecast.reference_took(replace(workload, batch_size=50), 4.0)  # of fewer rows
    assert forecast.reference_s(workload) == pytest.approx(4.0)


def test_verification_is_told_the_likely_seconds_of_training_or_else_of_a_forward() -> None:
    workload = Workload(batch_size=64)
    assert after().usual_s("one", workload) == 0
    forward = measured(64, 0.1)
    assert after(forward).usual_s("one", workload) == pytest.approx(0.1)
    both = after(forward, measured(64, 0.3, pass_="training"))
    assert both.usual_s("one", workload) == pytest.approx(0.3)
