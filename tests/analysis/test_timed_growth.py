"""Laws of noisy figures: the model's parts, one by one. The whole is held by simulated sweeps."""

from dataclasses import replace

import numpy as np
import pytest

from supcr_bench.analysis.timed_growth import TimedSeries, fit_power, judge_timed
from supcr_bench.values.growth_law import LAWS

SIZES = (16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512)


def series(seconds: list[float], overhead: list[float] | None = None, **bounds: tuple[float, ...]):
    own = overhead or [1.0] * len(seconds)
    relative = tuple(h / own[-1] for h in own)
    return TimedSeries(SIZES[: len(seconds)], tuple(seconds), relative, **bounds)


def noisy(seconds: list[float], deviation: float = 0.05, seed: int = 1) -> list[float]:
    noise = np.random.default_rng(seed).normal(0.0, deviation, len(seconds))
    return [float(s * np.exp(e)) for s, e in zip(seconds, noise, strict=True)]


@pytest.mark.parametrize("power", [1.0, 2.0, 2.5, 3.0, 4.0])
def test_the_power_is_found_under_an_overhead(power: float) -> None:
    found = fit_power(series([1e-3 + 1e-8 * n**power for n in SIZES]))
    assert found.exponent == pytest.approx(power, abs=0.01)


def test_the_power_is_one_that_was_fitted_where_the_squares_have_a_kink() -> None:
    """As in the stored run: a spline through the squares of few powers fell below all of them."""
    found = fit_power(
        TimedSeries(
            (12.5, 16.25, 23.75, 32.5, 47.5, 63.75),
            (0.0276919, 0.0512778, 0.1219685, 0.2568301, 0.5737711, 1.2206201),
            tuple(n / 372496 for n in (13336, 22972, 50128, 95096, 205472, 372496)),
        )
    )
    assert found.exponent == pytest.approx(2.46, abs=0.02)
    assert found.high == pytest.approx(4.20, abs=0.02)


@pytest.mark.parametrize("name", ["N", "N^2 log N", "N^3", "N^4"])
def test_a_law_with_little_noise_is_named(name: str) -> None:
    law = LAWS[name]
    found = judge_timed(series(noisy([1e-6 * law.of(n) / law.of(16) for n in SIZES], 0.02)))
    assert found.law == name
    assert found.curve is not None
    true = 1e-6 * law.of(1024) / law.of(16)
    assert found.curve(1024) == pytest.approx(true, rel=0.1)
    assert found.band is not None
    low, high = found.band(1024)
    assert low <= true <= high < 2 * low


def test_noise_leaves_neighbouring_laws_open_and_says_up_to_where_to_measure() -> None:
    found = judge_timed(series(noisy([1e-3 + 1e-7 * n**2 for n in SIZES], 0.1)))
    assert found.law is None
    assert {"N^2", "N^2 log N"} <= set(found.candidates)
    assert found.needs_size is not None
    assert found.needs_size > SIZES[-1]
    assert f"needs N up to about {found.needs_size}" in found.evidence


@pytest.mark.parametrize(("late", "off"), [(2.4, "2.2"), (1.9, "1.8")])
def test_a_law_that_misses_a_time_by_half_or_more_is_not_named(late: float, off: str) -> None:
    """As where noise makes one size slow."""
    slow = [1e-9 * n**4 * (1 if n != 91 else late) for n in SIZES]
    found = judge_timed(series(noisy(slow, 0.01)))
    assert found.law is None
    assert found.evidence.startswith(f"N^4 is nearest, and misses a time by a factor of {off};")


def test_a_law_that_misses_a_time_by_less_than_half_is_named() -> None:
    slow = [1e-9 * n**4 * (1 if n != 91 else 1.3) for n in SIZES]
    assert judge_timed(series(noisy(slow, 0.01))).law == "N^4"


def test_a_law_that_is_hardly_nearer_than_another_is_not_named() -> None:
    """As where a few sizes follow a power that is no law."""
    few = (8, 16, 24, 32, 48, 64)  # of N^2 under an overhead, with the noise of a shared machine
    times_ms = (14.346, 16.328, 18.260, 19.595, 21.984, 23.228)
    found = judge_timed(TimedSeries(few, times_ms, (1.0,) * 6))
    assert found.law is None
    assert {"N", "N^2"} <= set(found.candidates)


def test_overhead_grows_with_the_launches_and_is_not_taken_for_the_law() -> None:
    """A loop over rows launches operations for each: its time is N long before it is N^3."""
    launches = [100.0 * n for n in SIZES]
    seconds = [5e-6 * h + 1e-9 * n**3 for h, n in zip(launches, SIZES, strict=True)]
    found = judge_timed(series(noisy(seconds, 0.02), launches))
    assert found.law == "N^3"
    assert judge_timed(series(noisy(seconds, 0.02))).law != "N^3"


def test_a_call_that_costs_its_launches_and_no_more_leaves_every_law_open() -> None:
    launches = [30.0 * n**2 for n in SIZES]
    found = judge_timed(series(noisy([5e-6 * h for h in launches]), launches))
    assert found.law is None
    assert found.candidates == tuple(LAWS)
    assert "dispatching operations" in found.evidence


def test_distances_in_waves_are_no_law() -> None:
    """A cache that is left behind: quadratic at first, then four times as steep, then quadratic."""
    seconds = [1e-7 * n**2 * (1 if n < 60 else 12 if n > 200 else (n / 60) ** 2) for n in SIZES]
    found = judge_timed(series(noisy(seconds, 0.01)))
    assert found.law is None
    assert "has the shape" in found.evidence


def test_a_bound_pulls_a_fit_up_that_lies_below_it_and_no_other() -> None:
    seconds = noisy([1e-7 * n**2 for n in SIZES], 0.1)
    free = fit_power(series(seconds))
    idle = fit_power(series(seconds, bound_sizes=(2048,), bound_seconds=(1e-3,)))
    pulled = fit_power(series(seconds, bound_sizes=(2048,), bound_seconds=(10.0,)))
    assert replace(idle, model=free.model) == free
    assert idle.model.squares == free.model.squares
    assert pulled.exponent > free.exponent + 0.1


def test_few_sizes_tell_nothing() -> None:
    found = judge_timed(series([1.0, 2.0, 3.0, 4.0]))
    assert found.law is None
    assert "takes 5" in found.evidence
