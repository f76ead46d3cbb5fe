"""A few runs of each row of ``make gate-simulation``, whose thousand runs a row are stored."""

import pytest

from tests.studies.gate_simulation import NOISES, WORK, errors, forbidden

RUNS = 12


@pytest.mark.parametrize("noise", NOISES)
def test_no_false_alarm_and_nothing_at_the_limit_passes(noise):
    alarms, passed, _, _ = errors(noise, RUNS)
    assert (alarms, passed) == (0, 0)


def test_ten_percent_is_found_where_processes_spread_by_three():
    assert errors("3 % from process to process", RUNS)[2] >= RUNS - 1


@pytest.mark.parametrize("work", WORK)
def test_work_that_a_median_does_not_see_never_passes(work):
    assert forbidden(work, RUNS)[WORK[work].forbidden] == 0
