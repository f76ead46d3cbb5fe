"""Change points of simulated series whose truth is known."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from supcr_bench.analysis.change_points import fewest_sessions, segments

HISTORIES, CASES, ERROR = 600, 4, 0.01
Noise = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]


def alike(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """3 % in each case and session, and 8 % that a session does to all cases."""
    return rng.normal(0, 0.08, n) + rng.normal(0, 0.03, (CASES, n))


def heavy(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    return 0.05 * rng.standard_t(2, n) + 0.03 * rng.standard_t(2, (CASES, n))


def modes(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Three sessions in ten are 30 % slower."""
    return 0.3 * (rng.random(n) < 0.3) + rng.normal(0, 0.01, (CASES, n))


def found(values: npt.NDArray[np.float64], error: float) -> bool:
    parts = segments(values.tolist(), error)
    return len(parts) > 1 or parts[0].crept


@pytest.mark.parametrize("noise", [alike, heavy, modes])
@pytest.mark.parametrize("sessions", [11, 25])
def test_a_history_without_a_change_shows_one_in_at_most_1_percent(
    noise: Noise, sessions: int
) -> None:
    rng = np.random.default_rng(1)
    false = sum(
        any(found(series, ERROR / CASES) for series in noise(rng, sessions))
        for _ in range(HISTORIES)
    )
    assert false <= ERROR * HISTORIES


def test_ten_steps_of_4_percent_are_found_and_said_to_creep() -> None:
    rng = np.random.default_rng(2)
    seen = []
    for _ in range(HISTORIES // 4):
        values = np.arange(11) * math.log(1.04) + rng.normal(0, 0.03, 11)
        parts = segments(values.tolist(), ERROR / 10)
        seen.append(parts[-1].last - parts[0].first if parts[-1].crept else 0.0)
    assert np.mean(np.array(seen) > math.log(1.05)) >= 0.95
    assert math.exp(np.median(seen)) == pytest.approx(1.04**10, rel=0.05)


def test_a_step_is_found_where_it_is() -> None:
    rng = np.random.default_rng(3)
    values = np.repeat([0.0, 0.2], 18) + rng.normal(0, 0.03, 36)
    before, after = segments(values.tolist(), ERROR)
    assert (before.start, after.start) == (0, 18)
    assert [before.last, after.last] == pytest.approx([0.0, 0.2], abs=0.02)
    assert not before.crept
    assert not after.crept


def test_the_last_level_is_right_after_two_steps() -> None:
    rng = np.random.default_rng(3)
    values = np.repeat([0.0, 0.2, 0.4], 12) + rng.normal(0, 0.03, 36)
    parts = segments(values.tolist(), ERROR)
    assert parts[-1].last - parts[0].first == pytest.approx(0.4, abs=0.1)


def test_correlated_sessions_are_seldom_taken_for_a_change() -> None:
    """Half of a session's deviation stays to the next: not 1 % false any more, but below 4."""
    rng = np.random.default_rng(4)
    false = 0
    for _ in range(HISTORIES):
        noise = rng.normal(0, 0.05, 30)
        for at in range(1, 30):
            noise[at] += 0.5 * noise[at - 1]
        false += found(noise, ERROR)
    assert false <= 4 * ERROR * HISTORIES


def test_too_few_sessions_show_nothing() -> None:
    fewest = fewest_sessions(ERROR)
    steep = [float(at) for at in range(fewest)]
    assert not found(np.array(steep[:-1]), ERROR)
    assert found(np.array(steep), ERROR)
    assert fewest_sessions(ERROR / 100) > fewest


def test_equal_values_have_no_change_point() -> None:
    assert segments([1.0] * 30, ERROR) == [(0, 30, 1.0, 1.0)]
    assert segments([1.0, 2.0] * 15, ERROR) == [(0, 30, 1.5, 1.5)]
